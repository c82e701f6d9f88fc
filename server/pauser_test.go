package server

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ringtail/ringtail/codec"
	"github.com/ringtail/ringtail/internal/loopback"
	"github.com/ringtail/ringtail/shard"
)

// Everything goes through the pauser, in every framing, in reads that end
// anywhere: every byte arrives, in order, and every ack.
func TestPauserIsByteExact(t *testing.T) {
	for _, f := range []codec.Framing{codec.Newline, codec.Length, codec.JSON, codec.Auto} {
		t.Run(f.String(), func(t *testing.T) {
			r := newRig(t, func(o *rigOptions) {
				o.framing = f
				o.ack = true
				o.ringBytes = shard.MinBytes(1000)
				o.Codec.MaxRecordBytes = 1000
			})
			defer r.useUp()()
			stop := make(chan struct{})
			var wg, nagger sync.WaitGroup
			nagger.Go(func() { stickAndFree(r.w, stop) })
			const conns, n = 20, 1000
			for c := range conns {
				nc := r.dial()
				wg.Go(func() {
					rng := rand.New(rand.NewPCG(uint64(c), 5))
					var b strings.Builder
					for k := range n {
						b.WriteString(frame(f, twoDigits(c, k)))
					}
					stream := b.String()
					if f == codec.Newline {
						stream = stream[:len(stream)-1] // a last line needs no end
					}
					most := []int{300, 100_000}[c%2]
					for len(stream) > 0 {
						cut := min(len(stream), 1+rng.IntN(most))
						r.send(nc, stream[:cut])
						stream = stream[cut:]
					}
					halfClose(nc)
					lines, err := replies(nc)
					text := strings.Join(lines, "")
					if want := fmt.Sprintf(`{"acked":%d}`, n); err != nil || !strings.HasSuffix(text, want) {
						t.Errorf("connection %d: %d lines, %v, last %.40q", c, len(lines), err, text[max(0, len(text)-40):])
					}
				})
			}
			wg.Wait()
			close(stop)
			nagger.Wait()
			checkOrder(t, r.w, conns, n)
			r.eventually("all gone, and nothing in use but what the test does", func() bool {
				return r.Stats().Connections == 0 && r.memory.used.Load() == r.memory.usable.Load()+1
			})
			if st := r.Stats(); st.Lost != 0 || st.Received != conns*n {
				t.Fatalf("%d bytes in use, %+v", r.memory.used.Load(), st)
			}
		})
	}
}

// How connections end that the pauser has: by the client, with a record begun or
// without, by a reset, because they speak something else, and with the server.
func TestPauserEndsConnections(t *testing.T) {
	r := newRig(t, func(o *rigOptions) { o.ack = true })
	giveBack := r.useUp()
	whole := record(1) + "\n"
	counted := func(what string, reason string, truncated uint64) {
		t.Helper()
		r.eventually(what, func() bool {
			st := r.Stats()
			return st.Closed[reason] == 1 && st.Rejected["truncated"] == truncated
		})
	}

	half := r.dial()
	r.send(half, whole+`{"number":`)
	halfClose(half)
	lines, err := replies(half)
	if err != nil || len(lines) < 2 || lines[len(lines)-1] != `{"acked":2}` {
		t.Fatalf("%q, %v", lines, err)
	}
	_ = half.Close()
	counted("the client's end", "client", 1)

	gone := r.dial()
	r.send(gone, whole+`{"number":`)
	r.eventually("its first record", func() bool { return r.w.count() == 2 })
	reset(gone)
	counted("the reset", "reset", 2)

	foreign := r.dial()
	r.send(foreign, "GET / HTTP/1.0\r\n\r\n")
	closedByServer(t, foreign)
	counted("the foreigner", "foreign", 2)

	r.send(r.dial(), whole)
	r.eventually("the last one's record", func() bool { return r.w.count() == 3 })
	if err := r.drain(30 * time.Second); err != nil {
		t.Fatal(err)
	}
	giveBack()
	r.Finish(context.Background())
	counted("the drain", "drain", 2)
}

