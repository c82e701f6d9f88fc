package server

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ringtail/ringtail/codec"
	"github.com/ringtail/ringtail/internal/leaktest"
	"github.com/ringtail/ringtail/internal/loopback"
	"github.com/ringtail/ringtail/shard"
)

func TestMain(m *testing.M) {
	switch child := os.Getenv("RINGTAIL_SERVER_TEST_CHILD"); child {
	case "":
	case "clients":
		os.Exit(clientsMain())
	default:
		os.Exit(childMain(child))
	}
	os.Exit(leaktest.Main(m))
}

const shards = 10

// writer stands in for Kafka: it empties rings into memory, and can be stuck.
type writer struct {
	set    shard.Set
	srv    *Server
	stop   chan struct{}
	done   sync.WaitGroup
	stuck  [shards + 1]atomic.Bool
	forget atomic.Bool // count, remember nothing
	refuse func(*Server, uint64, shard.Record)

	mu      sync.Mutex
	records [shards + 1][]taken
	counts  [shards + 1]int
	headers [][]byte // of the batches that have some
}

type taken struct {
	conn, ordinal uint64
	value, meta   string
}

func (w *writer) ring(i int) *shard.Ring {
	if i < len(w.set.Rings) {
		return w.set.Rings[i]
	}
	return w.set.Dead
}

func (w *writer) run(i int) {
	defer w.done.Done()
	for {
		if !w.stuck[i].Load() && w.empty(i) {
			continue
		}
		select {
		case <-w.stop:
			w.empty(i)
			return
		case <-time.After(time.Millisecond):
		}
	}
}

// empty takes what is in a ring, and tells whether that was something.
func (w *writer) empty(i int) (moved bool) {
	r := w.ring(i)
	for b, ok := r.Next(); ok; b, ok = r.Next() {
		w.note(i, &b)
		if w.refuse != nil {
			b.Records(func(_ int, rec shard.Record) bool { w.refuse(w.srv, b.Conn, rec); return true })
		}
		r.Free(b.End)
		if moved = true; w.stuck[i].Load() && !isClosed(w.stop) {
			break
		}
	}
	if moved {
		w.srv.AcksMoved()
	}
	return moved
}

func (w *writer) note(i int, b *shard.Batch) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if b.Conn != 0 {
		w.counts[i] += b.Count
	}
	if w.forget.Load() {
		return
	}
	if h := b.Headers(); h != nil {
		w.headers = append(w.headers, bytes.Clone(h))
	}
	b.Records(func(_ int, r shard.Record) bool {
		w.records[i] = append(w.records[i], taken{b.Conn, r.Ordinal, string(r.Value), string(r.Meta)})
		return true
	})
}

func (w *writer) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for i := range shards {
		n += w.counts[i]
	}
	return n
}

func (w *writer) shard(i int) []taken {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]taken(nil), w.records[i]...)
}

// rig is a server, its rings and a writer.
type rig struct {
	*Server
	t testing.TB
	w *writer
}

type rigOptions struct {
	Options
	ringBytes int
	dead      bool
	ack       bool
	framing   codec.Framing
	refuse    func(*Server, uint64, shard.Record) // called for each record before it is done
	waiting   func(net.Addr)                      // called while clients can connect, but nobody accepts
}

const testMaxRecord = 64 << 10

func newRig(t testing.TB, change func(*rigOptions)) *rig {
	t.Helper()
	o := rigOptions{Options: Options{
		Codec:  codec.Options{Field: "number", Shards: shards, MaxRecordBytes: testMaxRecord},
		Loops:  2,
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}, ringBytes: 1 << 20}
	if change != nil {
		change(&o)
	}
	if o.Listeners == nil {
		o.Listeners = []Listener{{Network: "tcp", Address: loopback.Any(), Framing: o.framing, Ack: o.ack}}
	}
	if overTLS(t) {
		o.useTLS(t)
	}
	for i := range shards {
		o.Rings.Rings = append(o.Rings.Rings, newRing(t, fmt.Sprint(i), o.ringBytes))
	}
	if o.dead {
		o.Rings.Dead = newRing(t, "dead-letter", o.ringBytes)
	}
	s, err := New(o.Options)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{Server: s, t: t, w: &writer{set: o.Rings, srv: s, stop: make(chan struct{}), refuse: o.refuse}}
	for i := range shards + 1 {
		if r.w.ring(i) != nil {
			r.w.done.Add(1)
			go r.w.run(i)
		}
	}
	if o.waiting != nil {
		o.waiting(s.Addrs()[0])
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.stop)
	return r
}

func newRing(t testing.TB, name string, bytes int) *shard.Ring {
	t.Helper()
	ring, err := shard.New(shard.Options{Name: name, Bytes: bytes})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := ring.Release(); err != nil {
			t.Error(err)
		}
	})
	return ring
}

