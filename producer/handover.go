package producer

import (
	"bytes"

	"github.com/ringtail/ringtail/internal/invariant"
	"github.com/ringtail/ringtail/producer/backend"
	"github.com/ringtail/ringtail/shard"
)

// asideStreakMax is how many records of one stream are set aside without an ok report between them.
// Where there are more, single records are not the reason: somebody set the topic's limit too low
// by mistake, say. Then the stream waits, rather than throw away all that comes.
const asideStreakMax = 100

// found is what nextRecord found at the cursor.
type found int

const (
	foundNothing found = iota // no batch, the window is full, or the client has no room
	foundRecord               // a record to hand over
	foundOthers               // what is to be handed over by another call: records with other headers, or in another way
	foundBlocked              // a record to set aside, and no room for its dead letter yet
)

// handOver hands over what the streams' rings have, as far as their windows go. It returns the
// number of records. blocked means that a record waits for room in the dead ring: nobody wakes the
// engine for that, so it must look again soon.
func (e *engine) handOver() (records int, blocked bool) {
	t := e.topic()
	now := e.seams.now()
	e.roundAt = int64(now)
	e.recordMax, e.needKey = min(t.recordMax(), e.limits.record(t, now)), t.Compacted && e.cfg.Keyed
	e.windowFull, e.noRoom = false, false
	if e.streams[0].shard < 0 {
		e.recordMax = min(e.recordMax, e.limits.deadLetter(t))
	}
	for _, s := range e.streams {
		for e.state == stateRunning {
			var n int
			var f found
			switch b := s.current(); {
			case b != nil && e.isWhole(s, b):
				n, f = e.handOverBatch(s)
			case s.shard < 0:
				e.room = e.client.Room(s.id)
				n, f = e.handOverDeadLetters(s)
			default:
				e.room = e.client.Room(s.id)
				n, f = e.handOverRecords(s)
			}
			records += n
			blocked = blocked || f == foundBlocked
			if n < backend.BatchMax && f != foundOthers {
				break
			}
		}
	}
	return records, blocked
}

// handOverRecords hands over at most backend.BatchMax records of s, in one call of the client. They
// have the same headers. foundOthers means that all of them were taken, and more is to come.
func (e *engine) handOverRecords(s *stream) (int, found) {
	e.records = e.records[:0]
	f := foundNothing
	for len(e.records) < backend.BatchMax {
		e.gatherPlain(s)
		if len(e.records) == backend.BatchMax {
			break
		}
		var rec shard.Record
		rec, f = e.nextRecord(s, s.sent+uint64(len(e.records)))
		if f != foundRecord {
			break
		}
		if len(e.records) == 0 {
			e.headers = s.inflight[s.cur].batch.Headers()
		}
		e.records = append(e.records, backend.Record{Value: rec.Value, Key: rec.Meta})
	}
	n := e.produce(s)
	if n < len(e.records) {
		f = foundNothing
	}
	return n, f
}

// gatherPlain is the fast path of nextRecord: it appends records from the cursor on that nextRecord
// would only return. It ends at the end of the batch, of the window, or at a record that is too
// large or has no room.
func (e *engine) gatherPlain(s *stream) {
	if s.cur == len(s.inflight) || e.needKey || len(s.toSetAside) > 0 {
		return
	}
	b := &s.inflight[s.cur]
	if !b.entered || len(b.aside) > 0 {
		return
	}
	under := s.sent + uint64(len(e.records)) - s.acked
	room := min(backend.BatchMax-len(e.records), b.batch.Count-s.at.Index, e.cfg.WindowRecords-int(under))
	if len(e.records) == 0 {
		e.headers = b.batch.Headers()
	}
	at, most := s.at, e.recordMax-len(e.headers)
	for range room {
		s.at = at
		rec := b.batch.Next(&at)
		size := len(rec.Value) + len(rec.Meta)
		if size > most || !e.room.Take(size+len(e.headers)) {
			return
		}
		e.records = append(e.records, backend.Record{Value: rec.Value, Key: rec.Meta})
	}
	s.at = at
}

// handOverDeadLetters hands over at most backend.BatchMax dead letters, one by one: they have
// headers, which librdkafka's call for a batch does not take.
func (e *engine) handOverDeadLetters(s *stream) (int, found) {
	for n := range backend.BatchMax {
		rec, f := e.nextRecord(s, s.sent)
		if f != foundRecord {
			return n, f
		}
		m := shard.ParseDeadLetterMeta(rec.Meta)
		value := rec.Value
		if len(value) > e.recordMax { // the topic's limit fell after it was written
			if m.Truncated == 0 {
				m.Truncated = len(value)
			}
			value = value[:e.recordMax]
		}
		code := e.client.ProduceDeadLetter(s.id, s.partition, s.sent, value,
			backend.DeadLetter{Reason: m.Reason, Remote: m.Remote, Truncated: m.Truncated})
		s.sent++
		s.showInflight()
		if code != 0 {
			s.seek(s.sent - 1)
			e.notTaken(s, code)
			return n, foundNothing
		}
	}
	return backend.BatchMax, foundRecord
}

