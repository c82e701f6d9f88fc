package producer

import (
	"github.com/ringtail/ringtail/shard"
)

// What a process leaves in ring files, and what it finds there.
//
// A process that is killed leaves whole batches. The next one sends every batch that was not freed
// again, from its first record. The records of batches that had been entered (Ring.Sending) may be
// in Kafka already: the next process counts them as possible duplicates.
//
// A process that stops cleanly knows the first record that Kafka does not have. MarkStop writes
// that down, so that the next process does not send again what was acked.
//
// A record that was set aside is done once its dead letter is in the dead ring's file, and will
// come to Kafka from there. If it lies behind a record that is kept, it is kept as well. The next
// process decides anew about it, and may write a second dead letter.

// Kept is what a process left in the rings: kept in files, given up in memory.
type Kept struct {
	Records     uint64 // of shards, in files: neither in Kafka nor set aside for good
	DeadLetters uint64 // dead letters in files
	Refused     uint64 // of Records: those that had been set aside, and counted as refused

	GivenUp            uint64 // of shards, in memory: neither in Kafka nor set aside
	DeadLettersGivenUp uint64 // dead letters in memory
}

// MarkStop notes in the ring files where the next process is to go on, and counts what is left.
// Call it once, when Drain has returned and nobody pushes any more.
func (w *Writer) MarkStop() Kept {
	if !w.started.Load() {
		var k Kept
		for _, r := range w.set.Rings {
			k.Records += uint64(r.Recovered().Records)
		}
		if w.set.Dead != nil {
			k.DeadLetters = uint64(w.set.Dead.Recovered().Records)
		}
		return k
	}
	return markStops(w.allEngines())
}

func markStops(engines []*engine) (k Kept) {
	for _, e := range engines {
		for _, s := range e.streams {
			records, refused, givenUp := s.markStop()
			if s.shard < 0 {
				k.DeadLetters += uint64(records)
				k.DeadLettersGivenUp += uint64(givenUp)
				continue
			}
			k.Records += uint64(records)
			k.Refused += uint64(refused)
			k.GivenUp += uint64(givenUp)
		}
	}
	return k
}

// markStop is MarkStop for one stream whose engine has ended: its cursor is at acked, or all is
// done. It returns how many records are kept, how many of these had been set aside, and how many
// are neither kept nor done.
func (s *stream) markStop() (records, refused, givenUp int) {
	at, index := s.ring.Position(), 0
	rest := 0 // records from the cursor on that are not set aside
	if s.cur < len(s.inflight) {
		b := &s.inflight[s.cur]
		for s.at.Index < b.batch.Count && b.isAside(s.at.Index) {
			b.batch.Next(&s.at)
		}
		at, index = b.batch.Start, s.at.Index
		for i := s.cur; i < len(s.inflight); i++ {
			rest += s.inflight[i].batch.Count
			for _, a := range s.inflight[i].aside {
				if i > s.cur || int(a) >= index {
					refused++
				}
			}
		}
		rest -= index + refused
	}
	records = s.ring.MarkStop(at, index, !s.maybeInKafka && refused == 0)
	if records > 0 {
		return records, refused, 0
	}
	for batch, ok := s.ring.Next(); ok; batch, ok = s.ring.Next() {
		rest += batch.Count
	}
	return 0, 0, rest
}

// recoveredDuplicates returns the number of records in the rings' files that may be in Kafka
// already.
func recoveredDuplicates(set shard.Set) (n uint64) {
	for _, r := range set.All() {
		n += uint64(r.Recovered().PossibleDuplicates)
	}
	return n
}

// recoveredLargest returns the size of the largest record in the rings' files. It may be over
// --max-record-bytes, which may have been higher before.
func recoveredLargest(set shard.Set) (n int) {
	for _, r := range set.All() {
		n = max(n, r.Recovered().Largest)
	}
	return n
}