// stop ends the server at once, and checks that nothing is left of any connection, and that every
// record is somewhere.
func (r *rig) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	r.Finish(ctx)
	for i := range r.w.stuck {
		r.w.stuck[i].Store(false)
	}
	close(r.w.stop) // it empties the rings first
	r.w.done.Wait()
	st := r.Stats()
	r.w.checkBooks(r.t, st)
	if st.Connections != 0 || st.Waiting != 0 || st.ClientMemory != 0 || r.registry.reading.Load() != 0 || len(r.registry.conns) != 0 {
		r.t.Errorf("after Finish: %d connections, %d waiting, %d bytes in use, %d reading, %d known",
			st.Connections, st.Waiting, st.ClientMemory, r.registry.reading.Load(), len(r.registry.conns))
	}
	for i, l := range r.loops {
		if r.registry.placed[i].Load() != 0 || l.lists.attached.Load() != 0 {
			r.t.Errorf("after Finish: %d connections placed with loop %d, %d attached", r.registry.placed[i].Load(), i, l.lists.attached.Load())
		}
	}
}

// checkBooks: received = in rings + rejected + lost, and so for dead letters. What a test has put
// into a ring itself is of no connection.
func (w *writer) checkBooks(t testing.TB, st Stats) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	inRings, rejected := uint64(0), uint64(0)
	for i := range shards {
		inRings += uint64(w.counts[i])
	}
	for reason, n := range st.Rejected {
		if reason != codec.RefusedByKafka.String() { // those were in a ring
			rejected += n
		}
	}
	if st.Received != inRings+rejected+st.Lost {
		t.Errorf("the books do not add up: received %d, in rings %d, rejected %d, lost %d", st.Received, inRings, rejected, st.Lost)
	}
	if n := uint64(w.counts[shards]); w.set.Dead != nil && st.DeadLetters != n+st.DeadLettersLost {
		t.Errorf("the books do not add up: %d dead letters, in their ring %d, lost %d", st.DeadLetters, n, st.DeadLettersLost)
	}
}

// waited is how long somebody has waited for room in a ring, in seconds.
func (r *rig) waited(ring int) float64 { return r.pauser.rooms[ring].wait(0).Seconds() }

func (r *rig) dial() net.Conn {
	r.t.Helper()
	nc, err := r.connect(0, net.Dialer{})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = nc.Close() })
	return nc
}

// smallSendBuffers has the kernel take some KiB for clients that come from now on and do not read.
// Else it takes megabytes for each.
func (r *rig) smallSendBuffers() {
	r.t.Helper()
	err := r.listeners[0].raw.Control(func(fd uintptr) {
		if err := unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUF, 16<<10); err != nil {
			r.t.Error(err)
		}
	})
	if err != nil {
		r.t.Error(err)
	}
}

func (r *rig) send(nc net.Conn, s string) {
	r.t.Helper()
	if _, err := io.WriteString(nc, s); err != nil {
		r.t.Fatal(err)
	}
}

// eventually waits for what must come; the limit is only there to fail.
func (r *rig) eventually(what string, ok func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(60 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatalf("never: %s; %+v", what, r.Stats())
		}
	}
}

func halfClose(nc net.Conn) {
	_ = nc.(interface{ CloseWrite() error }).CloseWrite()
}

// reset closes with a RST.
func reset(nc net.Conn) {
	_ = tcpOf(nc).SetLinger(0)
	_ = tcpOf(nc).Close() // without close_notify, where there is TLS
}

// replies reads what the server says to its end.
func replies(nc net.Conn) ([]string, error) {
	_ = nc.SetReadDeadline(time.Now().Add(60 * time.Second))
	var lines []string
	sc := bufio.NewScanner(nc)
	for sc.Scan() {
		lines = append(lines, sc.Text())
	}
	return lines, sc.Err()
}

func record(i int) string {
	return fmt.Sprintf(`{"number":%d,"pad":"%s"}`, i, strings.Repeat("x", i%40))
}

func openDescriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// pause lets others run for a moment; no test depends on how long.
func pause() { time.Sleep(time.Millisecond) }

// lastAcked is the number of the last acked line.
func lastAcked(t *testing.T, lines []string) int64 {
	t.Helper()
	for i := len(lines) - 1; i >= 0; i-- {
		var n int64
		if _, err := fmt.Sscanf(lines[i], `{"acked":%d}`, &n); err == nil {
			return n
		}
	}
	t.Errorf("no acked line in %d", len(lines))
	return 0
}

// rings are all of a server's, the dead letters' last; ring is one of them.
func (s *Server) rings() (list []*shard.Ring) {
	for i := range s.env.rooms {
		list = append(list, s.ring(i))
	}
	return list
}

func (s *Server) ring(i int) *shard.Ring { return s.env.rooms[i].ring }
