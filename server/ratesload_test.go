package server

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ringtail/ringtail/codec"
	"github.com/ringtail/ringtail/shard"
)

// TestRatesOfAddresses: one that sends too fast waits with all that it has, new connections too, and
// others do not. What waits is drained.
func TestRatesOfAddresses(t *testing.T) {
	r := newRig(t, func(o *rigOptions) {
		o.MaxRatePerIP = Rate{PerSecond: 10}
		o.ack = true
	})
	fast := r.dialFrom("127.0.0.2")
	r.send(fast, strings.Repeat(record(0)+"\n", 2000))
	r.eventually("it to wait", func() bool { return r.Stats().WaitingForRate == 1 })
	again := r.dialFrom("127.0.0.2")
	r.send(again, record(1)+"\n")
	r.eventually("both to wait", func() bool { return r.Stats().WaitingForRate == 2 })
	other := r.dialFrom("127.0.0.3")
	r.send(other, record(2)+"\n")
	r.eventually("another address's record", func() bool { return len(r.w.shard(2)) == 1 })
	if st := r.Stats(); st.WaitingForRate != 2 || len(r.w.shard(1)) != 0 || st.RateLimited <= 0 {
		t.Errorf("%+v", st)
	}
	for _, nc := range []interface{ CloseWrite() error }{fast.(interface{ CloseWrite() error }), again.(interface{ CloseWrite() error })} {
		if err := nc.CloseWrite(); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.drain(60 * time.Second); err != nil {
		t.Fatal(err)
	}
	if n := r.w.count(); n != 2002 {
		t.Errorf("%d records after the drain", n)
	}
}

// TestRatesLoseNothing: with both rates, stuck rings and memory that is short now and then, every
// record of every connection arrives once, in order, and is acked; and it takes at least the time
// that the rates say.
func TestRatesLoseNothing(t *testing.T) {
	const conns, n, rate = 4, 4000, 1500
	r := newRig(t, func(o *rigOptions) {
		o.ack, o.framing = true, codec.Length
		o.ringBytes = shard.MinBytes(1000)
		o.Codec.MaxRecordBytes = 1000
		o.MaxRatePerConnection, o.MaxRatePerIP = Rate{PerSecond: rate}, Rate{PerSecond: 10 * rate}
	})
	stop := make(chan struct{})
	var clients, naggers sync.WaitGroup
	naggers.Go(func() { stickAndFree(r.w, stop) })
	naggers.Go(func() { r.shortNowAndThen(stop) })
	begin := r.clock.now()
	for c := range conns {
		nc := r.dial()
		clients.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(c), 11))
			var b strings.Builder
			for k := range n {
				b.WriteString(frame(codec.Length, twoDigits(c, k)))
			}
			for s := b.String(); len(s) > 0; {
				cut := min(len(s), 1+rng.IntN(5000))
				r.send(nc, s[:cut])
				s = s[cut:]
			}
			halfClose(nc)
			lines, err := replies(nc)
			if text := strings.Join(lines, ""); err != nil || !strings.HasSuffix(text, fmt.Sprintf(`{"acked":%d}`, n)) {
				t.Errorf("connection %d: %v, %.40q", c, err, text[max(0, len(text)-40):])
			}
		})
	}
	clients.Wait()
	close(stop)
	naggers.Wait()
	checkOrder(t, r.w, conns, n)
	mostInARead := int64(ratedRead / len(frame(codec.Length, twoDigits(0, 0))))
	if least := (n - rate - mostInARead) * int64(time.Second) / rate; r.clock.now()-begin < least {
		t.Errorf("%d records took %d ns, want %d", n, r.clock.now()-begin, least)
	}
}

// TestFirstReadWithRates: a client may be ahead of its rate by one read, which brings no more than
// ratedRead, however much is there.
func TestFirstReadWithRates(t *testing.T) {
	const there = 120_000 // a unix socket takes that much before anybody reads
	text := strings.Repeat(record(1)+"\n", there/len(record(1)+"\n"))
	r := newRig(t, func(o *rigOptions) {
		o.MaxRatePerConnection = Rate{PerSecond: 1}
		o.Listeners = []Listener{{Network: "unix", Address: filepath.Join(t.TempDir(), "s"), Framing: codec.Newline}}
		o.waiting = func(a net.Addr) {
			nc, err := net.Dial(a.Network(), a.String())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = nc.Close() })
			if _, err := io.WriteString(nc, text); err != nil {
				t.Fatal(err)
			}
		}
	})
	r.eventually("the client to wait", func() bool { return r.Stats().WaitingForRate == 1 })
	if n := r.Stats().Bytes; n > ratedRead || n < ratedRead/2 {
		t.Errorf("%d bytes were read of %d at once, %d may be", n, len(text), ratedRead)
	}
}
