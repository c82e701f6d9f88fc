package e2e

import (
	"strings"
	"testing"

	"github.com/ringtail/ringtail/internal/kafkatest"
)

// TestBrokerNamedByCommonNameOnly: OpenSSL takes such a certificate, as keytool makes it, and Go does
// not. So auto writes with librdkafka, and native says what is wrong instead of being ready.
func TestBrokerNamedByCommonNameOnly(t *testing.T) {
	certificate := kafkatest.CommonNameOnly(t, "localhost")
	c := kafkatest.Start(t, kafkatest.Options{TLS: certificate})
	topic := newTopic(t, c)
	args := []string{
		"--brokers", strings.ReplaceAll(c.Bootstrap(), "127.0.0.1", "localhost"), "--topic", topic, "--ack", "kafka",
		"-X", "security.protocol=ssl", "-X", "ssl.ca.location=" + certificate,
	}
	for _, writer := range []string{"librdkafka", "auto"} {
		t.Run(writer, func(t *testing.T) {
			s := Serve(t, append(args, "--writer", writer)...)
			Fresh(t, c, topic, s)
			s.Stop().Ledger(t)
		})
	}
	t.Run("native", func(t *testing.T) {
		exit := Start(t, append(args, "--writer", "native", "--start-timeout", "5s")...).Wait()
		if exit.Code != 1 || !strings.Contains(exit.Output, "certificate") || strings.Contains(exit.Output, "ringtail: ready") {
			t.Errorf("exit code %d, want 1; it must say that it is the certificate, and never that it is ready:\n%s", exit.Code, exit.Output)
		}
	})
}
