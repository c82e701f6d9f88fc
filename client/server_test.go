package client

import (
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/ringtail/ringtail/codec"
	"github.com/ringtail/ringtail/internal/loopback"
	"github.com/ringtail/ringtail/server"
)

// local is a listener on any port.
func local(f codec.Framing) server.Listener {
	return server.Listener{Network: "tcp", Address: loopback.Any(), Framing: f}
}

func TestServerTakesEverything(t *testing.T) {
	for _, tc := range []struct {
		mine Framing
		its  codec.Framing
	}{
		{Newline, codec.Newline}, {Newline, codec.Auto}, {Newline, codec.JSON}, {Length, codec.Length}, {Length, codec.Auto},
	} {
		t.Run(tc.mine.String()+" to "+tc.its.String(), func(t *testing.T) {
			l := newLedger(t)
			r := newRig(t, local(tc.its), l)
			var count tally
			c := newClient(t, fast(Options{Address: r.address(), Framing: tc.mine, Hooks: count.hooks(l.onAcked)}))
			ctx := within(t)
			const n = 3000
			sendAll(t, ctx, c, n)
			if err := c.Flush(ctx); err != nil {
				t.Fatal(err)
			}
			l.check(n, digit)
			if err := c.Close(ctx); err != nil {
				t.Fatal(err)
			}
			r.stop()
			if len(l.taken) != n || count.resent+count.retries != 0 {
				t.Errorf("%d taken, %d resent, %d reconnects", len(l.taken), count.resent, count.retries)
			}
			if closed := r.Stats().Closed["client"]; closed != 1 {
				t.Errorf("%d connections ended by the client's FIN, want 1: %+v", closed, r.Stats().Closed)
			}
		})
	}
}

func TestUnixSocket(t *testing.T) {
	l := newLedger(t)
	r := newRig(t, server.Listener{Network: "unix", Address: filepath.Join(t.TempDir(), "s")}, l)
	c := newClient(t, fast(Options{Address: r.address(), Hooks: Hooks{Acked: l.onAcked}}))
	ctx := within(t)
	sendAll(t, ctx, c, 100)
	if err := c.Close(ctx); err != nil {
		t.Fatal(err)
	}
	l.check(100, digit)
}

// A proxy that cuts connections stands between; the server reads the rest of the old
// connection while the new one is already there.
func TestServerBehindACuttingProxy(t *testing.T) {
	for _, f := range []Framing{Newline, Length} {
		t.Run(f.String(), func(t *testing.T) {
			l := newLedger(t)
			r := newRig(t, local(codec.Auto), l)
			p := newCutter(t, r.Addrs()[0], newRand(t), 100)
			var count tally
			c := newClient(t, fast(Options{Address: p.address(), Framing: f, Hooks: count.hooks(l.onAcked)}))
			ctx := within(t)
			n := uint64(0)
			for ; p.left() > 0; n++ {
				if _, err := c.Send(ctx, []byte(record(n+1))); err != nil {
					t.Fatal(err)
				}
			}
			if err := c.Close(ctx); err != nil {
				t.Fatal(err)
			}
			r.stop()
			l.check(n, digit)
			t.Logf("%d records, %d reconnects, %d sent again, %d duplicates", n, count.retries, count.resent, len(l.taken)-int(n))
			if count.retries < 99 || len(l.taken)-int(n) > count.resent {
				t.Errorf("%d reconnects, %d duplicates, %d sent again", count.retries, len(l.taken)-int(n), count.resent)
			}
		})
	}
}

// Rejected records are told once each, with their number and bytes, before Flush
// returns, also where connections break.
func TestRejects(t *testing.T) {
	for _, cuts := range []int{0, 40} {
		t.Run(fmt.Sprintf("%d cuts", cuts), func(t *testing.T) {
			r := newRig(t, local(codec.Newline), nil)
			p := newCutter(t, r.Addrs()[0], newRand(t), cuts)
			var mu sync.Mutex
			var told []uint64
			bad := func(k uint64) string { return fmt.Sprintf(`{"k":%d,"number":"x"}`, k) }
			c := newClient(t, fast(Options{Address: p.address(), OnReject: func(seq uint64, record []byte, reason string) {
				mu.Lock()
				defer mu.Unlock()
				told = append(told, seq)
				if string(record) != bad(seq) || reason != "bad_number" {
					t.Errorf("%d: %q, %s", seq, record, reason)
				}
			}}))
			ctx := within(t)
			var want []uint64
			for k := uint64(1); k <= 2000 || p.left() > 0; k++ {
				s := record(k)
				if k%3 == 0 {
					s = bad(k)
					want = append(want, k)
				}
				if _, err := c.Send(ctx, []byte(s)); err != nil {
					t.Fatal(err)
				}
			}
			if err := c.Flush(ctx); err != nil {
				t.Fatal(err)
			}
			mu.Lock()
			defer mu.Unlock()
			if !slices.Equal(told, want) {
				t.Errorf("told of %d rejects, want %d, in order", len(told), len(want))
			}
		})
	}
}

// Many goroutines send through one small window, and cuts come between; each one's
// records stay in its order, and every number is given once.
func TestManySenders(t *testing.T) {
	l := newLedger(t)
	r := newRig(t, local(codec.Newline), l)
	p := newCutter(t, r.Addrs()[0], newRand(t), 10)
	c := newClient(t, fast(Options{Address: p.address(), WindowRecords: 7}))
	ctx := within(t)
	const senders, each = 8, 300
	var numbers [senders][]uint64
	var all sync.WaitGroup
	for i := range uint64(senders) {
		all.Go(func() {
			for k := range uint64(each) {
				seq, err := c.Send(ctx, []byte(record(1+i*each+k)))
				if err != nil {
					t.Error(err)
				}
				numbers[i] = append(numbers[i], seq)
			}
		})
		all.Go(func() {
			for range 20 {
				if err := c.Flush(ctx); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if err := c.Close(ctx); err != nil {
		t.Fatal(err)
	}
	r.stop()
	l.acked = senders * each
	l.check(senders*each, func(k uint64) uint64 { return (k-1)/each*10 + digit(k) })
	got := map[uint64]bool{}
	for _, list := range numbers {
		if !slices.IsSorted(list) {
			t.Error("numbers of one sender are not in order")
		}
		for _, seq := range list {
			got[seq] = true
		}
	}
	if len(got) != senders*each || got[0] || got[senders*each+1] {
		t.Errorf("%d different numbers, want %d", len(got), senders*each)
	}
}
