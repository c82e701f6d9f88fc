package producer

import (
	"github.com/ringtail/ringtail/shard"
)

// What a process leaves in ring files, and what it finds there.
//
// Killed, it leaves whole batches: those that were not freed are sent again from
// their first record, and the records of those that had been entered (Ring.Sending)
// may be in Kafka already. They are counted as possible duplicates by the process that
// finds them. After a clean stop it is known to the record where Kafka's knowledge
// ends; Keep writes it down, so that nothing that was acked is sent again.
//
// A record set aside is done once its letter lies in the dead letters' file: the
// letter will come to Kafka from there. One that was set aside ahead of records that
// are kept is kept itself, and judged anew by the next process, which may write a
// second letter for it.

// Kept is what was left in the rings: kept in files, given up in memory.
type Kept struct {
	Records uint64 // of shards, in files: neither in Kafka nor set aside for good
	Letters uint64 // dead letters in files
	Refused uint64 // of Records: they had been set aside, and were counted as refused

	GivenUp        uint64 // of shards, in memory: neither in Kafka nor set aside
	LettersGivenUp uint64 // dead letters in memory
}

// Keep notes in the ring files where the next process is to go on, and counts what is left. To be
// called once, when Drain has returned and nobody pushes any more.
func (w *Writer) Keep() Kept {
	if !w.started.Load() {
		var k Kept
		for _, r := range w.set.Rings {
			k.Records += uint64(r.Recovered().Records)
		}
		if w.set.Dead != nil {
			k.Letters = uint64(w.set.Dead.Recovered().Records)
		}
		return k
	}
	return keep(w.all())
}

func keep(engines []*engine) (k Kept) {
	for _, e := range engines {
		for _, l := range e.lines {
			records, refused, givenUp := l.keep()
			if l.shard < 0 {
				k.Letters += uint64(records)
				k.LettersGivenUp += uint64(givenUp)
				continue
			}
			k.Records += uint64(records)
			k.Refused += uint64(refused)
			k.GivenUp += uint64(givenUp)
		}
	}
	return k
}

// keep is Keep for one line whose engine has ended: its cursor stands at acked, or all is done. It
// returns how many records are kept, how many of them had been set aside, and how many are neither
// kept nor done.
func (l *line) keep() (records, refused, givenUp int) {
	at, index := l.ring.Position(), 0
	rest := 0 // from the cursor on, but for those set aside
	if l.cur < len(l.held) {
		h := &l.held[l.cur]
		for l.at.Index < h.batch.Count && h.isAside(l.at.Index) {
			h.batch.Next(&l.at)
		}
		at, index = h.batch.Start, l.at.Index
		for i := l.cur; i < len(l.held); i++ {
			rest += l.held[i].batch.Count
			for _, a := range l.held[i].aside {
				if i > l.cur || int(a) >= index {
					refused++
				}
			}
		}
		rest -= index + refused
	}
	records = l.ring.Keep(at, index, !l.unsure && refused == 0)
	if records > 0 {
		return records, refused, 0
	}
	for b, ok := l.ring.Next(); ok; b, ok = l.ring.Next() {
		rest += b.Count
	}
	return 0, 0, rest
}

// recoveredDuplicates is the number of records in the rings' files that may be in
// Kafka already.
func recoveredDuplicates(set shard.Set) (n uint64) {
	for _, r := range set.All() {
		n += uint64(r.Recovered().PossibleDuplicates)
	}
	return n
}

// recoveredLargest is the size of the largest record in the rings' files, which may have
// been taken under a higher --max-record-bytes.
func recoveredLargest(set shard.Set) (n int) {
	for _, r := range set.All() {
		n = max(n, r.Recovered().Largest)
	}
	return n
}
