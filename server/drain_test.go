package server

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ringtail/ringtail/codec"
	"github.com/ringtail/ringtail/shard"
)

// drain drains, closes the rings and waits until the writer has emptied them.
func (r *rig) drain(limit time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	err := r.Drain(ctx)
	for i := range shards + 1 {
		if ring := r.w.ring(i); ring != nil {
			ring.Close()
		}
	}
	r.eventually("the writer to empty the rings", func() bool {
		for i := range shards {
			if !r.w.stuck[i].Load() && r.w.ring(i).Used() > 0 {
				return false
			}
		}
		return true
	})
	return err
}

func TestDrainLosesNothingOfClientsThatHadFinished(t *testing.T) {
	r := newRig(t, func(o *rigOptions) { o.framing = codec.Newline })
	const conns, n = 400, 50
	var b strings.Builder
	for k := range n {
		b.WriteString(record(k) + "\n")
	}
	body := strings.TrimSuffix(b.String(), "\n") // the last line has no LF
	for i := range conns {
		nc := r.dial()
		r.send(nc, body)
		if i%2 == 0 {
			_ = nc.Close() // the others stay, silent
		}
	}
	if err := r.drain(30 * time.Second); err != nil {
		t.Fatal(err)
	}
	st := r.Stats()
	if r.w.count() != conns*n || st.Received != conns*n || st.Lost != 0 {
		t.Fatalf("%d of %d records arrived; %+v", r.w.count(), conns*n, st)
	}
	if st.Closed["drain"] != conns/2 || st.Closed["client"] != conns/2 {
		t.Fatalf("%v", st.Closed)
	}
	if _, err := net.Dial("tcp", r.Addrs()[0].String()); err == nil {
		t.Fatal("still listening")
	}
}

// Clients that the kernel has accepted, and that have written and gone, are clients.
func TestDrainTakesTheBacklog(t *testing.T) {
	const conns = 500
	r := newRig(t, func(o *rigOptions) {
		o.waiting = func(a net.Addr) {
			for i := range conns {
				nc, err := net.Dial("tcp", a.String())
				if err != nil {
					t.Fatal(err)
				}
				_, _ = nc.Write([]byte(record(i) + "\n"))
				_ = nc.Close()
			}
			for range 20 { // a reset socket has no peer any more
				nc, err := net.Dial("tcp", a.String())
				if err != nil {
					t.Fatal(err)
				}
				reset(nc)
			}
		}
	})
	if err := r.drain(20 * time.Second); err != nil {
		t.Fatal(err)
	}
	if r.w.count() != conns {
		t.Fatalf("%d of %d records arrived; %+v", r.w.count(), conns, r.Stats())
	}
}

// Clients that never stop sending are cut off; what they were acked is what arrived.
func TestDrainCutsOffThoseThatGoOnSending(t *testing.T) {
	r := newRig(t, func(o *rigOptions) { o.framing = codec.Newline; o.ack = true })
	r.w.forget.Store(true)
	var wg sync.WaitGroup
	var acked atomic.Int64
	const conns = 20
	for c := range conns {
		nc := r.dial()
		wg.Go(func() {
			line := []byte(strings.Repeat(record(c)+"\n", 20))
			for {
				if _, err := nc.Write(line); err != nil {
					return
				}
				pause()
			}
		})
		wg.Go(func() {
			lines, _ := replies(nc)
			if len(lines) > 0 {
				acked.Add(lastAcked(t, lines))
			}
			_ = nc.Close()
		})
	}
	r.eventually("some records", func() bool { return r.w.count() > 1000 })
	if err := r.drain(15 * time.Second); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	r.Finish(ctx)
	wg.Wait()
	st := r.Stats()
	routed := uint64(0)
	for _, n := range st.Routed {
		routed += n
	}
	if st.Closed["cut_off"] == 0 || st.Closed["cut_off"]+st.Closed["drain"] != conns || uint64(r.w.count()) != routed || st.Lost != 0 {
		t.Fatalf("%d arrived, %d routed; %+v", r.w.count(), routed, st)
	}
	if acked.Load() > int64(st.Received) {
		t.Fatalf("%d acked, %d received", acked.Load(), st.Received)
	}
	if acked.Load() == 0 {
		t.Fatal("nobody was acked anything")
	}
}

// With Kafka gone, Drain ends, what found no room is counted as lost, and is not acked.
func TestDrainWithoutAWriter(t *testing.T) {
	r := newRig(t, func(o *rigOptions) {
		o.framing = codec.Newline
		o.ack = true
		o.ringBytes = shard.MinBytes(testMaxRecord)
	})
	for i := range shards {
		r.w.stuck[i].Store(true)
	}
	var wg sync.WaitGroup
	const conns = 10
	for range conns {
		nc := r.dial()
		wg.Go(func() {
			line := []byte(strings.Repeat(record(7)+"\n", 200))
			for {
				if _, err := nc.Write(line); err != nil {
					return
				}
			}
		})
		wg.Go(func() {
			if lines, _ := replies(nc); len(lines) != 0 {
				t.Errorf("acked while nothing is in Kafka: %q", lines)
			}
			_ = nc.Close()
		})
	}
	r.eventually("all to be paused", func() bool { return r.Stats().Waiting == conns })
	if err := r.drain(6 * time.Second); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	r.Finish(ctx)
	wg.Wait()
	r.w.stuck[7].Store(false)
	r.eventually("the ring to be emptied", func() bool { return r.w.ring(7).Used() == 0 })
	st := r.Stats()
	rejected := uint64(0)
	for _, n := range st.Rejected {
		rejected += n
	}
	if st.Lost == 0 || st.Received != uint64(r.w.count())+st.Lost+rejected {
		t.Fatalf("%d arrived; %+v", r.w.count(), st)
	}
}

// After the writer has drained, clients that only wait get their acks and our FIN.
func TestFinishSaysTheLastAcks(t *testing.T) {
	r := newRig(t, func(o *rigOptions) { o.ack = true })
	for i := range shards {
		r.w.stuck[i].Store(true)
	}
	const conns = 50
	list := make([]net.Conn, conns)
	for i := range list {
		list[i] = r.dial()
		r.send(list[i], record(i)+record(i+1)+"\n")
	}
	r.eventually("all taken", func() bool { return r.Stats().Received == 2*conns })
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := r.Drain(ctx); err != nil {
		t.Fatal(err)
	}
	for i := range shards {
		r.w.stuck[i].Store(false)
	}
	r.eventually("the writer", func() bool { return r.w.count() == 2*conns })
	var wg sync.WaitGroup
	for i, nc := range list {
		wg.Go(func() {
			lines, err := replies(nc)
			if err != nil || len(lines) == 0 || lines[len(lines)-1] != `{"acked":2}` {
				t.Errorf("connection %d: %q, %v", i, lines, err)
			}
			_ = nc.Close()
		})
	}
	r.Finish(ctx)
	wg.Wait()
}
