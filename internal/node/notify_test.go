package node

import (
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
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
// nothing while they are not. Who asks /healthz hears so after half a minute.
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
	health := func() (code int, text string) {
		w := httptest.NewRecorder()
		n.health(w, httptest.NewRequest(http.MethodGet, "/healthz", http.NoBody))
		return w.Code, w.Body.String()
	}
	if code, text := health(); code != http.StatusOK { // who asks twice in a moment learns no more
		t.Errorf("a moment without a sign of life: %d %s", code, text)
	}
	n.asking.Lock()
	n.progressed = n.progressed.Add(-stuckLimit - time.Second)
	n.asking.Unlock()
	if code, text := health(); code != http.StatusServiceUnavailable || !strings.Contains(text, "stuck: ") {
		t.Errorf("half a minute without: %d %s", code, text)
	}
	there.Store(true)
	await("with its engines")
	if code, text := health(); code != http.StatusOK {
		t.Errorf("with its engines: %d %s", code, text)
	}
	if err := n.stop(nil); err != nil {
		t.Error(err)
	}
	n.release()
}