// Clients that have ended with large records behind them, and others that hold all the
// memory there is for good: they go one after the other.
func TestPauserReadsOneAfterTheOther(t *testing.T) {
	const conns, limit = 5, 250_000
	r := newRig(t, func(o *rigOptions) {
		o.ack = true
		o.Codec.MaxRecordBytes = limit
		o.ringBytes = shard.MinBytes(limit)
		o.framing = codec.Newline
	})
	defer r.useUp()()
	most := r.memory.usable.Load() + 1000 - r.memory.used.Load()
	r.memory.add(most)
	defer r.memory.add(-most)
	var clients sync.WaitGroup
	for range conns {
		nc := r.dial()
		clients.Go(func() {
			r.send(nc, `{"number":1,"pad":"`+strings.Repeat("l", limit-100)+`"}`)
			halfClose(nc)
			if lines, err := replies(nc); err != nil || len(lines) != 1 || lines[0] != `{"acked":1}` {
				t.Errorf("%q, %v", lines, err)
			}
		})
	}
	clients.Wait()
	r.eventually("nothing to be in use", func() bool { return r.memory.inUse() == r.memory.usable.Load()+1000 })
}

// The limits hold there as well, and only for those whose time is up.
func TestPauserHasDeadlines(t *testing.T) {
	for reason, change := range map[string]func(*rigOptions){
		"frame_timeout": func(o *rigOptions) { o.FrameTimeout = time.Second },
		"idle_timeout":  func(o *rigOptions) { o.IdleTimeout = time.Second },
		"max_age":       func(o *rigOptions) { o.MaxConnectionAge = time.Second },
	} {
		t.Run(reason, func(t *testing.T) {
			r := newRig(t, change)
			defer r.useUp()()
			silent, begun := r.dial(), r.dial()
			r.send(begun, `{"number":`)
			closedByServer(t, begun)
			want := uint64(2)
			if reason == "frame_timeout" {
				want = 1 // between records nothing ages
				r.send(silent, record(1)+"\n")
				r.eventually("its record", func() bool { return r.w.count() == 1 })
			} else {
				closedByServer(t, silent)
			}
			r.eventually("both to be closed", func() bool { return r.Stats().Closed[reason] == want })
		})
	}
}

// A record for which there is no memory ages though it is never read.
func TestWhoWaitsForMemoryAges(t *testing.T) {
	r := newRig(t, func(o *rigOptions) {
		o.FrameTimeout = time.Second
		o.Codec.MaxRecordBytes = 250_000
		o.ringBytes = shard.MinBytes(250_000)
	})
	defer r.useUpAll()()
	nc := r.dial()
	r.send(nc, `{"number":1,"pad":"`+strings.Repeat("l", 2*peekMax))
	r.eventually("it to wait", func() bool { return r.Stats().WaitingForMemory == 1 })
	r.eventually("its end", func() bool { return r.Stats().Closed["frame_timeout"] == 1 })
}

// An ack domain may resume a connection that has left the pauser meanwhile.
func TestResumedAfterItHasLeft(t *testing.T) {
	s, c := bareServer(t, codec.Newline, true)
	q := s.pauser
	p := &paused{c: c, fd: -1, known: true}
	q.post(p)
	q.round(nil)
	if len(q.all) != 0 || len(q.ready) != 0 || s.registry.admission.open.Load() != 0 {
		t.Fatalf("it is back: %d paused, %d ready", len(q.all), len(q.ready))
	}
}

