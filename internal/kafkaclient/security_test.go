package kafkaclient

import (
	"strings"
	"testing"

	"github.com/ringtail/ringtail/internal/kafkatest"
)

// TestSecurityRefuses: what has no counterpart is named, and what nobody looks at is not.
func TestSecurityRefuses(t *testing.T) {
	_, file := kafkatest.Certificate(t)
	for want, properties := range map[string]map[string]string{
		"sasl.mechanism=GSSAPI": {"security.protocol": "sasl_ssl", "sasl.mechanism": "GSSAPI"},
		"no such file":          {"security.protocol": "ssl", "ssl.ca.location": file + ".gone"},
		"no certificate":        {"security.protocol": "ssl", "ssl.ca.pem": "nothing"},
		"ssl.key":               {"security.protocol": "ssl", "ssl.certificate.location": file},
		"sasl.oauthbearer":      {"security.protocol": "sasl_plaintext", "sasl.mechanism": "PLAIN", "sasl.username": "me", "sasl.password": "x", "sasl.oauthbearer.method": "oidc"},
		"sasl.password: it is":  {"security.protocol": "sasl_plaintext", "sasl.mechanism": "PLAIN", "sasl.username": "me"},
		"sasl.username: it is":  {"security.protocol": "sasl_plaintext", "sasl.mechanism": "SCRAM-SHA-256", "sasl.password": "x"},
	} {
		if _, err := SecurityOf(properties); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %s", properties, err, want)
		}
	}
	if o, err := SecurityOf(map[string]string{"ssl.ca.location": "/nowhere", "linger.ms": "5"}); err != nil || len(o.Options()) != 0 {
		t.Errorf("properties that nobody looks at: %v, %v", o, err)
	}
}
