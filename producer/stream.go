package producer

import (
	"slices"

	"github.com/ringtail/ringtail/internal/invariant"
	"github.com/ringtail/ringtail/shard"
)

// held is a batch that was read from the ring and is not freed yet.
type held struct {
	batch   shard.Batch
	first   uint64  // number of its first record handed over
	end     uint64  // number behind its last one; known once walked
	entered bool    // its first record was handed over or set aside
	walked  bool    // all its records were handed over or set aside
	aside   []int32 // indexes of records set aside, ascending
	letter  uint64  // end in the dead ring of the last letter for one of them
}

// heldKept is how many batches' room an empty line keeps.
const heldKept = 1024

// line is one ring on its way to one partition. It belongs to its engine's
// goroutine; see the package comment for its invariants.
type line struct {
	id        int // in the engine's client
	shard     int // -1: dead letters
	ring      *shard.Ring
	partition int32

	held []held       // oldest first; a freed one leaves at the front
	buf  []held       // what held lies in
	cur  int          // index in held of the batch under the cursor; len(held): none
	at   shard.Cursor // the next record of that batch

	sent  uint64 // number of the next record to hand over
	acked uint64 // every number below is in Kafka
	bytes int    // bytes of the batches entered and not freed

	trouble uint64   // the number behind the record that an instance failed at; 0: none, or it is in Kafka
	base    uint64   // sent when the instance began: reports expected are sent − base
	suspect []uint64 // numbers that the broker marked invalid once, ascending
	blamed  []uint64 // numbers that it marked twice, ascending: to be set aside
	unsure  bool     // the last instance was given up with records that may be in Kafka
	inARow  int      // records set aside since the last ok report
	stopped bool     // too many in a row: nothing more is set aside, see feed.go
}

// current answers the batch under the cursor, reading the next one from the ring
// where none is held; nil if there is none.
func (l *line) current() *held {
	if l.cur == len(l.held) {
		b, ok := l.ring.Next()
		if !ok {
			return nil
		}
		h := held{batch: b}
		for i := range b.Done { // what a former process knew to be done has no number, either
			h.aside = append(h.aside, int32(i))
		}
		l.push(h)
	}
	return &l.held[l.cur]
}

// push appends to held, whose front moves: the room behind it is used again, so
// that a steady stream allocates nothing.
func (l *line) push(h held) {
	if len(l.held) == cap(l.held) {
		if cap(l.buf) < 2*len(l.held)+64 {
			l.buf = make([]held, 0, 2*(2*len(l.held)+64))
		}
		l.held = append(l.buf[:0], l.held...)
	}
	l.held = append(l.held, h)
}

// enter notes that the cursor stands at the first record of h, which gets number n.
// A ring file learns it before any record of the batch is handed over: should this
// process die, the next one knows what may be in Kafka.
func (l *line) enter(h *held, n uint64) {
	l.ring.Sending(h.batch.End)
	h.first, h.entered, h.walked = n, true, false
	l.bytes += h.batch.Bytes()
}

// leave notes that every record of h has a number below n, or none.
func (l *line) leave(h *held, n uint64) {
	h.end, h.walked = n, true
	l.cur++
	l.at = shard.Cursor{}
}

// isAside tells whether record i of h was set aside before.
func (h *held) isAside(i int) bool {
	for _, a := range h.aside {
		if int(a) == i {
			return true
		}
	}
	return false
}

// seek puts the cursor at the record with number n, acked ≤ n ≤ sent, so that it
// is handed over next. Records set aside stay so.
func (l *line) seek(n uint64) {
	if invariant.Enabled {
		invariant.Check(l.acked <= n && n <= l.sent, "shard %d: seek %d, acked %d, sent %d", l.shard, n, l.acked, l.sent)
	}
	l.sent, l.bytes, l.at = n, 0, shard.Cursor{}
	for i := range l.held {
		h := &l.held[i]
		if !h.entered {
			l.cur = i // the batch before ended with number n
			return
		}
		l.bytes += h.batch.Bytes()
		if h.walked && h.end <= n {
			continue
		}
		l.cur, h.walked = i, false
		for k := h.first; k < n; {
			if !h.isAside(l.at.Index) {
				k++
			}
			h.batch.Next(&l.at)
		}
		for j := i + 1; j < len(l.held); j++ {
			l.held[j].entered, l.held[j].walked = false, false
		}
		return
	}
	l.cur = len(l.held)
}

// free frees the batches at the front that are done, and calls done for each.
// letters is the position up to which the dead ring is in Kafka.
func (l *line) free(letters uint64, done func(*held)) bool {
	n := 0
	for n < len(l.held) {
		h := &l.held[n]
		if !h.walked || h.end > l.acked || h.letter > letters {
			break
		}
		l.bytes -= h.batch.Bytes()
		done(h)
		n++
	}
	if n == 0 {
		return false
	}
	l.ring.Free(l.held[n-1].batch.End)
	l.held = l.held[n:]
	l.cur -= n
	if len(l.held) == 0 && cap(l.buf) > heldKept {
		l.held, l.buf = nil, nil // what a stall needed is not kept for ever
	}
	return true
}

// sizes returns the bytes of record n, which was handed over, and of it and all that were handed
// over behind it, with their keys.
func (l *line) sizes(n uint64) (record, all int) {
	for i := range l.held {
		h := &l.held[i]
		if !h.entered || h.walked && h.end <= n {
			continue
		}
		at := shard.Cursor{}
		for k := h.first; k < l.sent && at.Index < h.batch.Count; {
			aside := h.isAside(at.Index)
			rec := h.batch.Next(&at)
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
func (l *line) waiting() int { return l.ring.Used() - l.bytes }

// idle tells whether there is nothing of the ring that Kafka does not have.
func (l *line) idle() bool { return len(l.held) == 0 }

// isBlamed tells whether number n is to be set aside on the broker's word.
func (l *line) isBlamed(n uint64) bool { return len(l.blamed) > 0 && l.blamed[0] == n }

// acquit takes number n out of the blamed; those behind it move up by one, since
// a record set aside leaves its number to the next.
func (l *line) acquit(n uint64) {
	if l.isBlamed(n) {
		l.blamed = l.blamed[1:]
	}
	for i := range l.blamed {
		l.blamed[i]--
	}
	for i, s := range l.suspect {
		if s > n {
			l.suspect[i]--
		}
	}
}

// judge takes the broker's marks of one instance: a record marked by two in a row
// is blamed. Once is not enough, since a topic that is compacted by mistake has
// every record marked until somebody looks at its settings.
func (l *line) judge(marked []uint64) {
	l.blamed = l.blamed[:0]
	for _, n := range marked {
		if slices.Contains(l.suspect, n) {
			l.blamed = append(l.blamed, n)
		}
	}
	l.suspect = append(l.suspect[:0], marked...)
	slices.Sort(l.suspect)
	slices.Sort(l.blamed)
}

// acquitAll forgets every mark: the topic itself was at fault.
func (l *line) acquitAll() { l.suspect, l.blamed = l.suspect[:0], l.blamed[:0] }