// Connections come back to the event loops when there is memory again, silent ones
// too.
func TestPauserGivesConnectionsBack(t *testing.T) {
	var log logBuffer
	r := newRig(t, func(o *rigOptions) { o.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	giveBack := r.useUp()
	var list []net.Conn
	for range 300 {
		list = append(list, r.dial())
	}
	r.eventually("all to be with the pauser", func() bool { return r.pauser.paused.Load() == 300 })
	for i, nc := range list[:100] {
		r.send(nc, record(i)+"\n"+`{"num`)
	}
	r.eventually("whole records", func() bool { return r.w.count() == 100 })
	if st := r.Stats(); st.Waiting != 0 {
		t.Fatalf("those who are read do not wait: %+v", st)
	}
	if n := r.memory.used.Load(); n != r.memory.usable.Load()+1 {
		t.Fatalf("%d bytes are in use", n-r.memory.usable.Load()-1)
	}
	giveBack()
	r.eventually("all to be back", func() bool { return r.pauser.paused.Load() == 0 })
	for i, nc := range list[:100] {
		r.send(nc, fmt.Sprintf(`ber":%d}`+"\n", i))
	}
	r.eventually("the rest", func() bool { return r.w.count() == 200 })
}

// Clients that send whole records as fast as they can go on though there is no memory, not even for
// a few bytes, whatever the kernel makes of packets of which a part has been read: in every size up
// to what a peek reads.
func TestWholeRecordsGoOnWithoutMemory(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		for _, size := range []int{200, 3_000, 20_000, 33 << 10, 48 << 10, 63 << 10, peekMax} {
			t.Run(fmt.Sprint(network, "/", size), func(t *testing.T) { wholeRecordsGoOn(t, network, size) })
		}
	}
}

// wholeRecordsGoOn is with frames of so many bytes.
func wholeRecordsGoOn(t *testing.T, network string, size int) {
	r := newRig(t, func(o *rigOptions) {
		o.Listeners = []Listener{{Network: network, Address: loopback.Any(), Framing: codec.Newline}}
		if network == "unix" {
			o.Listeners[0].Address = filepath.Join(t.TempDir(), "s")
		}
	})
	defer r.useUpAll()()
	r.w.forget.Store(true)
	const conns, chunks = 8, 150
	begin, end := `{"number":1,"pad":"`, "\"}\n"
	records := max(1, 60_000/size)
	chunk := strings.Repeat(begin+strings.Repeat("p", size-len(begin)-len(end))+end, records)
	var clients sync.WaitGroup
	for range conns {
		nc := r.dial()
		clients.Go(func() {
			for range chunks {
				r.send(nc, chunk)
			}
			_ = nc.Close()
		})
	}
	r.eventually("all records", func() bool { return r.w.count() == conns*chunks*records })
	clients.Wait()
	r.eventually("all gone", func() bool { return r.Stats().Connections == 0 })
	if n := r.memory.used.Load(); n != r.memory.lines.Load() {
		t.Fatalf("%d bytes are in use, %d of them by the test", n, r.memory.lines.Load())
	}
}

// TestSeparatorsAreCountedOnce: what a peek leaves in the socket is counted by the next.
func TestSeparatorsAreCountedOnce(t *testing.T) {
	r := newRig(t, nil)
	in := r.pauser.in // nobody is paused: it is ours
	c := &conn{id: 1}
	c.dec.Init(codec.Auto)
	for _, step := range []struct {
		chunk      string
		taken      int
		separators uint64
	}{
		{`,` + record(0) + `,{"num`, 1 + len(record(0)), 1},
		{`,{"number":1,`, 0, 0},
		{`,` + record(1) + `,`, 2 + len(record(1)), 2}, // no record is begun
	} {
		if _, taken := in.peek(c, []byte(step.chunk)); taken != step.taken {
			t.Fatalf("%q: %d bytes taken, want %d", step.chunk, taken, step.taken)
		}
		if n := c.dec.Separators(); n != step.separators {
			t.Errorf("%q: %d separators, want %d", step.chunk, n, step.separators)
		}
	}
	r.eventually("both records", func() bool { return r.w.count() == 2 })
}

// useUpAll leaves no client memory at all, nor what is set apart for one record, until giveBack is
// called.
func (r *rig) useUpAll() (giveBack func()) {
	n := r.memory.lines.Load() - r.memory.used.Load()
	r.memory.add(n)
	r.memory.reserveHolder.Store(1)
	return func() {
		r.memory.reserveHolder.Store(0)
		r.memory.add(-n)
	}
}
