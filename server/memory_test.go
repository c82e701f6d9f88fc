package server

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ringtail/ringtail/codec"
	"github.com/ringtail/ringtail/shard"
)

// useUp takes all of the client memory that there is, as connections would that hold
// it for ever, until the answer is called.
func (r *rig) useUp() (giveBack func()) {
	n := r.memory.usable + 1 - r.memory.used.Load()
	r.memory.add(n)
	return func() { r.memory.add(-n) }
}

// shortNowAndThen uses memory up and gives it back.
func (r *rig) shortNowAndThen(stop <-chan struct{}) {
	for !isClosed(stop) {
		giveBack := r.useUp()
		for range 5 {
			pause()
		}
		giveBack()
		for range 5 {
			pause()
		}
	}
}

// watchMemory notes the most that is used, until stop.
func (r *rig) watchMemory(stop <-chan struct{}) (most int64) {
	for !isClosed(stop) {
		for range 100 {
			most = max(most, r.memory.used.Load())
		}
		pause()
	}
	return most
}

// Hundreds of clients send what has no end, all at once and several times the limit;
// others fill the ring that is stuck. The limit holds at every moment, nobody is closed, who sends
// whole records goes on, and what ends at last arrives.
func TestClientMemoryIsALimit(t *testing.T) {
	const memory, hogs, jammers, good = 4 << 20, 200, 40, 8
	r := newRig(t, func(o *rigOptions) {
		o.ClientMemory = memory
		o.Codec.MaxRecordBytes = 250_000
		o.ringBytes = shard.MinBytes(250_000)
		o.framing = codec.Newline
	})
	if r.memory.limit != memory {
		t.Fatalf("limit %d", r.memory.limit)
	}
	r.w.stuck[3].Store(true)
	stop, most := make(chan struct{}), make(chan int64)
	go func() { most <- r.watchMemory(stop) }()
	ends, finish := r.hogs(hogs, jammers)
	r.eventually("somebody to wait for memory", func() bool { return r.Stats().WaitingForMemory > 0 })
	for c := range good {
		nc := r.dial()
		for k := range 2000 {
			r.send(nc, numbered(c, 10*k+5)+"\n")
		}
		halfClose(nc)
	}
	fives := func() int { return len(r.w.shard(5)) }
	r.eventually("all whole records", func() bool { return fives() == good*2000 })
	st := r.Stats()
	if st.Connections < hogs+jammers || st.Closed["frame_timeout"]+st.Closed["error"] != 0 {
		t.Fatalf("somebody was closed: %+v", st)
	}
	close(stop)
	if n := <-most; n > memory || n < memory/4 {
		t.Fatalf("held %d bytes of %d", n, memory)
	}
	r.w.stuck[3].Store(false)
	close(finish)
	ends.Wait()
	r.eventually("what had no end, and has now", func() bool { return len(r.w.shard(1)) == hogs && fives() == good*2000 })
	r.eventually("all gone", func() bool { return r.Stats().Connections == 0 })
	if n := len(r.w.shard(3)); n != jammers*300 {
		t.Fatalf("%d records in the ring that was stuck", n)
	}
}

// hogs are clients that send a record without its end, small or large, until finish is
// closed; and jammers, who have 300 whole records for the ring of digit 3.
func (r *rig) hogs(hogs, jammers int) (ends *sync.WaitGroup, finish chan struct{}) {
	ends, finish = new(sync.WaitGroup), make(chan struct{})
	client := func(begin, end string) {
		nc := r.dial()
		ends.Go(func() {
			if _, err := io.WriteString(nc, begin); err != nil {
				r.t.Error(err)
			}
			<-finish
			if _, err := io.WriteString(nc, end); err != nil {
				r.t.Error(err)
			}
			_ = nc.Close()
		})
	}
	for i := range jammers {
		client(strings.Repeat(fmt.Sprintf(`{"number":3,"c":%d,"pad":"%s"}`+"\n", i, strings.Repeat("j", 500)), 300), "")
	}
	for i := range hogs {
		size := []int{100, 3_000, 30_000, 100_000, 200_000}[i%5]
		client(fmt.Sprintf(`{"number":1,"c":%d,"pad":"%s`, i, strings.Repeat("h", size)), "\"}\n")
	}
	return ends, finish
}

// Unfinished records that wait for memory age, and are ended in time and counted.
func TestHogsAreEndedByFrameTimeout(t *testing.T) {
	r := newRig(t, func(o *rigOptions) {
		o.ClientMemory = 1 // raised to what the loops need
		o.FrameTimeout = 2 * time.Second
		o.Codec.MaxRecordBytes = 250_000
		o.ringBytes = shard.MinBytes(250_000)
		o.framing = codec.Newline
	})
	hogs := make([]net.Conn, 100)
	for i := range hogs {
		hogs[i] = r.dial()
		go func() { _, _ = io.WriteString(hogs[i], strings.Repeat("h", 200_000)) }()
	}
	r.eventually("somebody to wait", func() bool { return r.Stats().WaitingForMemory > 0 })
	r.eventually("all to be closed", func() bool { return r.Stats().Closed["frame_timeout"] == uint64(len(hogs)) })
	r.send(r.dial(), record(1)+"\n")
	r.eventually("the next client's record", func() bool { return r.w.count() == 1 })
}

