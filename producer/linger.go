package producer

import "time"

// lingerLeft is linger.ms: it returns how long the engine rests so that more records come together,
// or 0 where it is to hand over now. A record that comes after a pause is handed over at once;
// those that follow within linger.ms wait for its end. Nothing waits when a ring is closed, or when
// one shard has enough for a batch or for a quarter of its ring: a long linger.ms must not fill
// rings.
//
// The engine lingers for all shards at once. librdkafka's own linger.ms is 0, since it lingers for
// each partition by itself: ten partitions would become ready at ten times, and wake ten times; a
// connection's ack waits for the slowest of them.
func (e *engine) lingerLeft() time.Duration {
	left := e.lingerUntil - e.seams.now()
	if left <= 0 {
		return 0
	}
	for _, s := range e.streams {
		if s.ring.Closed() || s.waitingBytes() >= min(e.cfg.BatchSize, s.ring.Capacity()/4) {
			return 0
		}
	}
	if e.nothingInflight() || !e.cfg.Traits.ReportsByPartition {
		return min(left, lingerCheckEvery)
	}
	return min(left, reportsEvery)
}
