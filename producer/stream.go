package producer

import (
	"slices"

	"github.com/ringtail/ringtail/internal/invariant"
	"github.com/ringtail/ringtail/shard"
)

// inflightBatch is a batch that was read from the ring and is not freed yet.
type inflightBatch struct {
	batch         shard.Batch
	first         uint64  // number of its first record handed over
	end           uint64  // number after its last one; known once walked
	entered       bool    // its first record was handed over or set aside
	walked        bool    // all its records were handed over or set aside
	aside         []int32 // indexes of records set aside, ascending
	deadLetterEnd uint64  // end in the dead ring of the last dead letter for one of them
	handed        int64   // when the round began that handed its first record over (shard.Now)
	refused       int64   // since then the client could not take it (shard.Now)
	values        int     // bytes of the values of its records that are not set aside
}

// inflightRetainMax is room for how many batches an empty stream retains.
const inflightRetainMax = 4096

// stream is one ring on its way to one partition. It belongs to its engine's goroutine. Its
// invariants are in the package comment.
type stream struct {
	id        int // in the engine's client
	shard     int // -1: dead letters
	ring      *shard.Ring
	partition int32

	inflight    []inflightBatch // oldest first; they are freed at the front
	inflightBuf []inflightBatch // the memory of inflight
	cur         int             // the cursor: index in inflight of its batch; len(inflight): none
	at          shard.Cursor    // the cursor: the next record of that batch

	sent  uint64 // number that the next record gets
	acked uint64 // every number below is in Kafka
	bytes int    // bytes of the batches entered and not freed

	failedEnd    uint64   // number after the record that a client failed at; 0: none, or Kafka has it by now
	base         uint64   // sent when the client was made: it owes sent − base reports
	markedOnce   []uint64 // numbers that the broker marked invalid with the last client, ascending
	toSetAside   []uint64 // numbers of records that a broker refused for good, ascending
	maybeInKafka bool     // the last client was given up with records that may be in Kafka
	asideStreak  int      // records set aside since the last ok report
	tooManyAside bool     // asideStreakMax was reached: nothing more is set aside until an ok report
	batchesEnd   uint64   // up to here no Kafka batch is being filled any more
	refusedAt    int64    // since then the client takes no batch of it (shard.Now); 0: it was not asked, or takes one
	copyUntil    uint64   // batches that begin below it are handed over record by record

	times StageTimes // of its records in Kafka
	seen  streamSeen
}

// current returns the batch at the cursor, nil if there is none. Where the cursor is behind the
// last batch in flight, it reads the next one from the ring.
func (s *stream) current() *inflightBatch {
	if s.cur == len(s.inflight) && !s.read() {
		return nil
	}
	return &s.inflight[s.cur]
}

// read reads the next batch from the ring, behind those in flight. It reports whether there was
// one.
func (s *stream) read() bool {
	batch, ok := s.ring.Next()
	if !ok {
		return false
	}
	b := inflightBatch{batch: batch}
	for i := range batch.Done { // what was done before a clean stop has no number, either
		b.aside = append(b.aside, int32(i))
	}
	s.push(b)
	return true
}

// push appends to inflight. Batches leave inflight at its front; push moves the rest back to the
// start of inflightBuf when the end is reached, so that a steady stream allocates nothing.
func (s *stream) push(b inflightBatch) {
	if len(s.inflight) == cap(s.inflight) {
		if cap(s.inflightBuf) < 2*len(s.inflight)+64 {
			s.inflightBuf = make([]inflightBatch, 0, 2*(2*len(s.inflight)+64))
		}
		s.inflight = append(s.inflightBuf[:0], s.inflight...)
	}
	s.inflight = append(s.inflight, b)
}

// enter notes that the cursor is at the first record of b, which gets number n. It tells the ring
// before any record of the batch is handed over: should this process die, the next one finds in the
// ring's file what may be in Kafka.
func (s *stream) enter(b *inflightBatch, n uint64) {
	s.ring.Sending(b.batch.End)
	b.first, b.entered, b.walked = n, true, false
	s.bytes += b.batch.Bytes()
}

// leave notes that every record of b has a number below n, or none, and moves the cursor to the
// next batch.
func (s *stream) leave(b *inflightBatch, n uint64) {
	b.end, b.walked = n, true
	s.cur++
	s.at = shard.Cursor{}
}

// isAside reports whether record i of b is set aside.
func (b *inflightBatch) isAside(i int) bool { return slices.Contains(b.aside, int32(i)) }

