package client

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ringtail/ringtail/codec"
	"github.com/ringtail/ringtail/server"
)

// TestToken: a client whose token the server does not know, or that has none, is told so, loses no
// record and believes none to be rejected; it goes on as soon as the server knows the token.
func TestToken(t *testing.T) {
	for _, f := range []Framing{Newline, Length} {
		for _, token := range []string{"s3cret \"1\"", ""} {
			l := newLedger(t)
			var wanted atomic.Pointer[string]
			other := "another"
			wanted.Store(&other)
			r, err := startRigWith(server.Options{
				Listeners: []server.Listener{local(codec.Auto)},
				Token:     func(sent []byte) (string, bool) { return "", string(sent) == *wanted.Load() },
			}, l)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(r.stop)
			refused := make(chan error, 100)
			c := newClient(t, fast(Options{Address: r.address(), Framing: f, Token: token,
				OnReject: func(seq uint64, _ []byte, reason string) { t.Errorf("record %d is rejected: %s", seq, reason) },
				Hooks: Hooks{Acked: l.onAcked, Reconnect: func(cause error) {
					select {
					case refused <- cause:
					default:
					}
				}},
			}))
			sendAll(t, within(t), c, 20)
			if cause := <-refused; !errors.Is(cause, ErrUnauthorized) || strings.Contains(cause.Error(), "s3cret") {
				t.Errorf("%v, token %q: %v", f, token, cause)
			}
			if token == "" {
				ctx, cancel := context.WithCancel(context.Background())
				cancel()
				_ = c.Close(ctx)
				continue
			}
			wanted.Store(&token)
			if err := c.Close(within(t)); err != nil {
				t.Fatal(err)
			}
			l.check(20, digit)
		}
	}
}
