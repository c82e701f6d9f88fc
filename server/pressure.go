package server

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/ringtail/ringtail/shard"
)

// pressure keeps, for each ring, the time during which somebody waited for room
// (backpressure_seconds_total: its rate is the share of time the shard was full),
// and who waits to come back.
//
// A connection that has pushed what it held does not go back to its event loop at
// once: the ring is still all but full, the next read would park it again, and a
// hand-over costs more than a small read. It waits until half the ring is free; then
// as many go back as would fill a quarter of it with a read each, the longest waiting
// first. And it waits no longer than until its own last batch is done: connections
// that were never parked may keep the ring above half for ever.
//
// Where every shard's ring is more than half full, it is Kafka that all wait for, whatever
// they send. The event loops then rest for a moment after each read (loop.go:OnTraffic):
// to park thousands of connections and take them back costs more than all else that is
// done for them. That counts as waiting, too. One ring with room, and nobody rests.
//
// A waiter appends itself and pokes; the keeper clears the poke, then looks at the
// rings. The writer moves acked, then pokes if anybody waits. So a waiter is seen
// by a pass that began after it appended itself, and by one after each move.
type pressure struct {
	rings    []*shard.Ring // shards, then the dead-letter ring if there is one
	shards   int
	meters   []pressureMeter
	claiming []atomic.Int32 // by ring: those who wait with a batch in their hands

	mu      sync.Mutex
	queues  [][]roomWaiter // by ring
	waiting atomic.Int32
	poke    chan struct{}
}

type roomWaiter struct {
	end  uint64        // of its last batch
	turn chan struct{} // closed when it may go
}

type pressureMeter struct {
	mu    sync.Mutex
	n     int
	since time.Time
	total time.Duration
}

const (
	wholeRead    = 64 << 10
	roomInterval = time.Millisecond
)

func newPressure(rings []*shard.Ring, shards int) *pressure {
	return &pressure{
		rings:    rings,
		shards:   shards,
		meters:   make([]pressureMeter, len(rings)),
		claiming: make([]atomic.Int32, len(rings)),
		queues:   make([][]roomWaiter, len(rings)),
		poke:     make(chan struct{}, 1),
	}
}

func (p *pressure) enter(ring int) *pressureMeter {
	m := &p.meters[ring]
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.n == 0 {
		m.since = time.Now()
	}
	m.n++
	return m
}

func (m *pressureMeter) leave() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.n--
	if m.n == 0 {
		m.total += time.Since(m.since)
	}
}

// seconds is the time somebody has waited for room in the ring.
func (p *pressure) seconds(ring int) float64 {
	m := &p.meters[ring]
	m.mu.Lock()
	defer m.mu.Unlock()
	total := m.total
	if m.n > 0 {
		total += time.Since(m.since)
	}
	return total.Seconds()
}

// wake makes the keeper look, if anybody waits. It never blocks.
func (p *pressure) wake() {
	if p.waiting.Load() == 0 {
		return
	}
	select {
	case p.poke <- struct{}{}:
	default:
	}
}

// await returns when it is worth going back, or stop is closed. end is that of the
// caller's last batch in the ring.
func (p *pressure) await(ring int, end uint64, stop <-chan struct{}) {
	if p.roomy(ring) {
		return
	}
	w := roomWaiter{end: end, turn: make(chan struct{})}
	p.mu.Lock()
	p.queues[ring] = append(p.queues[ring], w)
	p.waiting.Add(1)
	p.mu.Unlock()
	p.wake()
	select {
	case <-w.turn:
	case <-stop: // everybody's: the queues are not served any more
	}
}

func (p *pressure) roomy(ring int) bool {
	r := p.rings[ring]
	return r.Used() <= r.Capacity()/2
}

// saturated tells whether every shard's ring is more than half full.
func (p *pressure) saturated() bool {
	for ring := range p.shards {
		if p.roomy(ring) {
			return false
		}
	}
	return true
}

// during calls f, which waits for room in all shards.
func (p *pressure) during(f func()) {
	for ring := range p.shards {
		p.enter(ring)
	}
	f()
	for ring := range p.shards {
		p.meters[ring].leave()
	}
}

// keep is the keeper's goroutine.
func (p *pressure) keep(stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		case <-p.poke:
		}
		if p.pass() {
			p.wake() // some were left although there is room
		}
		time.Sleep(roomInterval)
	}
}

func (p *pressure) pass() (again bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for ring, q := range p.queues {
		n := 0
		if len(q) > 0 && p.roomy(ring) {
			n = min(len(q), 1+p.rings[ring].Capacity()/4/wholeRead)
			again = again || n < len(q)
		}
		for acked := p.rings[ring].Acked(); n < len(q) && q[n].end <= acked; {
			n++
		}
		for _, w := range q[:n] {
			close(w.turn)
		}
		p.waiting.Add(int32(-n))
		p.queues[ring] = append(q[:0], q[n:]...)
		clear(q[len(q)-n:])
	}
	return again
}
