package server

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/ringtail/ringtail/shard"
)

// room is something scarce that connections wait for: a ring, client memory for records, or client
// memory for rejected lines. turns.go says whose turn it is.
//
// The time during which at least one connection waited is backpressure_seconds_total. Its rate is
// the share of time during which the shard was full.
type room struct {
	ring  *shard.Ring // nil: it is memory
	queue []*paused   // the pauser's; a connection in it that waits no more is passed over
	shut  atomic.Bool // to all but the first in the queue

	mu     sync.Mutex
	n      int // connections that wait
	since  time.Time
	waited time.Duration
}

// wait says that n more connections wait, or fewer. It returns how long connections have waited so
// far.
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

// waitedFor returns whether a connection waits.
func (r *room) waitedFor() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.n > 0
}

// halfFree returns whether at least half of a ring is free.
func (r *room) halfFree() bool { return r.ring.Used() <= r.ring.Capacity()/2 }

// restSaturated has an event loop rest if every shard's ring is more than half full, and returns
// whether it did. Whatever clients send, they all wait for Kafka then. To pause thousands of
// connections and take them back would cost more than all the rest that is done for them. That
// counts as waiting, too. If any ring has room, loops do not rest.
func restSaturated(shards []room, rest func()) bool {
	for i := range shards {
		if shards[i].halfFree() {
			return false
		}
	}
	for i := range shards {
		shards[i].wait(1)
		defer shards[i].wait(-1)
	}
	rest()
	return true
}
