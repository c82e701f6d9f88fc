//go:build cgo

package librdkafka

import (
	"strings"
	"testing"
	"time"

	"github.com/ringtail/ringtail/producer/backend"
)

// TestNoSecretIsQuoted: librdkafka quotes what it does not understand, in its log too, and nobody
// sees the secret in it.
func TestNoSecretIsQuoted(t *testing.T) {
	c, err := New(map[string]string{
		"bootstrap.servers": "127.0.0.1:1", "security.protocol": "sasl_plaintext", "sasl.mechanism": "OAUTHBEARER", "log.queue": "true",
		"enable.sasl.oauthbearer.unsecure.jwt": "true", "sasl.oauthbearer.config": "principal=me hunter2=hunter3",
	}, "t", []uint64{0})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Destroy()
	said := ""
	for end := time.Now().Add(time.Minute); !strings.Contains(said, "sasl.oauthbearer.config"); c.Poll(10) {
		events, _ := c.Events()
		for _, e := range events {
			said += e.Text + "\n"
		}
		if time.Now().After(end) {
			t.Fatalf("it does not complain: %q", said)
		}
	}
	if strings.Contains(said, "hunter") || !strings.Contains(said, "[hidden]") {
		t.Errorf("it says %q", said)
	}
}

// TestCodesHaveTheSameText: where both writers use a code, they say the same of it.
func TestCodesHaveTheSameText(t *testing.T) {
	for _, code := range []int{
		backend.ErrInconsistent, backend.ErrFatal, backend.ErrPurged, backend.ErrQueueFull, backend.ErrTimedOut, backend.ErrAllBrokersDown,
		backend.ErrResolve, backend.ErrAuthentication, backend.ErrTransport,
	} {
		if got, want := backend.ErrorText(code), ErrorText(code); got != want {
			t.Errorf("%d: %q, librdkafka %q", code, got, want)
		}
	}
}