// seek moves the cursor back to the record with number n, acked ≤ n ≤ sent, so that it is handed
// over next. Records that are set aside stay so.
func (s *stream) seek(n uint64) {
	if invariant.Enabled {
		invariant.Check(s.acked <= n && n <= s.sent, "shard %d: seek %d, acked %d, sent %d", s.shard, n, s.acked, s.sent)
	}
	s.sent, s.bytes, s.at = n, 0, shard.Cursor{}
	for i := range s.inflight {
		b := &s.inflight[i]
		if !b.entered {
			s.cur = i // the batch before it ended with number n
			return
		}
		s.bytes += b.batch.Bytes()
		if b.walked && b.end <= n {
			continue
		}
		s.cur, b.walked = i, false
		for k := b.first; k < n; {
			if !b.isAside(s.at.Index) {
				k++
			}
			b.batch.Next(&s.at)
		}
		for j := i + 1; j < len(s.inflight); j++ {
			s.inflight[j].entered, s.inflight[j].walked = false, false
		}
		return
	}
	s.cur = len(s.inflight)
}

// free frees the batches at the front that are done, and calls done for each. It reports whether
// there were any. deadLetters is the position up to which Kafka has the dead ring.
func (s *stream) free(deadLetters uint64, done func(*stream, *inflightBatch)) bool {
	n := 0
	for n < len(s.inflight) {
		b := &s.inflight[n]
		if !b.walked || b.end > s.acked || b.deadLetterEnd > deadLetters {
			break
		}
		s.bytes -= b.batch.Bytes()
		done(s, b)
		n++
	}
	if n == 0 {
		return false
	}
	s.ring.Free(s.inflight[n-1].batch.End)
	s.inflight = s.inflight[n:]
	s.cur -= n
	if len(s.inflight) == 0 && cap(s.inflightBuf) > inflightRetainMax {
		s.inflight, s.inflightBuf = nil, nil // give back what a stall needed
	}
	return true
}

// sizes returns the bytes of record n, and of all records from n on that were handed over, with
// their keys and headers.
func (s *stream) sizes(n uint64) (record, all int) {
	for i := range s.inflight {
		b := &s.inflight[i]
		if !b.entered || b.walked && b.end <= n {
			continue
		}
		at, headers := shard.Cursor{}, len(b.batch.Headers())
		for k := b.first; k < s.sent && at.Index < b.batch.Count; {
			aside := b.isAside(at.Index)
			rec := b.batch.Next(&at)
			if aside {
				continue
			}
			if size := len(rec.Value) + len(rec.Meta) + headers; k >= n {
				all += size
				if k == n {
					record = size
				}
			}
			k++
		}
	}
	return record, all
}

// waitingBytes returns how many bytes of the ring were not handed over yet. It is a few too many:
// the ring's headers count as well.
func (s *stream) waitingBytes() int { return s.ring.Used() - s.bytes }

// idle reports whether Kafka has all that was read from the ring.
func (s *stream) idle() bool { return len(s.inflight) == 0 }

// mustSetAside reports whether a broker refused record n for good.
func (s *stream) mustSetAside(n uint64) bool { return len(s.toSetAside) > 0 && s.toSetAside[0] == n }

// renumberMarks follows when record n is set aside: its number goes to the next record, so the
// numbers after n that are marked move down by one.
func (s *stream) renumberMarks(n uint64) {
	if s.mustSetAside(n) {
		s.toSetAside = s.toSetAside[1:]
	}
	for i := range s.toSetAside {
		s.toSetAside[i]--
	}
	for i, marked := range s.markedOnce {
		if marked > n {
			s.markedOnce[i]--
		}
	}
}

// applyMarks takes the numbers that the broker marked invalid with one client. What was marked with
// two clients in a row is to be set aside. Once is not enough: of a topic that somebody made
// compacted by mistake the broker marks every record, until the engine has refreshed the topic.
func (s *stream) applyMarks(marked []uint64) {
	s.toSetAside = s.toSetAside[:0]
	for _, n := range marked {
		if slices.Contains(s.markedOnce, n) {
			s.toSetAside = append(s.toSetAside, n)
		}
	}
	s.markedOnce = append(s.markedOnce[:0], marked...)
	slices.Sort(s.markedOnce)
	slices.Sort(s.toSetAside)
}

// clearMarks forgets every mark: the topic is at fault, not its records.
func (s *stream) clearMarks() { s.markedOnce, s.toSetAside = s.markedOnce[:0], s.toSetAside[:0] }
