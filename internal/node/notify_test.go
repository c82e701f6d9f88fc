package node

import (
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// aliveSink is a sink whose engines are there, or not.
type aliveSink struct {
	sink
	there *atomic.Bool
}

func (s aliveSink) alive() bool { return s.there.Load() }

// notified is systemd's side: what it was told.
func notified(t *testing.T) <-chan string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	nc, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("NOTIFY_SOCKET", path)
	told := make(chan string, 1000)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		buf := make([]byte, 4096)
		for {
			n, err := nc.Read(buf)
			if err != nil {
				return
			}
			told <- string(buf[:n])
		}
	}()
	t.Cleanup(func() { _ = nc.Close(); <-ended })
	return told
}

// TestWatchdog: systemd hears of a node while it starts, and while its engines are there. It hears
// nothing while they are not.
func TestWatchdog(t *testing.T) {
	told := notified(t)
	t.Setenv("WATCHDOG_USEC", "40000")
	var there atomic.Bool
	stderr := NewStderr(io.Discard)
	n := newNode(discarding(1), Env{Out: io.Discard, Err: stderr, Log: slog.New(slog.DiscardHandler)})
	n.warnings, n.env.Log = newWarnings(n.env.Log)
	reg := prometheus.NewRegistry()
	if err := n.prepare(reg); err != nil {
		t.Fatal(err)
	}
	n.sink = aliveSink{n.sink, &there}
	n.ends = append(n.ends, n.keepNotified())
	heard := func() bool {
		select {
		case said := <-told:
			return strings.Contains(said, "WATCHDOG=1")
		default:
			return false
		}
	}
	await := func(what string) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); !heard(); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("nothing is heard: %s", what)
			}
		}
	}
	await("while it starts")
	if err := n.open(reg); err != nil {
		t.Fatal(err)
	}
	for quiet := 0; quiet < 10; { // ten times as long as between two, no engine being there
		if time.Sleep(10 * time.Millisecond); heard() {
			quiet = -1 // of before
		}
		quiet++
	}
	there.Store(true)
	await("with its engines")
	if err := n.stop(nil); err != nil {
		t.Error(err)
	}
	n.release()
}
