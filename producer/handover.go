package producer

import (
	"github.com/ringtail/ringtail/internal/invariant"
	"github.com/ringtail/ringtail/producer/backend"
	"github.com/ringtail/ringtail/shard"
)

// asideInARow is how many records of one line are set aside without an ok report
// between them. More than that is no matter of single records (a limit set too
// low by mistake, say), and throwing away everything that comes is no answer.
const asideInARow = 100

// step answers of next: what the cursor stands at.
type found int

const (
	nothing found = iota // no batch, or the window is full
	record               // a record to hand over
	blocked              // a record to set aside, and no room for its letter yet
)

// feed hands over what the lines hold, as far as their windows go. It answers the
// number of records, and whether something had to be left that will not announce
// itself (the dead ring was full), so that the engine looks again soon.
func (e *engine) feed() (records int, again bool) {
	t := e.topic()
	e.recordMax, e.needKey, e.full = min(t.recordMax(), e.limits.record(t, e.seams.now())), t.Compacted && e.cfg.Keyed, false
	if e.lines[0].shard < 0 {
		e.recordMax = min(e.recordMax, e.limits.letter(t))
	}
	for _, l := range e.lines {
		for e.state == running {
			n, f := 0, nothing
			if l.shard < 0 {
				n, f = e.feedLetters(l)
			} else {
				n, f = e.feedRecords(l)
			}
			records += n
			again = again || f == blocked
			if n < backend.BatchMax {
				break
			}
		}
	}
	return records, again
}

// feedRecords hands over at most backend.BatchMax records of l in one call.
func (e *engine) feedRecords(l *line) (int, found) {
	e.records = e.records[:0]
	f := nothing
	for len(e.records) < backend.BatchMax {
		e.gatherPlain(l)
		if len(e.records) == backend.BatchMax {
			break
		}
		var rec shard.Record
		rec, f = e.next(l, l.sent+uint64(len(e.records)))
		if f != record {
			break
		}
		e.records = append(e.records, backend.Record{Value: rec.Value, Key: rec.Meta})
	}
	return e.handOver(l), f
}

// gatherPlain appends the records under the cursor for as long as next would only
// answer "record": to the batch's end at most, and to the first that is too large.
func (e *engine) gatherPlain(l *line) {
	if l.cur == len(l.held) || e.needKey || len(l.blamed) > 0 {
		return
	}
	h := &l.held[l.cur]
	if !h.entered || len(h.aside) > 0 {
		return
	}
	under := l.sent + uint64(len(e.records)) - l.acked
	room := min(backend.BatchMax-len(e.records), h.batch.Count-l.at.Index, e.cfg.WindowRecords-int(under))
	at := l.at
	for range room {
		l.at = at
		rec := h.batch.Next(&at)
		if len(rec.Value)+len(rec.Meta) > e.recordMax {
			return
		}
		e.records = append(e.records, backend.Record{Value: rec.Value, Key: rec.Meta})
	}
	l.at = at
}

// feedLetters hands over at most backend.BatchMax dead letters, one by one: they have
// headers, which librdkafka's batch call does not know.
func (e *engine) feedLetters(l *line) (int, found) {
	for n := range backend.BatchMax {
		rec, f := e.next(l, l.sent)
		if f != record {
			return n, f
		}
		m := shard.ParseLetterMeta(rec.Meta)
		value := rec.Value
		if len(value) > e.recordMax { // the topic's limit fell after it was written
			if m.Truncated == 0 {
				m.Truncated = len(value)
			}
			value = value[:e.recordMax]
		}
		code := e.client.ProduceDeadLetter(l.id, l.partition, l.sent, value,
			backend.DeadLetter{Reason: m.Reason, Remote: m.Remote, Truncated: m.Truncated})
		l.sent++
		if code != 0 {
			l.seek(l.sent - 1)
			e.notTaken(l, code)
			return n, nothing
		}
	}
	return backend.BatchMax, record
}

