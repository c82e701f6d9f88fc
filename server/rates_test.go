package server

import (
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ringtail/ringtail/codec"
)

// TestCostOfARate: what comes at the rate for a second costs a second, never less.
func TestCostOfARate(t *testing.T) {
	for _, tc := range []struct {
		rate           Rate
		records, bytes uint64
		want           int64
	}{
		{Rate{PerSecond: 1000}, 1, 99, 1e6},
		{Rate{PerSecond: 3}, 1, 0, 333_333_334},
		{Rate{PerSecond: 3}, 3, 0, 1e9},
		{Rate{PerSecond: 5e6, Bytes: true}, 7, 5e6, 1e9},
		{Rate{PerSecond: 1e12, Bytes: true}, 0, 1, 1},
		{Rate{PerSecond: 1, Bytes: true}, 0, 1 << 30, 1 << 30 * 1e9},
		{Rate{}, 1, 1, 0},
	} {
		if got := tc.rate.cost(tc.records, tc.bytes); got != tc.want {
			t.Errorf("%+v: %d records, %d bytes cost %d, want %d", tc.rate, tc.records, tc.bytes, got, tc.want)
		}
	}
	if got := (Rate{PerSecond: 1 << 10, Bytes: true}).burst(); got != 64e9 {
		t.Errorf("one read is not within the burst: %d", got)
	}
}

// TestRateOverAnySchedule: whenever connections send, and however much a read brings, what they bring
// between any two moments is never over the burst, the rate times the time, and a read of each; and
// who always has more to send, and is looked at often, gets all of that.
func TestRateOverAnySchedule(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 7))
		clock := &servedClock{}
		clock.ns.Store(1 + rng.Int64N(1e12))
		rate := Rate{PerSecond: 1 + rng.Int64N(5000)}
		perIP := seed%2 == 0
		r := newRates(Rate{}, rate, clock)
		if perIP {
			r.set(rate, Rate{})
		}
		conns := make([]*meter, 1+rng.IntN(4))
		for i := range conns {
			conns[i] = r.join(netip.MustParseAddr("127.0.0.1"))
		}
		readMax, busy := 1+rng.Int64N(300), seed%3 == 0
		begin, taken := clock.now(), make([]int64, len(conns))
		for range 2000 {
			i := rng.IntN(len(conns))
			if !r.late(conns[i]) {
				n := 1 + rng.Int64N(readMax)
				r.charge(conns[i], uint64(n), 0)
				taken[i] += n
			} else if busy || rng.IntN(3) == 0 {
				clock.ns.Add(rng.Int64N(2e8))
			}
			if !busy && rng.IntN(50) == 0 {
				clock.ns.Add(rng.Int64N(5e9)) // they are silent
			}
			if !busy && rng.IntN(50) == 0 {
				begin = clock.now() // from here on
				clear(taken)
			}
			seconds := float64(clock.now()-begin) / 1e9
			sum := int64(0)
			for _, n := range taken {
				if sum += n; !perIP && float64(n) > float64(rate.PerSecond)*(1+seconds)+float64(readMax) {
					t.Fatalf("seed %d: %d in %g s at %+v", seed, n, seconds, rate)
				}
			}
			if perIP && float64(sum) > float64(rate.PerSecond)*(1+seconds)+float64(readMax*int64(len(conns))) {
				t.Fatalf("seed %d: %d in %g s at %+v for all", seed, sum, seconds, rate)
			}
			if least := float64(rate.PerSecond) * (seconds - 0.2); busy && perIP && r.late(conns[0]) && float64(sum) < least {
				t.Fatalf("seed %d: only %d in %g s at %+v", seed, sum, seconds, rate)
			}
		}
	}
}

// TestDebtsAreNotForgotten: who comes again finds what it owed; who owes nothing is forgotten.
func TestDebtsAreNotForgotten(t *testing.T) {
	clock := &servedClock{}
	clock.ns.Store(1)
	r := newRates(Rate{PerSecond: 100}, Rate{}, clock)
	a, b := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.0.0.2")
	m, other := r.join(a), r.join(b)
	r.charge(m, 1000, 0)
	r.leave(m)
	r.leave(other)
	pass := func(seconds int64) {
		clock.ns.Add(seconds * 1e9)
		r.forget()
	}
	pass(2)
	if len(r.byIP) != 1 || !r.late(r.join(a)) || r.late(r.join(b)) {
		t.Errorf("after two seconds: %d known", len(r.byIP))
	}
	r.leave(r.byIP[a].meter())
	pass(7)
	if len(r.byIP) != 2 || r.late(r.join(a)) {
		t.Errorf("after nine seconds: %d known", len(r.byIP))
	}
	if pass(3); len(r.byIP) != 2 || len(r.idle) != 0 {
		t.Errorf("who is there again is forgotten: %d known, %d idle", len(r.byIP), len(r.idle))
	}
	r.leave(r.byIP[a].meter())
	r.leave(r.byIP[b].meter())
	if pass(2); len(r.byIP) != 0 || len(r.idle) != 0 {
		t.Errorf("%d known of nobody, %d idle", len(r.byIP), len(r.idle))
	}
}

