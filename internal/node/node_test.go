package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"reflect"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ringtail/ringtail/codec"
	"github.com/ringtail/ringtail/internal/config"
	"github.com/ringtail/ringtail/internal/leaktest"
	"github.com/ringtail/ringtail/producer"
	"github.com/ringtail/ringtail/server"
)

func TestMain(m *testing.M) { os.Exit(leaktest.Main(m)) }

func TestParseListeners(t *testing.T) {
	got, err := ParseListeners([]string{
		"tcp://127.0.0.1:8888", "tcp://:0?framing=length&ack=kafka", "tcp://[::1]:1?ack=off", "unix:///run/ringtail.sock?framing=newline", "tls://:8899",
	}, "json", "kafka", Who{})
	want := []server.Listener{
		{Network: "tcp", Address: "127.0.0.1:8888", Framing: codec.JSON, Ack: true},
		{Network: "tcp", Address: ":0", Framing: codec.Length, Ack: true},
		{Network: "tcp", Address: "[::1]:1", Framing: codec.JSON},
		{Network: "unix", Address: "/run/ringtail.sock", Framing: codec.Newline, Ack: true},
		{Network: "tcp", Address: ":8899", Framing: codec.JSON, Ack: true, TLS: true},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestParseListenersRefused(t *testing.T) {
	for _, value := range []string{"", "127.0.0.1:8888", "tcp://127.0.0.1", "tcp://127.0.0.1:x", "tcp://127.0.0.1:65536", "tcp://127.0.0.1:1/path",
		"tls://127.0.0.1", "tls:///path", "unix://", "tcp://:1?framing=", "tcp://:1?ack=on", "tcp://:1?proxy-protocol=on", "tcp://:%"} {
		_, err := ParseListeners([]string{value}, "auto", "off", Who{})
		var usage *config.UsageError
		if !errors.As(err, &usage) || !strings.HasPrefix(err.Error(), "--listen") {
			t.Errorf("%q: %v", value, err)
		}
	}
	if _, err := ParseListeners(nil, "auto", "off", Who{}); err == nil {
		t.Error("no listener at all is taken")
	}
}

// TestUnfitNamesTheCommand: the two ways in which a topic does not fit.
func TestUnfitNamesTheCommand(t *testing.T) {
	n := &node{brokers: "k:9092", opt: Options{Codec: codec.Options{Shards: 4}}}
	for _, c := range [][2]string{
		{"topic x is missing; make it: ringtail topics create x --partitions 4", "topic x is missing; make it: ringtail topics create x --partitions 4 --brokers k:9092"},
		{"topic x has 2 partitions", "topic x has 2 partitions; one that fits: ringtail topics create NAME --partitions 4 --brokers k:9092"},
	} {
		if got := n.unfit(errors.New(c[0])); got.Error() != c[1] {
			t.Errorf("got  %s\nwant %s", got, c[1])
		}
	}
}

func TestToldErrors(t *testing.T) {
	cause := errors.New("cause")
	if !Told(markTold(cause)) || !Told(fmt.Errorf("wrapped: %w", ErrLost)) || Told(cause) || Told(nil) || markTold(nil) != nil {
		t.Error("what was told is told again, or never")
	}
}

func TestNothingComesBehindTheLastLine(t *testing.T) {
	var out strings.Builder
	e := NewStderr(&out)
	_, _ = fmt.Fprintln(e, "before")
	e.Last(ledger{})
	e.Last(ledger{received: 1})
	if n, err := fmt.Fprintln(e, "behind"); n != 7 || err != nil {
		t.Errorf("a late writer is told %d, %v", n, err)
	}
	if want := "before\n" + (ledger{}).String() + "\n"; out.String() != want {
		t.Errorf("got %q", out.String())
	}
}

// slowSink is a sink whose question to Kafka takes a while to end when it is broken off.
type slowSink struct {
	sink
	begun chan struct{}
	ended *atomic.Bool
}

func (s slowSink) check(ctx context.Context) error {
	close(s.begun)
	<-ctx.Done()
	time.Sleep(10 * time.Millisecond) // so that one that is not waited for is seen
	s.ended.Store(true)
	return ctx.Err()
}

// TestSignalEndsTheLook: what a signal breaks off has ended before the node lets go of its rings.
func TestSignalEndsTheLook(t *testing.T) {
	var ended atomic.Bool
	signals := make(chan os.Signal, 1)
	s := slowSink{begun: make(chan struct{}), ended: &ended}
	n := newNode(Options{}, Env{Signals: signals})
	n.sink = s
	defer n.hear()()
	go func() {
		<-s.begun
		signals <- syscall.SIGTERM
	}()
	if reached, err := n.reach(); reached || err != nil {
		t.Errorf("after a signal: %v, %v", reached, err)
	}
	if !ended.Load() {
		t.Error("the question goes on")
	}
}

// failingSink is a sink with an error for each try, the last for all that follow.
type failingSink struct {
	sink
	errs []error
	n    int
}

func (s *failingSink) cluster(context.Context) (string, error) { return "", nil }

func (s *failingSink) check(context.Context) error {
	s.n++
	return s.errs[min(s.n, len(s.errs))-1]
}

// TestStartsWithoutALeader: a partition that nobody leads, or a broker that is down, keeps its own
// records waiting, not the start; but brokers that start together are given time, and what is
// wrong otherwise is no matter of leaders.
func TestStartsWithoutALeader(t *testing.T) {
	leaderless, away := fmt.Errorf("%w: partition 3", producer.ErrLeader), errors.New("kafka cannot be reached")
	for name, c := range map[string]struct {
		errs  []error
		tries int
	}{
		"at once":          {[]error{nil}, 1},
		"after all":        {[]error{leaderless}, leaderTries},
		"while they start": {[]error{away, leaderless, leaderless, nil}, 4},
	} {
		var log bytes.Buffer
		s := &failingSink{errs: c.errs}
		n := newNode(Options{}, Env{Log: slog.New(slog.NewTextHandler(&log, nil))})
		n.sink = s
		reached, err := n.reach()
		if !reached || err != nil || s.n != c.tries {
			t.Errorf("%s: %v, %v, after %d tries", name, reached, err, s.n)
		}
		if said := strings.Contains(log.String(), "starting all the same"); said != (name == "after all") {
			t.Errorf("%s: %s", name, log.String())
		}
	}
}

// TestStartedBroker: one that has just started may not know its topics yet. To end then, with the
// exit code of a wrong configuration, would be for good.
func TestStartedBroker(t *testing.T) {
	missing := fmt.Errorf("topic x is missing: %w", producer.ErrTopic)
	s := &failingSink{errs: []error{missing, missing, missing, missing, missing, missing, nil}} // over 2 seconds: 1.5 were seen of a Kafka 2.8 on a busy machine
	n := newNode(Options{}, Env{Log: slog.New(slog.DiscardHandler)})
	n.sink = s
	if reached, err := n.reach(); !reached || err != nil {
		t.Errorf("%v, %v", reached, err)
	}
}

// TestExplain: of a try that was broken off there is no cause; a cause stays, also one that is a
// timeout.
func TestExplain(t *testing.T) {
	if got := explain(context.DeadlineExceeded); got.Error() != "no broker answered" {
		t.Error(got)
	}
	if cause := fmt.Errorf("kafka cannot be reached: x: %w", context.DeadlineExceeded); explain(cause) != cause {
		t.Error(explain(cause))
	}
}
