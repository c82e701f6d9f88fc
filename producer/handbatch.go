package producer

import (
	"runtime"

	"github.com/ringtail/ringtail/internal/crc32c"
	"github.com/ringtail/ringtail/producer/backend"
)

// Records lie in a ring as they stand in a Kafka batch, and their claims have numbered them in it.
// So the engine hands a Kafka batch over as the list of its claims, and looks at no record. It
// hands records over one by one where that cannot be: where one of them is to be set aside or
// looked at, where a former process's Kafka batches are not whole any more, where the batch is
// larger than it may be by now, and to a client that takes no batches.

// isWhole reports whether b, the batch at the cursor or one that the cursor has not come to, may
// begin a Kafka batch that is handed over as it is.
func (e *engine) isWhole(s *stream, b *inflightBatch) bool {
	return e.whole != nil && s.shard >= 0 && !e.needKey && len(s.toSetAside) == 0 &&
		b.batch.Number == 0 && b.batch.Count > 0 && b.batch.Start >= s.copyUntil &&
		(!b.entered || s.at.Index == 0)
}

// batchMost returns how large a Kafka batch may be that is handed over whole.
func (e *engine) batchMost() (bytes, records int) {
	bytes, records = e.whole.BatchMost()
	return min(bytes, e.cfg.WindowBytes), min(records, e.cfg.WindowRecords)
}

// kafkaBatch is a run of a stream's batches, from the cursor on, that are one Kafka batch.
type kafkaBatch struct {
	last         int // in inflight, behind the run
	count, bytes int
}

// kafkaBatch finds the Kafka batch that begins at the cursor. It returns false while a producer has
// not published its last claims. What is being filled is ended, since it is handed over now.
func (e *engine) kafkaBatch(s *stream) (k kafkaBatch, ok bool) {
	for k.last = s.cur; ; k.last++ {
		for k.last == len(s.inflight) && !s.read() {
			at := s.ring.Position()
			if at < s.batchesEnd {
				return k, false
			}
			if at == s.batchesEnd {
				return k, true
			}
			s.batchesEnd = s.ring.EndKafkaBatch() // more may have come meanwhile
		}
		b := &s.inflight[k.last].batch
		if k.count > 0 && (b.Number != k.count || b.Count == 0) {
			return k, true
		}
		if b.Bytes() > e.recordMax || len(s.inflight[k.last].aside) > 0 {
			// A record of it may be too large, or is set aside.
			s.copyUntil = b.End
		}
		k.count += b.Count
		k.bytes += b.Bytes()
	}
}

// copyTries is how often the engine looks again for a claim whose copy is under way. That takes
// microseconds; a shard that is left out of a request waits for the next one, and so do the acks of
// all shards.
const copyTries = 50

// handOverBatch hands over the Kafka batch that begins at the cursor. foundOthers says that it is
// to be handed over record by record, or that more is to come.
func (e *engine) handOverBatch(s *stream) (int, found) {
	if !e.whole.TakesBatch(s.id, s.partition) {
		e.windowFull, e.noRoom = true, true
		if s.refusedAt == 0 {
			s.refusedAt = e.roundAt
		}
		return 0, foundNothing
	}
	k, ok := e.kafkaBatch(s)
	for try := 0; !ok && try < copyTries; try++ {
		runtime.Gosched()
		k, ok = e.kafkaBatch(s)
	}
	if !ok {
		return 0, foundBlocked
	}
	bytes, records := e.batchMost()
	if k.bytes > bytes || k.count > records {
		s.copyUntil = s.inflight[s.cur].batch.End // the other claims begin no Kafka batch
	}
	if s.copyUntil > s.inflight[s.cur].batch.Start {
		return 0, foundOthers
	}
	if n := int(s.sent - s.acked); n > 0 && (n+k.count > e.cfg.WindowRecords || s.bytes+k.bytes > e.cfg.WindowBytes) {
		e.windowFull = true
		return 0, foundNothing
	}
	first, refused := s.sent, e.roundAt
	if s.refusedAt > 0 {
		refused, s.refusedAt = s.refusedAt, 0
	}
	batch := backend.Batch{Count: k.count, Bytes: k.bytes, Pieces: e.pieces[:0]}
	for s.cur < k.last {
		b := &s.inflight[s.cur]
		if !b.entered {
			s.enter(b, s.sent)
		}
		b.handed, b.refused = e.roundAt, refused
		b.countValues()
		piece := b.batch.Encoded()
		batch.Pieces = append(batch.Pieces, piece)
		batch.Sum = crc32c.Append(batch.Sum, piece, b.batch.Sum)
		s.sent += uint64(b.batch.Count)
		s.leave(b, s.sent)
	}
	e.pieces = batch.Pieces
	s.showInflight()
	if code := e.whole.ProduceBatch(s.id, s.partition, first, batch); code != 0 {
		s.seek(first)
		e.notTaken(s, code)
		return 0, foundNothing
	}
	return k.count, foundOthers
}