// A ring is full, and there is no memory: connections of the same loop that need other
// rings go on.
func TestStuckRingWithoutMemory(t *testing.T) {
	r := newRig(t, func(o *rigOptions) {
		o.Loops = 1
		o.ringBytes = shard.MinBytes(testMaxRecord)
	})
	defer r.useUp()()
	r.w.stuck[3].Store(true)
	const jammers, n = 20, 4000
	pad := strings.Repeat("p", 200)
	var all sync.WaitGroup
	for c := range jammers {
		nc := r.dial()
		all.Go(func() {
			for k := range n / 10 {
				r.send(nc, fmt.Sprintf(`{"c":%d,"k":%d,"number":3,"pad":"%s"}`+"\n", c, k, pad))
			}
			_ = nc.Close()
		})
	}
	r.eventually("the ring to be waited for", func() bool { return r.pressure.seconds(3) > 0 })
	nc := r.dial()
	for k := range n {
		r.send(nc, fmt.Sprintf(`{"c":99,"k":%d,"number":%d}`+"\n", k, 4+k%3))
	}
	r.eventually("the neighbour's records", func() bool { return r.w.count() == n })
	r.w.stuck[3].Store(false)
	all.Wait()
	r.eventually("the others", func() bool { return r.w.count() == n+jammers*n/10 })
	for c, last := 0, map[string]int{}; c < 10; c++ {
		for _, rec := range r.w.shard(c) {
			if k := int(rec.ordinal); k != last[rec.value[:7]]+1 && c == 3 {
				t.Fatalf("%d after %d in %q", k, last[rec.value[:7]], rec.value)
			}
			last[rec.value[:7]] = int(rec.ordinal)
		}
	}
}

// Everything goes through the frugal readers, in every framing, in reads that end
// anywhere: every byte arrives, in order, and every ack.
func TestFrugalReaderIsByteExact(t *testing.T) {
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
			r.eventually("all gone", func() bool { return r.Stats().Connections == 0 })
			if st := r.Stats(); st.Lost != 0 || st.Received != conns*n || r.memory.used.Load() != r.memory.usable+1 {
				t.Fatalf("%d bytes held, %+v", r.memory.used.Load(), st)
			}
		})
	}
}

// How connections end that a frugal reader has: by the client, with a record begun or
// without, by a reset, because they speak something else, and with the server.
func TestFrugalReaderEndsConnections(t *testing.T) {
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

// The limits hold there as well, and only for those whose time is up.
func TestFrugalReaderHasDeadlines(t *testing.T) {
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
			if n := r.Stats().Closed[reason]; n != want {
				t.Fatalf("%d closed, want %d", n, want)
			}
		})
	}
}

// Connections come back to the event loops when there is memory again, silent ones
// too.
func TestFrugalReaderGivesConnectionsBack(t *testing.T) {
	var log logBuffer
	r := newRig(t, func(o *rigOptions) { o.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	giveBack := r.useUp()
	var list []net.Conn
	for range 300 {
		list = append(list, r.dial())
	}
	r.eventually("all to be with the frugal readers", func() bool { return r.spared.Load() == 300 })
	for i, nc := range list[:100] {
		r.send(nc, record(i)+"\n"+`{"num`)
	}
	r.eventually("whole records", func() bool { return r.w.count() == 100 })
	if st := r.Stats(); st.Waiting != 0 {
		t.Fatalf("those who are read do not wait: %+v", st)
	}
	if n := r.memory.used.Load(); n != r.memory.usable+1 {
		t.Fatalf("%d bytes are held", n-r.memory.usable-1)
	}
	giveBack()
	r.eventually("all to be back", func() bool { return r.spared.Load() == 0 && r.parked.Load() == 0 })
	for i, nc := range list[:100] {
		r.send(nc, fmt.Sprintf(`ber":%d}`+"\n", i))
	}
	r.eventually("the rest", func() bool { return r.w.count() == 200 })
}

// What a connection is charged ahead covers whatever its next read makes of it.
func TestChargedAheadIsEnough(t *testing.T) {
	const limit = 1_000_000
	s, c := bareServer(t, codec.Newline, false)
	in := s.loops[0].in
	in.srv.opt.Codec.MaxRecordBytes = limit
	s.SetMaxRecordBytes(limit)
	rng := rand.New(rand.NewPCG(1, 1))
	for range 200 {
		for total := 0; total < limit+200_000; {
			n := 1 + rng.IntN([]int{100, 5000, wholeRead}[rng.IntN(3)])
			most := ahead(c.carry, limit)
			in.take(c, []byte(strings.Repeat("x", n)))
			if c.carry > most {
				t.Fatalf("%d bytes after %d more, %d charged", c.carry, n, most)
			}
			total += n
		}
		in.take(c, []byte("\n"))
		empty(s)
	}
}

// readGrowth and lettersGrowth cover the costliest chunks: the shortest records there
// are, all of them held.
func TestHeldIsWithinWhatAReadMayAdd(t *testing.T) {
	for _, tc := range []struct {
		chunk string
		most  int64
	}{
		{`{"number":1}`, readGrowth},
		{"x\n", lettersGrowth},
		{"x\n{}\n", lettersGrowth},
		{"x\n[]\n{}\n{\"number\":null}\n\x80\n", lettersGrowth},
	} {
		f := codec.Newline
		if !strings.Contains(tc.chunk, "\n") {
			f = codec.JSON
		}
		s, c := bareServer(t, f, false)
		c.remote = netip.MustParseAddrPort("[2001:db8:1234:5678:9abc:def0:1234:5678]:65535")
		for _, ring := range s.rings {
			for {
				if _, err := ring.Claim(1, 30_000); err != nil {
					break // full; never published, so never emptied
				}
			}
		}
		o := s.loops[0].in.take(c, []byte(strings.Repeat(tc.chunk, wholeRead/len(tc.chunk))))
		if o.held == nil {
			t.Fatal("nothing is held")
		}
		if n := s.memory.used.Load(); n > tc.most || n != o.held.size {
			t.Errorf("%q: %d bytes held, %d told, at most %d", tc.chunk, o.held.size, n, tc.most)
		}
	}
}
