package kafkatools

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"strings"
	"testing"

	"github.com/ringtail/ringtail/internal/kafkatest"
	"github.com/twmb/franz-go/pkg/kfake"
)

// TestSizesOfASecuredKafka: whatever Kafka asks for, describe tells all; what only librdkafka
// understands is refused before anybody is asked.
func TestSizesOfASecuredKafka(t *testing.T) {
	own, ownFile := kafkatest.Certificate(t)
	other, otherFile := kafkatest.Certificate(t, "elsewhere")
	for name, c := range map[string]struct {
		mechanism   string
		certificate *tls.Certificate
		properties  map[string]string
		refused     string
	}{
		"plain":        {"PLAIN", nil, map[string]string{"security.protocol": "SASL_PLAINTEXT", "sasl.mechanisms": "PLAIN"}, ""},
		"scram":        {"SCRAM-SHA-256", nil, map[string]string{"security.protocol": "sasl_plaintext", "sasl.mechanism": "SCRAM-SHA-256"}, ""},
		"scram in tls": {"SCRAM-SHA-512", &own, map[string]string{"security.protocol": "sasl_ssl", "sasl.mechanism": "SCRAM-SHA-512", "ssl.ca.location": ownFile}, ""},
		"tls":          {"", &own, map[string]string{"security.protocol": "ssl", "ssl.ca.location": ownFile}, ""},
		"any name":     {"", &other, map[string]string{"security.protocol": "ssl", "ssl.ca.location": otherFile, "ssl.endpoint.identification.algorithm": "none"}, ""},
		"anybody":      {"", &other, map[string]string{"security.protocol": "ssl", "enable.ssl.certificate.verification": "false"}, ""},
		"only librdkafka": {"", &own, map[string]string{"security.protocol": "ssl", "ssl.ca.location": ownFile, "ssl.sigalgs.list": "ECDSA+SHA256"},
			"--kafka-property ssl.sigalgs.list is a property that only librdkafka understands"},
	} {
		t.Run(name, func(t *testing.T) {
			options := []kfake.Opt{kfake.NumBrokers(1), kfake.SeedTopics(2, "t")}
			if c.mechanism != "" {
				options = append(options, kfake.EnableSASL(), kfake.Superuser(c.mechanism, "user", "secret"))
				c.properties["sasl.username"], c.properties["sasl.password"] = "user", "secret"
			}
			if c.certificate != nil {
				options = append(options, kfake.TLS(&tls.Config{Certificates: []tls.Certificate{*c.certificate}}))
			}
			k, err := kfake.NewCluster(options...)
			if err != nil {
				t.Fatal(err)
			}
			defer k.Close()
			var out, said bytes.Buffer
			err = DescribeTopic(context.Background(), Cluster{Brokers: k.ListenAddrs()[0], Properties: c.properties}, DescribeOptions{Name: "t"}, Streams{Out: &out, Err: &said})
			if c.refused != "" {
				if err == nil || err.Error() != c.refused {
					t.Errorf("it ends with %v, want %q", err, c.refused)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			lines := strings.Split(strings.TrimSpace(out.String()), "\n")
			if f := strings.Fields(lines[len(lines)-1]); f[len(f)-1] == "-" || said.Len() > 0 {
				t.Errorf("it shows\n%sand says %q", out.String(), said.String())
			}
		})
	}
}

// TestWrongPassword: the line says that it may be the password.
func TestWrongPassword(t *testing.T) {
	k, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "t"), kfake.EnableSASL(), kfake.Superuser("PLAIN", "user", "secret"))
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	c := Cluster{Brokers: k.ListenAddrs()[0], Properties: map[string]string{
		"security.protocol": "sasl_plaintext", "sasl.mechanism": "PLAIN", "sasl.username": "user", "sasl.password": "wrong",
	}}
	if err := ListTopics(c, false, Streams{Out: io.Discard, Err: io.Discard}); err == nil || !strings.Contains(err.Error(), "sasl.password") {
		t.Errorf("got %v", err)
	}
}
