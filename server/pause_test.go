package server

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/ringtail/ringtail/codec"
	"github.com/ringtail/ringtail/shard"
)

// One ring is stuck: connections that need it stop, the others flow, and when it is
// free again everything is there, in order.
func TestStuckRingStopsOnlyThoseThatNeedIt(t *testing.T) {
	r := newRig(t, func(o *rigOptions) {
		o.framing = codec.Newline
		o.ringBytes = shard.MinBytes(testMaxRecord)
	})
	r.w.stuck[3].Store(true)
	const n = 8_000
	pad := strings.Repeat("p", 200)
	var wg sync.WaitGroup
	send := func(c int, digit func(k int) int) {
		nc := r.dial()
		wg.Go(func() {
			var b strings.Builder
			for k := range n {
				fmt.Fprintf(&b, "{\"c\":%d,\"k\":%d,\"number\":%d,\"pad\":\"%s\"}\n", c, k, digit(k), pad)
				if b.Len() > 20_000 || k == n-1 {
					r.send(nc, b.String())
					b.Reset()
				}
			}
			_ = nc.Close()
		})
	}
	for c := range 4 {
		send(c, func(k int) int { return k%3 + 4 }) // digits 4 to 6
	}
	for c := 4; c < 8; c++ {
		send(c, func(k int) int { return k % 10 })
	}
	free := func() (m int) {
		r.w.mu.Lock()
		defer r.w.mu.Unlock()
		for i := 4; i < 7; i++ {
			for _, rec := range r.w.records[i] {
				if rec.value[5] < '4' {
					m++
				}
			}
		}
		return m
	}
	r.eventually("all records without the stuck digit", func() bool { return r.w.count() >= 4*n && free() == 4*n })
	r.eventually("those with it to be paused", func() bool { return r.Stats().Waiting > 0 })
	r.eventually("backpressure to be metered", func() bool { return r.waited(3) > 0 })
	r.w.stuck[3].Store(false)
	wg.Wait()
	r.eventually("everything", func() bool { return r.w.count() == 8*n })
	last := map[string]int{}
	for i := range shards {
		for _, rec := range r.w.shard(i) {
			var c, k, num int
			if _, err := fmt.Sscanf(rec.value, `{"c":%d,"k":%d,"number":%d,`, &c, &k, &num); err != nil {
				t.Fatal(err)
			}
			id := fmt.Sprint(i, "/", c)
			if was, ok := last[id]; ok && was >= k {
				t.Fatalf("shard %d, connection %d: %d after %d", i, c, k, was)
			}
			last[id] = k
		}
	}
	r.eventually("all gone", func() bool { return r.Stats().Connections == 0 })
	if r.Stats().Lost != 0 {
		t.Fatalf("%+v", r.Stats())
	}
}

// Hundreds of hand-overs between loop and goroutine: small rings, a writer that is
// stuck most of the time. Every byte must arrive, in order, and every ack.
func TestHandOverIsByteExact(t *testing.T) {
	for _, f := range []codec.Framing{codec.Newline, codec.Length} {
		t.Run(f.String(), func(t *testing.T) {
			r := newRig(t, func(o *rigOptions) {
				o.framing = f
				o.ack = true
				o.ringBytes = shard.MinBytes(1000)
				o.Codec.MaxRecordBytes = 1000
			})
			stop := make(chan struct{})
			var wg, nagger sync.WaitGroup
			nagger.Go(func() { stickAndFree(r.w, stop) })
			const conns, n = 40, 24_000
			for c := range conns {
				nc := r.dial()
				wg.Go(func() {
					rng := rand.New(rand.NewPCG(uint64(c), 3))
					var b strings.Builder
					for k := range n {
						b.WriteString(frame(f, twoDigits(c, k)))
					}
					done := make(chan []string)
					go func() {
						lines, _ := replies(nc)
						done <- lines
					}()
					for s := b.String(); len(s) > 0; {
						cut := min(len(s), 1+rng.IntN(100_000))
						r.send(nc, s[:cut])
						s = s[cut:]
					}
					halfClose(nc)
					lines := <-done
					if all := strings.Join(lines, ""); !strings.HasSuffix(all, fmt.Sprintf(`{"acked":%d}`, n)) {
						t.Errorf("connection %d: last words %q", c, all[max(0, len(all)-60):])
					}
				})
			}
			wg.Wait()
			close(stop)
			nagger.Wait()
			checkOrder(t, r.w, conns, n)
			r.eventually("all gone", func() bool { return r.Stats().Connections == 0 })
			if r.Stats().Lost != 0 {
				t.Fatalf("%+v", r.Stats())
			}
			if n := r.pauser.pauses.Load(); n < 200 {
				t.Fatalf("only %d hand-overs", n)
			} else {
				t.Logf("%d hand-overs", n)
			}
		})
	}
}

// twoDigits is numbered with digits 0 and 1 only.
func twoDigits(c, k int) string {
	return strings.Replace(numbered(c, k), `"number":`, fmt.Sprintf(`"number":%d,"was":`, 10*k+k%2), 1)
}

func stickAndFree(w *writer, stop chan struct{}) {
	rng := rand.New(rand.NewPCG(9, 9))
	for {
		select {
		case <-stop:
			for i := range shards {
				w.stuck[i].Store(false)
			}
			return
		default:
		}
		i := rng.IntN(2)
		w.stuck[i].Store(rng.IntN(2) > 0)
		pause()
	}
}

