package kafkaclient

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/ringtail/ringtail/internal/kafkatest"
)

// TestExplain: each error has its words, at an address that --brokers has, and at one that a broker
// advertises.
func TestExplain(t *testing.T) {
	nobody := kafkatest.Nobody(t)
	dial := func(err error) error { return &net.OpError{Op: "dial", Net: "tcp", Err: err} }
	for _, c := range []struct {
		err        error
		want       string
		advertised bool // where it was advertised, that is what is to be mended
	}{
		{dial(&net.DNSError{Err: "no such host", IsNotFound: true}), "no such host", true},
		{dial(&net.DNSError{Err: "server misbehaving"}), "its name could not be looked up: server misbehaving", true},
		{dial(syscall.ECONNREFUSED), "connection refused: nothing listens there", true},
		{dial(syscall.EHOSTUNREACH), "no route to host", true},
		{dial(syscall.ENETUNREACH), "no route to host", true},
		{dial(context.DeadlineExceeded), "no answer to a connection, it timed out", true},
		{context.DeadlineExceeded, "it takes the connection and does not answer, it timed out", true},
		{io.EOF, "it takes the connection and closes it", true},
		{syscall.ECONNRESET, "it takes the connection and closes it", true},
		{errGarbage, "it answers, but not as Kafka does", true},
		{x509.UnknownAuthorityError{}, "its certificate is not trusted", false},
		{x509.CertificateInvalidError{Reason: x509.Expired, Cert: &x509.Certificate{NotAfter: time.Unix(0, 0).UTC()}}, "to 1970-01-01; renew it", false},
		{x509.HostnameError{Certificate: &x509.Certificate{DNSNames: []string{"a"}}, Host: "b"}, "its certificate is for another name", true},
		{&net.OpError{Op: "remote error", Err: errors.New("tls: certificate required")}, "it wants a certificate of ours", false},
		{&net.OpError{Op: "remote error", Err: errors.New("tls: handshake failure")}, "it ends the TLS handshake", false},
		{kerr.SaslAuthenticationFailed, "authentication failed: sasl.username or sasl.password is wrong", false},
		{&mismatch{"PLAIN", []string{"SCRAM-SHA-256"}}, `it offers SASL mechanism SCRAM-SHA-256, not "PLAIN"`, false},
		{kerr.IllegalSaslState, "it takes no SASL; set security.protocol=plaintext", false},
		{kerr.ClusterAuthorizationFailed, "CLUSTER_AUTHORIZATION_FAILED", false},
	} {
		seed := Explain(t.Context(), Endpoint{Address: nobody, Broker: -1, Seed: true}, Security{}, fmt.Errorf("seen: %w", c.err))
		if text := seed.Error(); !strings.HasPrefix(text, nobody+": ") || !strings.Contains(text, c.want) || strings.Contains(text, "advertised") {
			t.Errorf("%v: %s", c.err, text)
		}
		other := Explain(t.Context(), Endpoint{Address: nobody, Broker: 7, Told: "a:1"}, Security{}, c.err)
		text := other.Error()
		if !strings.HasPrefix(text, "broker 7 at "+nobody+": ") || !strings.Contains(text, c.want) ||
			c.advertised != (strings.Contains(text, "advertised by the broker itself, as a:1 tells") && strings.Contains(text, "advertised.listeners")) && !strings.Contains(c.want, ";") {
			t.Errorf("%v: %s", c.err, text)
		}
		if !errors.Is(other, c.err) {
			t.Errorf("%v is not wrapped", c.err)
		}
	}
}

// TestBootstrap: one that lets us in is enough; of many that do not, three are named.
func TestBootstrap(t *testing.T) {
	nobody := kafkatest.Nobody(t)
	_, _, err := Bootstrap(t.Context(), []string{nobody, nobody, nobody, nobody, nobody}, Security{})
	if err == nil || strings.Count(err.Error(), "connection refused") != causesMax || !strings.HasSuffix(err.Error(), "and others") || !errors.Is(err, syscall.ECONNREFUSED) {
		t.Error(err)
	}
	if got := strings.Join(withPorts([]string{"a", "b:1", "[::1]", "[::1]:5"}), " "); got != "a:9092 b:1 [::1]:9092 [::1]:5" {
		t.Error(got)
	}
}
