package server

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// Rate is --max-rate-per-connection or --max-rate-per-ip. The zero Rate limits nothing.
type Rate struct {
	PerSecond int64
	Bytes     bool // not records
}

// What a read brings is known only when it has been read. So it is always taken, and its cost, the
// time that it takes at the rate, is added to a bucket. While a bucket owes time its connections are
// not read: they wait in the pauser (waitRate), and TCP tells their clients. Nothing is dropped.
//
//	              now − burst        now
//	                   │              │
//	───────────────────┼──────●───────┼─────────●──────────► served time
//	   has rested long │   may burst  │  late: is not read until now is here
//
// Invariants:
//
//  1. Between two moments, what the connections of a bucket bring costs no more than the time
//     between them, and the burst, and one read of each connection.
//  2. Time that was not used is worth at most a burst. The burst is a second, or as long as one
//     read takes.
//  3. Served time moves with the ticks. So each tick lets a client that has always more to send
//     bring what the time since the last tick is worth.

// bucket is the served time until which all that was taken has been paid for. It is an ordinary
// token bucket; now − bucket are its tokens.
type bucket struct{ until atomic.Int64 }

func (b *bucket) late(now int64) bool { return b.until.Load() > now }

// full returns whether b is like a new bucket.
func (b *bucket) full(now, burst int64) bool { return b.until.Load() <= now-burst }

func (b *bucket) charge(now, cost, burst int64) {
	for {
		until := b.until.Load()
		if b.until.CompareAndSwap(until, max(until, now-burst)+cost) {
			return
		}
	}
}

const rateBurst = int64(time.Second)

// cost is the time that so much takes at the rate.
func (r Rate) cost(records, bytes uint64) int64 {
	n := int64(records)
	if r.Bytes {
		n = int64(bytes)
	}
	if r.PerSecond == 0 {
		return 0
	}
	return n/r.PerSecond*int64(time.Second) + (n%r.PerSecond*int64(time.Second)+r.PerSecond-1)/r.PerSecond
}

func (r Rate) burst() int64 { return max(rateBurst, r.cost(0, ratedRead)) }

// ratedRead is the most that one read brings where there are rates when the server starts, since a
// client may be ahead of its rate by one read.
const ratedRead = 64 << 10

// meter measures one connection, where something is asked of it beside the totals; nil: nothing is.
type meter struct {
	client  *clientCounts // whose it is; nil: nobody has said
	own     bucket
	source  *source // nil: without an address, or a rate for each
	records uint64  // of the connection, measured so far
}

// source is one address. Its connections share a bucket.
type source struct {
	bucket
	ip    netip.Addr
	conns int  // rates.mu
	idle  bool // rates.mu: it is in rates.idle
}

// rates are the limits to how fast clients are read.
type rates struct {
	limits atomic.Pointer[rateLimits]
	clock  *servedClock
	paid   atomic.Int64 // time by which debts are paid beside what passes: set

	mu    sync.Mutex
	byIP  map[netip.Addr]*source
	idle  []*source // without connections now, or a moment ago; their debts are not forgotten
	sweep int64     // when to look at them next
}

type rateLimits struct{ perIP, perConnection Rate }

func newRates(perIP, perConnection Rate, clock *servedClock) *rates {
	r := &rates{clock: clock, byIP: make(map[netip.Addr]*source)}
	r.set(perIP, perConnection)
	return r
}

// set changes the limits. Where there were none, it is for connections that come from now on: those
// of before are not measured.
// Debts, which are of the former rates, are forgotten.
func (r *rates) set(perIP, perConnection Rate) {
	if old := r.limits.Swap(&rateLimits{perIP, perConnection}); old != nil && *old != *r.limits.Load() {
		r.paid.Add(int64(24 * time.Hour))
	}
}

// now is the time by which buckets are filled.
func (r *rates) now() int64 { return r.clock.now() + r.paid.Load() }

func (l *rateLimits) any() bool { return *l != (rateLimits{}) }

// join returns a meter for a new connection from ip, nil if there are no limits.
func (r *rates) join(ip netip.Addr) *meter {
	limits := r.limits.Load()
	if !limits.any() {
		return nil
	}
	m := new(meter)
	m.own.until.Store(r.now() - limits.perConnection.burst())
	if limits.perIP == (Rate{}) || !ip.IsValid() {
		return m
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.byIP[ip]
	if s == nil {
		s = &source{ip: ip}
		s.until.Store(r.now() - limits.perIP.burst())
		r.byIP[ip] = s
	}
	s.conns++
	m.source = s
	return m
}

// leave is called when a connection's place is free.
func (r *rates) leave(m *meter) {
	if m == nil || m.source == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	s := m.source
	if s.conns--; s.conns == 0 && !s.idle {
		s.idle = true
		r.idle = append(r.idle, s)
	}
}

// forget forgets the addresses without connections that owe nothing, and have all of a burst again.
// The ticker calls it.
func (r *rates) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	if now < r.sweep {
		return
	}
	r.sweep = now + rateBurst
	burst := r.limits.Load().perIP.burst()
	left := r.idle[:0]
	for _, s := range r.idle {
		switch {
		case s.conns > 0:
			s.idle = false
		case s.full(now, burst):
			delete(r.byIP, s.ip)
		default:
			left = append(left, s)
		}
	}
	clear(r.idle[len(left):])
	r.idle = left
}

// late returns whether a connection may not be read yet.
func (r *rates) late(m *meter) bool {
	if m == nil {
		return false
	}
	now := r.now()
	return m.own.late(now) || m.source != nil && m.source.late(now)
}

// charge charges what one read of a connection has brought.
func (r *rates) charge(m *meter, records, bytes uint64) {
	limits := r.limits.Load()
	if !limits.any() {
		return
	}
	now := r.now()
	m.own.charge(now, limits.perConnection.cost(records, bytes), limits.perConnection.burst())
	if m.source != nil {
		m.source.charge(now, limits.perIP.cost(records, bytes), limits.perIP.burst())
	}
}

// measure measures what has become of c's latest bytes. Only the goroutine that has c calls it.
func (in *intake) measure(c *conn, bytes int) {
	m := c.meter
	records := c.framed - m.records
	m.records = c.framed
	if m.client != nil {
		m.client.records.Add(records)
		m.client.bytes.Add(uint64(bytes))
	}
	in.env.rates.charge(m, records, uint64(bytes))
}

// overRate returns whether c waits because it, or its address, has sent too fast. What holds the
// reserve of --client-memory is let through: others wait for it. So is all when the server drains.
func (e *connEnv) overRate(c *conn) bool {
	return c.meter != nil && e.rates.late(c.meter) && !e.stages.isDraining() && !e.memory.hasReserve(c)
}
