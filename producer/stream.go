package producer

import (
	"slices"

	"github.com/ringtail/ringtail/internal/invariant"
	"github.com/ringtail/ringtail/shard"
)

// held is a batch that was read from the ring and is not freed yet.
type inflightBatch struct {
	batch         shard.Batch
	first         uint64  // number of its first record handed over
	end           uint64  // number behind its last one; known once walked
	entered       bool    // its first record was handed over or set aside
	walked        bool    // all its records were handed over or set aside
	aside         []int32 // indexes of records set aside, ascending
	deadLetterEnd uint64  // end in the dead ring of the last letter for one of them
}

// heldKept is how many batches' room an empty line keeps.
const inflightRetainMax = 1024

// line is one ring on its way to one partition. It belongs to its engine's
// goroutine; see the package comment for its invariants.
type stream struct {
	id        int // in the engine's client
	shard     int // -1: dead letters
	ring      *shard.Ring
	partition int32

	inflight    []inflightBatch // oldest first; a freed one leaves at the front
	inflightBuf []inflightBatch // what held lies in
	cur         int             // index in held of the batch under the cursor; len(held): none
	at          shard.Cursor    // the next record of that batch

	sent  uint64 // number of the next record to hand over
	acked uint64 // every number below is in Kafka
	bytes int    // bytes of the batches entered and not freed

	failedEnd    uint64   // the number behind the record that an instance failed at; 0: none, or it is in Kafka
	base         uint64   // sent when the instance began: reports expected are sent − base
	markedOnce   []uint64 // numbers that the broker marked invalid once, ascending
	toSetAside   []uint64 // numbers that it marked twice, ascending: to be set aside
	maybeInKafka bool     // the last instance was given up with records that may be in Kafka
	asideStreak  int      // records set aside since the last ok report
	tooManyAside bool     // too many in a row: nothing more is set aside, see feed.go
}

// current answers the batch under the cursor, reading the next one from the ring
// where none is held; nil if there is none.
func (s *stream) current() *inflightBatch {
	if s.cur == len(s.inflight) {
		batch, ok := s.ring.Next()
		if !ok {
			return nil
		}
		b := inflightBatch{batch: batch}
		for i := range batch.Done { // what a former process knew to be done has no number, either
			b.aside = append(b.aside, int32(i))
		}
		s.push(b)
	}
	return &s.inflight[s.cur]
}

// push appends to held, whose front moves: the room behind it is used again, so
// that a steady stream allocates nothing.
func (s *stream) push(b inflightBatch) {
	if len(s.inflight) == cap(s.inflight) {
		if cap(s.inflightBuf) < 2*len(s.inflight)+64 {
			s.inflightBuf = make([]inflightBatch, 0, 2*(2*len(s.inflight)+64))
		}
		s.inflight = append(s.inflightBuf[:0], s.inflight...)
	}
	s.inflight = append(s.inflight, b)
}

// enter notes that the cursor stands at the first record of h, which gets number n.
// A ring file learns it before any record of the batch is handed over: should this
// process die, the next one knows what may be in Kafka.
func (s *stream) enter(b *inflightBatch, n uint64) {
	s.ring.Sending(b.batch.End)
	b.first, b.entered, b.walked = n, true, false
	s.bytes += b.batch.Bytes()
}

// leave notes that every record of h has a number below n, or none.
func (s *stream) leave(b *inflightBatch, n uint64) {
	b.end, b.walked = n, true
	s.cur++
	s.at = shard.Cursor{}
}

// isAside tells whether record i of h was set aside before.
func (b *inflightBatch) isAside(i int) bool {
	for _, a := range b.aside {
		if int(a) == i {
			return true
		}
	}
	return false
}

// seek puts the cursor at the record with number n, acked ≤ n ≤ sent, so that it
// is handed over next. Records set aside stay so.
func (s *stream) seek(n uint64) {
	if invariant.Enabled {
		invariant.Check(s.acked <= n && n <= s.sent, "shard %d: seek %d, acked %d, sent %d", s.shard, n, s.acked, s.sent)
	}
	s.sent, s.bytes, s.at = n, 0, shard.Cursor{}
	for i := range s.inflight {
		b := &s.inflight[i]
		if !b.entered {
			s.cur = i // the batch before ended with number n
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

// free frees the batches at the front that are done, and calls done for each.
// letters is the position up to which the dead ring is in Kafka.
func (s *stream) free(deadLetters uint64, done func(*inflightBatch)) bool {
	n := 0
	for n < len(s.inflight) {
		b := &s.inflight[n]
		if !b.walked || b.end > s.acked || b.deadLetterEnd > deadLetters {
			break
		}
		s.bytes -= b.batch.Bytes()
		done(b)
		n++
	}
	if n == 0 {
		return false
	}
	s.ring.Free(s.inflight[n-1].batch.End)
	s.inflight = s.inflight[n:]
	s.cur -= n
	if len(s.inflight) == 0 && cap(s.inflightBuf) > inflightRetainMax {
		s.inflight, s.inflightBuf = nil, nil // what a stall needed is not kept for ever
	}
	return true
}

// sizes returns the bytes of record n, which was handed over, and of it and all that were handed
// over behind it, with their keys.
func (s *stream) sizes(n uint64) (record, all int) {
	for i := range s.inflight {
		b := &s.inflight[i]
		if !b.entered || b.walked && b.end <= n {
			continue
		}
		at := shard.Cursor{}
		for k := b.first; k < s.sent && at.Index < b.batch.Count; {
			aside := b.isAside(at.Index)
			rec := b.batch.Next(&at)
			if aside {
				continue
			}
			if size := len(rec.Value) + len(rec.Meta); k >= n {
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

// waiting is how many bytes of the ring were not handed over yet, and a few too many: the
// headers of batches under way count as well.
func (s *stream) waitingBytes() int { return s.ring.Used() - s.bytes }

// idle tells whether there is nothing of the ring that Kafka does not have.
func (s *stream) idle() bool { return len(s.inflight) == 0 }

// isBlamed tells whether number n is to be set aside on the broker's word.
func (s *stream) mustSetAside(n uint64) bool { return len(s.toSetAside) > 0 && s.toSetAside[0] == n }

// acquit takes number n out of the blamed; those behind it move up by one, since
// a record set aside leaves its number to the next.
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

// judge takes the broker's marks of one instance: a record marked by two in a row
// is blamed. Once is not enough, since a topic that is compacted by mistake has
// every record marked until somebody looks at its settings.
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

// acquitAll forgets every mark: the topic itself was at fault.
func (s *stream) clearMarks() { s.markedOnce, s.toSetAside = s.markedOnce[:0], s.toSetAside[:0] }