// next answers the record under the cursor, which gets number n, and moves on.
// Records that Kafka cannot take are set aside on the way.
func (e *engine) next(l *line, n uint64) (shard.Record, found) {
	for {
		if n-l.acked >= uint64(e.cfg.WindowRecords) {
			e.full = true
			return shard.Record{}, nothing
		}
		h := l.current()
		if h == nil {
			return shard.Record{}, nothing
		}
		if !h.entered {
			if l.bytes > 0 && l.bytes+h.batch.Bytes() > e.cfg.WindowBytes {
				e.full = true
				return shard.Record{}, nothing
			}
			l.enter(h, n)
		}
		if l.at.Index == h.batch.Count {
			l.leave(h, n)
			continue
		}
		at := l.at
		rec := h.batch.Next(&at)
		if len(h.aside) == 0 || !h.isAside(l.at.Index) {
			if !e.refused(l, rec, n) {
				l.at = at
				return rec, record
			}
			if !e.setAside(l, h, rec, n) {
				return shard.Record{}, blocked
			}
		}
		l.at = at
	}
}

// handOver passes e.records to the client. From here until their reports the bytes
// belong to both: librdkafka reads them, nobody writes them.
func (e *engine) handOver(l *line) int {
	if len(e.records) == 0 {
		return 0
	}
	taken, code := e.client.Produce(l.id, l.partition, l.sent, e.records)
	if invariant.Enabled {
		invariant.Check(taken >= 0 && taken <= len(e.records), "%d of %d records taken", taken, len(e.records))
	}
	want := l.sent + uint64(len(e.records))
	l.sent += uint64(taken)
	if l.sent < want {
		n := l.sent
		l.sent = want
		l.seek(n)
		e.notTaken(l, code)
	}
	return taken
}

// notTaken is the client's refusal to take a record. A full queue passes: the
// reports that empty it wake the engine. Everything else is a failure.
func (e *engine) notTaken(l *line, code int) {
	if code == backend.ErrQueueFull {
		e.full = true
		return
	}
	e.fail(code, l)
}

// refused tells whether record n of l is one that Kafka cannot take: over the
// topic's limit, without key where the topic is compacted, or marked by the broker
// twice. A letter is never refused: an ack may wait for it.
func (e *engine) refused(l *line, rec shard.Record, n uint64) bool {
	if l.shard < 0 {
		return false
	}
	return len(rec.Value)+len(rec.Meta) > e.recordMax || e.needKey && rec.Meta == nil || l.isBlamed(n)
}

// setAside takes the record under the cursor out of the line: its letter goes to
// the dead ring, its client is told, and number n goes to the next one. It answers
// false if the dead ring has no room yet, or if too many in a row were set aside.
func (e *engine) setAside(l *line, h *held, rec shard.Record, n uint64) bool {
	if l.inARow >= asideInARow {
		if l.isBlamed(n) {
			l.blamed = nil // sent again: the broker's verdict stands, and is waited for
		}
		l.stopped = true
		return false
	}
	if dead := e.cfg.Dead; dead != nil {
		end, ok := e.letter(dead, h, rec)
		if !ok {
			return false
		}
		h.letter = end
	}
	l.acquit(n)
	h.aside = append(h.aside, int32(l.at.Index))
	l.inARow++
	e.stats.setAside(l)
	if e.cfg.OnRefused != nil {
		e.cfg.OnRefused(h.batch.Conn, rec.Ordinal)
	}
	return true
}

// letter publishes a dead letter and answers its end in the dead ring.
func (e *engine) letter(dead *shard.Ring, h *held, rec shard.Record) (uint64, bool) {
	remote := ""
	if e.cfg.RemoteOf != nil {
		remote = e.cfg.RemoteOf(h.batch.Conn)
	}
	value, truncated := rec.Value, 0
	if most := min(e.cfg.DeadLimit(), dead.MaxBatchBytes()-1024); len(value) > most {
		value, truncated = value[:max(most, 0)], len(value)
	}
	meta := shard.AppendLetterMeta(nil, reasonRefused, remote, truncated)
	c, err := dead.Claim(1, len(value)+len(meta))
	if err != nil {
		return 0, false
	}
	c.SetOrigin(h.batch.Conn, rec.Ordinal)
	c.Append(value, meta, 0)
	end := c.End()
	c.Publish()
	return end, true
}

// reasonRefused is the reason of every record that is refused after it was routed.
const reasonRefused = "refused_by_kafka"
