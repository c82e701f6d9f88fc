package server

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/ringtail/ringtail/shard"
)

// A room is what is scarce, a ring, client memory for records, or that for rejected lines, and who waits
// for it, first come, first served.
//
// In a ring the first gets its turn while half of it is free. Before that its next read would pause it
// again, and a hand-over costs more than a small read. And nobody waits longer than until all is in Kafka
// that was in the ring when it came: those who never have to wait may keep the ring above half for ever.
//
// Whoever finds no room at all at its turn stays the first, and nobody else is promised any until it
// has. That is a large record among small ones, or the last of many whose turn came at the same time.
//
// The time during which somebody waited is backpressure_seconds_total, whose rate is the share of time the
// shard was full. Where every shard's ring is more than half full, it is Kafka that all wait for, whatever
// they send. The event loops then rest for a moment after each read (loop.go:OnTraffic):
// to pause thousands of connections and take them back costs more than all else that is
// done for them. That counts as waiting, too. One ring with room, and nobody rests.
type room struct {
	ring  *shard.Ring // nil: it is memory
	queue []*paused   // who does not wait any more is passed over
	shut  atomic.Bool // to all but the first

	mu     sync.Mutex
	n      int // who wait
	since  time.Time
	waited time.Duration
}

// wait says that n more wait, or fewer. It returns how long somebody has waited so far.
func (r *room) wait(n int) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if r.n > 0 {
		r.waited += now.Sub(r.since)
	}
	r.n, r.since = r.n+n, now
	return r.waited
}

// giveTurns lets those go on whose turn it is.
func (q *pauser) giveTurns(r *room) {
	stuck := false
	for ; len(r.queue) > 0; r.queue = r.queue[1:] {
		p := r.queue[0]
		if p.at != r {
			continue
		}
		if !r.shut.Load() && !q.due(p) {
			break
		}
		if stuck = !q.goOn(p); stuck {
			r.queue = r.queue[:len(r.queue)-1] // it came again, behind the others
			break
		}
	}
	if len(r.queue) == 0 {
		r.queue = nil
	}
	r.shut.Store(stuck)
}

// due tells whether it is the turn of p, the first in its queue.
func (q *pauser) due(p *paused) bool {
	switch r := p.at; p.on {
	case waitMemory:
		return q.srv.memory.mayRead(p.c)
	case waitLines:
		return q.srv.memory.hasLines()
	default:
		return r.roomy() || r.ring.Acked() >= p.came
	}
}

// goOn advances p, whose turn it is, and returns false if it found no room for anything.
func (q *pauser) goOn(p *paused) bool {
	was, framed := p.blocked, p.c.framed
	q.unwait(p)
	q.in.first = was.on == waitRoom
	q.advance(p)
	q.in.first = false
	return p.blocked != was || p.c.framed != framed
}

// roomy tells whether half of a ring is free.
func (r *room) roomy() bool { return r.ring.Used() <= r.ring.Capacity()/2 }

// restSaturated lets a loop rest if no shard's ring has room, and tells whether it did.
func (s *Server) restSaturated(rest func()) bool {
	rooms := s.pauser.rooms[:s.opt.Codec.Shards]
	for i := range rooms {
		if rooms[i].roomy() {
			return false
		}
	}
	for i := range rooms {
		rooms[i].wait(1)
		defer rooms[i].wait(-1)
	}
	rest()
	return true
}
