package server

import (
	"sync"
	"time"
)

// backpressure keeps, for each ring, the time during which somebody waited for room:
// backpressure_seconds_total, whose rate is the share of time the shard was full.
//
// Where every shard's ring is more than half full, it is Kafka that all wait for, whatever
// they send. The event loops then rest for a moment after each read (loop.go:OnTraffic):
// to pause thousands of connections and take them back costs more than all else that is
// done for them. That counts as waiting, too. One ring with room, and nobody rests.
type backpressure []meter // by ring

type meter struct {
	mu    sync.Mutex
	n     int
	since time.Time
	total time.Duration
}

func (b backpressure) enter(ring int) {
	m := &b[ring]
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.n == 0 {
		m.since = time.Now()
	}
	m.n++
}

func (b backpressure) leave(ring int) {
	m := &b[ring]
	m.mu.Lock()
	defer m.mu.Unlock()
	m.n--
	if m.n == 0 {
		m.total += time.Since(m.since)
	}
}

// seconds is the time somebody has waited for room in the ring.
func (b backpressure) seconds(ring int) float64 {
	m := &b[ring]
	m.mu.Lock()
	defer m.mu.Unlock()
	total := m.total
	if m.n > 0 {
		total += time.Since(m.since)
	}
	return total.Seconds()
}

// during calls f, which waits for room in the first so many rings.
func (b backpressure) during(rings int, f func()) {
	for ring := range rings {
		b.enter(ring)
	}
	f()
	for ring := range rings {
		b.leave(ring)
	}
}

func (s *Server) roomy(ring int) bool {
	r := s.rings[ring]
	return r.Used() <= r.Capacity()/2
}

// saturated tells whether every shard's ring is more than half full.
func (s *Server) saturated() bool {
	for ring := range s.opt.Codec.Shards {
		if s.roomy(ring) {
			return false
		}
	}
	return true
}