// meter is one of a connection of the source, to leave by.
func (s *source) meter() *meter { return &meter{source: s} }

// rateRig is a server that was never started, and one connection, which the pauser has or the test
// reads like an event loop. Served time moves as the test says.
type rateRig struct {
	*Server
	t      *testing.T
	c      *conn
	client int // descriptor
	fd     int // descriptor of the loop; −1: the pauser has it
	read   int // bytes that the loop reads at a time
}

func newRateRig(t *testing.T, change func(*Options)) *rateRig {
	t.Helper()
	s, _ := bareServerWith(t, codec.Newline, false, change)
	r := &rateRig{Server: s, t: t, read: 10 * len("{\"number\":1}\n")}
	fds, err := socketPair()
	if err != nil {
		t.Fatal(err)
	}
	r.client, r.fd = fds[0], fds[1]
	if s.pauser.watch, err = openWatch(); err != nil {
		t.Fatal(err)
	}
	s.pauser.handBack = func(_ *conn, fd int) { r.fd = fd; r.c.lastRead = s.clock.stamp() }
	r.c = s.registry.newConn(s.opt.Listeners[0], netip.MustParseAddrPort("127.0.0.1:1"))
	r.c.openedAt, r.c.lastRead = s.clock.stamp(), s.clock.stamp()
	t.Cleanup(func() {
		for _, fd := range []int{r.client, r.fd, s.pauser.watch.fd} {
			if fd >= 0 {
				_ = unix.Close(fd)
			}
		}
	})
	return r
}

// write has the client send records, as many as its socket takes.
func (r *rateRig) write(records int) {
	r.t.Helper()
	text := strings.Repeat("{\"number\":1}\n", records)
	if n, err := unix.Write(r.client, []byte(text)); n != len(text) {
		r.t.Fatalf("%d of %d bytes: %v", n, len(text), err)
	}
}

// run does what loop and pauser do until nobody can go on, and returns how many records are in.
func (r *rateRig) run() uint64 {
	for {
		for r.fd >= 0 {
			if r.overRate(r.c) {
				p := &paused{fd: r.fd}
				r.fd = -1
				r.pauser.pause(r.c, p)
				break
			}
			buf := make([]byte, r.read)
			n, _ := unix.Read(r.fd, buf)
			if n <= 0 {
				return r.c.framed
			}
			framed := r.c.framed
			r.intakes[0].take(r.c, buf[:n])
			r.c.age(r.c.dec.Unfinished(), framed, r.clock.stamp())
		}
		r.pauser.ticked.Store(true)
		r.pauser.round(nil)
		r.pauser.round(nil)
		if r.fd < 0 {
			return r.c.framed
		}
	}
}

// TestRateIsKeptExactly: a client that has always more to send brings a burst, and then as much in
// each second as the rate says. Nothing is lost, and it is not closed for a silence that is ours.
func TestRateIsKeptExactly(t *testing.T) {
	for name, change := range map[string]func(*Options){
		"connection": func(o *Options) { o.MaxRatePerConnection = Rate{PerSecond: 100} },
		"address":    func(o *Options) { o.MaxRatePerIP = Rate{PerSecond: 100} },
		"both":       func(o *Options) { o.MaxRatePerIP, o.MaxRatePerConnection = Rate{PerSecond: 5000}, Rate{PerSecond: 100} },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRateRig(t, func(o *Options) {
				change(o)
				o.FrameTimeout, o.IdleTimeout = 3*time.Second, 3*time.Second
			})
			r.write(2000)
			want := uint64(110) // the burst, and the read that goes over it
			for ; want < 2000; want += 100 {
				if got := r.run(); got != want {
					t.Fatalf("%d records are in, want %d", got, want)
				}
				st := r.Stats()
				if st.WaitingForRate != 1 || st.Waiting != 1 {
					t.Fatalf("%+v", st)
				}
				r.clock.ns.Add(1e9)
			}
			if got := r.run(); got != 2000 || r.fd < 0 || r.Stats().WaitingForRate != 0 {
				t.Errorf("%d records in the end, descriptor %d", got, r.fd)
			}
		})
	}
}

