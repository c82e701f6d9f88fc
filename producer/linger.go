package producer

import "time"

// hold is linger.ms: it answers how long to rest, since what comes waits for others; 0
// where it is to be handed over. The engine lingers for all shards at once, and librdkafka,
// which would for each by itself, not at all: so partitions are sent one behind the other,
// acks of connections, which wait for the slowest of them, come together, and there is
// one thread to wake. What comes after a pause is handed over at once, and nothing waits
// once a shard's is enough for a batch, or for a quarter of its ring: a long linger.ms must
// not fill rings.
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