// nextRecord returns the record at the cursor, which gets number n, and moves the cursor on. On the
// way it sets aside the records that Kafka cannot take.
func (e *engine) nextRecord(s *stream, n uint64) (shard.Record, found) {
	for {
		if n-s.acked >= uint64(e.cfg.WindowRecords) {
			e.windowFull = true
			return shard.Record{}, foundNothing
		}
		b := s.current()
		if b == nil {
			return shard.Record{}, foundNothing
		}
		if !b.entered {
			if e.isWhole(s, b) {
				return shard.Record{}, foundOthers
			}
			if s.bytes > 0 && s.bytes+b.batch.Bytes() > e.cfg.WindowBytes {
				e.windowFull = true
				return shard.Record{}, foundNothing
			}
			if len(e.records) > 0 && !bytes.Equal(b.batch.Headers(), e.headers) {
				return shard.Record{}, foundOthers
			}
			s.enter(b, n)
			b.handed, b.refused = e.roundAt, e.roundAt
			b.countValues()
		}
		if s.at.Index == b.batch.Count {
			s.leave(b, n)
			continue
		}
		at := s.at
		rec := b.batch.Next(&at)
		if len(b.aside) == 0 || !b.isAside(s.at.Index) {
			if !e.isRefused(s, b, rec, n) {
				if !e.room.Take(len(rec.Value) + len(rec.Meta) + len(b.batch.Headers())) {
					e.windowFull = true
					return shard.Record{}, foundNothing
				}
				s.at = at
				return rec, foundRecord
			}
			if !e.setAside(s, b, rec, n) {
				return shard.Record{}, foundBlocked
			}
		}
		s.at = at
	}
}

// produce passes e.records to the client, and returns how many it took. From here until their
// reports, the client may read the records' bytes, and nobody may write them.
func (e *engine) produce(s *stream) int {
	if len(e.records) == 0 {
		return 0
	}
	taken, code := e.client.Produce(s.id, s.partition, s.sent, e.records, e.headers)
	if invariant.Enabled {
		invariant.Check(taken >= 0 && taken <= len(e.records), "%d of %d records taken", taken, len(e.records))
	}
	want := s.sent + uint64(len(e.records))
	s.sent += uint64(taken)
	s.showInflight()
	if s.sent < want {
		n := s.sent
		s.sent = want
		s.seek(n)
		e.notTaken(s, code)
	}
	return taken
}

// notTaken is called where the client took fewer records than it was given. A full queue is no
// failure: the reports that empty it wake the engine. Everything else is one.
func (e *engine) notTaken(s *stream, code int) {
	if code == backend.ErrQueueFull {
		e.windowFull = true
		return
	}
	e.fail(code, s)
}

// isRefused reports whether Kafka cannot take record n of s: it is over the topic's limit, it has
// no key and the topic is compacted, or a broker refused it. A dead letter is never refused, since
// an ack may wait for it.
func (e *engine) isRefused(s *stream, b *inflightBatch, rec shard.Record, n uint64) bool {
	if s.shard < 0 {
		return false
	}
	return len(rec.Value)+len(rec.Meta)+len(b.batch.Headers()) > e.recordMax || e.needKey && rec.Meta == nil || s.mustSetAside(n)
}

// setAside takes the record at the cursor out of the stream: it publishes a dead letter and tells
// the connection. The next record gets number n instead. It returns false if the dead ring has no
// room yet, or if too many records in a row were set aside.
func (e *engine) setAside(s *stream, b *inflightBatch, rec shard.Record, n uint64) bool {
	if s.asideStreak >= asideStreakMax {
		if s.mustSetAside(n) {
			s.toSetAside = nil // it is sent again, and its shard waits until the broker takes it
		}
		s.tooManyAside = true
		return false
	}
	if dead := e.cfg.DeadRing; dead != nil {
		end, ok := e.publishDeadLetter(dead, b, rec)
		if !ok {
			return false
		}
		b.deadLetterEnd = end
	}
	s.renumberMarks(n)
	b.aside = append(b.aside, int32(s.at.Index))
	b.values -= len(rec.Value)
	s.asideStreak++
	e.stats.setAside(s)
	if e.cfg.OnRefused != nil {
		e.cfg.OnRefused(b.batch.Conn, rec.Ordinal)
	}
	return true
}

// publishDeadLetter publishes the dead letter of a record, and returns its end in the dead ring.
func (e *engine) publishDeadLetter(dead *shard.Ring, b *inflightBatch, rec shard.Record) (uint64, bool) {
	remote := ""
	if e.cfg.RemoteOf != nil {
		remote = e.cfg.RemoteOf(b.batch.Conn)
	}
	value, truncated := rec.Value, 0
	if most := min(e.cfg.DeadLetterMax(), dead.MaxBatchBytes()-1024); len(value) > most {
		value, truncated = value[:max(most, 0)], len(value)
	}
	meta := shard.AppendDeadLetterMeta(nil, reasonRefused, remote, truncated)
	claim, err := dead.Claim(1, len(value)+len(meta))
	if err != nil {
		return 0, false
	}
	claim.SetOrigin(b.batch.Conn, rec.Ordinal)
	claim.Append(value, meta, 0)
	end := claim.End()
	claim.Publish()
	return end, true
}

// reasonRefused is the reason in the dead letter of every record that is set aside here.
const reasonRefused = "refused_by_kafka"