func TestResetMidRecordLeavesNoPartOfIt(t *testing.T) {
	r := newRig(t, func(o *rigOptions) { o.framing = codec.Length })
	const conns = 100
	for i := range conns {
		nc := r.dial()
		stream := frame(codec.Length, numbered(i, 0)) + frame(codec.Length, numbered(i, 1))
		r.send(nc, stream[:len(stream)-1-i%20])
		r.eventually("the first record", func() bool { return r.w.count() == i+1 })
		reset(nc)
	}
	r.eventually("all gone", func() bool { return r.Stats().Connections == 0 })
	st := r.Stats()
	if r.w.count() != conns || st.Rejected["truncated"] != conns || st.Received != 2*conns {
		t.Fatalf("%d records, %+v", r.w.count(), st)
	}
	if st.Closed["reset"]+st.Closed["client"] != conns || st.Closed["reset"] == 0 {
		t.Fatalf("%v", st.Closed)
	}
}

func TestHalfClosedClientsGetLateAcks(t *testing.T) {
	r := newRig(t, func(o *rigOptions) { o.ack = true })
	for i := range shards {
		r.w.stuck[i].Store(true)
	}
	conns := make([]net.Conn, 200)
	for i := range conns {
		conns[i] = r.dial()
		r.send(conns[i], record(i)+"\n"+record(i+1)+"\nbad\n")
		halfClose(conns[i])
	}
	r.eventually("all taken", func() bool { return int(r.Stats().Received) == 3*len(conns) })
	if n := r.Stats().Connections; n != len(conns) {
		t.Fatalf("%d connections linger, want %d", n, len(conns))
	}
	for i := range shards {
		r.w.stuck[i].Store(false)
	}
	for i, nc := range conns {
		lines, err := replies(nc)
		if err != nil || len(lines) < 2 || lines[len(lines)-1] != `{"acked":3}` {
			t.Fatalf("connection %d: %q, %v", i, lines, err)
		}
	}
	r.eventually("all gone", func() bool { return r.Stats().Connections == 0 })
}

// The largest records there can be, with and without a key, through the smallest ring:
// batches that must go in whole, waiting included. Record and key count together.
func TestLargestRecordsThroughTheSmallestRing(t *testing.T) {
	const limit = 300_001
	r := newRig(t, func(o *rigOptions) {
		o.framing = codec.Newline
		o.ack = true
		o.Codec.MaxRecordBytes = limit
		o.Codec.KeyField = "key"
		o.ringBytes = shard.MinBytes(limit)
	})
	padded := func(name string, size int) string {
		return fmt.Sprintf(`{"number":1,"%s":"%s"}`, name, strings.Repeat("k", size-21))
	}
	bare, keyed := padded("pad", limit), padded("key", (limit+21)/2)
	if key := len(keyed) - 21; len(bare) != limit || len(keyed)+key != limit {
		t.Fatalf("%d bytes; %d with a key of %d", len(bare), len(keyed), key)
	}
	stream := strings.Repeat(bare+"\n"+keyed+"\n", 4) + padded("pad", limit+1) + "\n" + padded("key", len(keyed)+1) + "\n"
	r.w.stuck[1].Store(true)
	conns := make([]net.Conn, 4)
	var wg sync.WaitGroup
	for i := range conns {
		conns[i] = r.dial()
		wg.Go(func() {
			r.send(conns[i], stream)
			halfClose(conns[i])
		})
	}
	r.eventually("some to wait", func() bool { return r.Stats().Waiting > 0 })
	r.w.stuck[1].Store(false)
	wg.Wait()
	for _, nc := range conns {
		lines, err := replies(nc)
		if err != nil || len(lines) < 3 || lines[len(lines)-1] != `{"acked":10}` {
			t.Fatalf("%q, %v", lines, err)
		}
	}
	for i, rec := range r.w.shard(1) {
		if !(rec.value == bare && rec.meta == "") && !(rec.value == keyed && rec.meta == keyed[19:len(keyed)-2]) {
			t.Fatalf("record %d: %d bytes with a key of %d", i, len(rec.value), len(rec.meta))
		}
	}
	st := r.Stats()
	if r.w.count() != 8*len(conns) || st.Rejected["too_large"] != uint64(2*len(conns)) {
		t.Fatalf("%d records, %+v", r.w.count(), st)
	}
}

// TestLoopsRestWhereAllIsFull: while one shard has room nobody rests; where none has much,
// loops do, nobody is paused for it, and it counts as waiting in every shard.
func TestLoopsRestWhereAllIsFull(t *testing.T) {
	r := newRig(t, func(o *rigOptions) {
		o.Loops = 1
		o.framing = codec.Newline
		o.ringBytes = shard.MinBytes(testMaxRecord)
	})
	nc, sent := r.dial(), uint64(0)
	fill := func(digit int) {
		r.w.stuck[digit].Store(true)
		for ring := r.w.ring(digit); ring.Used() <= ring.Capacity()/2; sent++ {
			r.send(nc, fmt.Sprintf(`{"number":%d,"pad":"%s"}`+"\n", digit, strings.Repeat("p", 3000)))
			r.eventually("the record to be taken", func() bool { return r.Stats().Received == sent+1 })
		}
	}
	for digit := range shards - 1 {
		fill(digit)
	}
	for digit := range shards {
		if s := r.waited(digit); s != 0 {
			t.Errorf("shard %d: %v s of waiting, and one shard has room", digit, s)
		}
	}
	fill(shards - 1)
	r.send(nc, record(1)+"\n")
	for digit := range shards {
		r.eventually("waiting to be counted", func() bool { return r.waited(digit) > 0 })
	}
	if n := r.pauser.pauses.Load(); n != 0 {
		t.Errorf("%d times a connection was paused", n)
	}
}