// TestOurSilenceAgesNobody: a record that is half read when its client has to wait does not get older,
// nor does the client.
func TestOurSilenceAgesNobody(t *testing.T) {
	r := newRateRig(t, func(o *Options) {
		o.MaxRatePerConnection = Rate{PerSecond: 10}
		o.FrameTimeout, o.IdleTimeout = 2*time.Second, 2*time.Second
	})
	r.read = 50*len("{\"number\":1}\n") + 5
	r.write(500)
	waited := 0
	for range 100 {
		if r.run(); r.fd < 0 {
			waited++
		}
		r.clock.ns.Add(1e9)
	}
	if r.run() != 500 || r.fd < 0 || waited < 40 {
		t.Errorf("%d in, descriptor %d, waited %d times", r.c.framed, r.fd, waited)
	}
}

// TestDebtOfALargeRead is paid by waiting for as long as it is worth.
func TestDebtOfALargeRead(t *testing.T) {
	r := newRateRig(t, func(o *Options) { o.MaxRatePerConnection = Rate{PerSecond: 100} })
	r.read = ratedRead
	r.write(1100)
	if got := r.run(); got != 1100 {
		t.Fatalf("%d in", got)
	}
	r.write(1)
	for range 10 {
		if r.clock.ns.Add(1e9 - 1); r.run() != 1100 {
			t.Fatal("it is read before it has paid")
		}
	}
	if r.clock.ns.Add(10); r.run() != 1101 {
		t.Error("it is not read when it has paid")
	}
}

// TestRateLetsTheReserveGo: others wait for the memory of the one that has the reserve.
func TestRateLetsTheReserveGo(t *testing.T) {
	r := newRateRig(t, func(o *Options) { o.MaxRatePerConnection = Rate{PerSecond: 10} })
	r.write(100)
	in := r.run()
	if !r.memory.takeReserve(r.c) {
		t.Fatal("it is taken")
	}
	if got := r.run(); got <= in || r.memory.hasReserve(r.c) {
		t.Errorf("%d are in, as before; the reserve is taken: %v", got, r.memory.hasReserve(r.c))
	}
}

// TestWhatEndsARateLimitedClient: its age, a cut-off and its own reset; a drain reads it at once.
func TestWhatEndsARateLimitedClient(t *testing.T) {
	limited := func(o *Options) {
		o.MaxRatePerConnection, o.MaxConnectionAge = Rate{PerSecond: 10}, 20*time.Second
	}
	r := newRateRig(t, limited)
	r.write(1000)
	if r.run(); r.fd >= 0 {
		t.Fatal("it does not wait")
	}
	close(r.stages.draining)
	if got := r.run(); got != 1000 {
		t.Errorf("a drain has read %d", got)
	}
	for why, end := range map[closeReason]func(*rateRig){
		closedCutOff: func(r *rateRig) { close(r.stages.draining); close(r.stages.cutOff) },
		closedReset:  func(r *rateRig) { r.pauser.noteEnd(r.c.paused, closedReset) },
		closedAge: func(r *rateRig) {
			for range 40 {
				r.clock.ns.Add(1e9)
				r.run()
			}
		},
	} {
		r := newRateRig(t, limited)
		r.write(1000)
		r.run()
		end(r)
		r.run()
		r.run()
		if r.registry.listeners[0].closed[why].Load() != 1 || r.registry.admission.open.Load() != -1 || r.pauser.paused.Load() != 0 {
			t.Errorf("%v: %d ended so, %d paused", why, r.registry.listeners[0].closed[why].Load(), r.pauser.paused.Load())
		}
		if r.fd >= 0 {
			t.Errorf("%v: a loop has it", why)
		}
	}
}

// socketPair returns two sockets that are connected, which no call waits for and no child inherits.
func socketPair() (fds [2]int, err error) {
	fds, err = unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	for i := 0; i < len(fds) && err == nil; i++ {
		unix.CloseOnExec(fds[i])
		err = unix.SetNonblock(fds[i], true)
	}
	return fds, err
}
