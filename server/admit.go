package server

import (
	"github.com/ringtail/ringtail/codec"
	"github.com/ringtail/ringtail/server/ack"
	"github.com/ringtail/ringtail/shard"
)

// admit puts the record in in.rec into its lane, or counts it as rejected.
func (in *intake) admit(c *conn) blocked {
	b := in.tryAdmit(c)
	if b.on == waitRoom && len(in.used) > 0 { // its batch may be full, or room be promised to others of this chunk
		in.push(c)
		b = in.tryAdmit(c)
	}
	return b
}

func (in *intake) tryAdmit(c *conn) blocked {
	rec := &in.rec
	if rec.Reason == codec.OK {
		if len(rec.Data)+len(rec.Key) <= int(in.limit) {
			if !in.put(rec.Shard, laneRec{rec.Data, rec.Key, uint32(c.framed + 1 - in.base)}) && !in.loses(rec.Shard) {
				return blocked{waitRoom, &in.srv.pauser.rooms[rec.Shard]}
			}
			c.framed++
			return blocked{}
		}
		rec.Reason = codec.TooLarge // the limit is the Kafka message's: the key counts
	}
	return in.reject(c)
}

// put puts a record into a lane if its ring has room for it.
func (in *intake) put(ring int, r laneRec) bool {
	l := &in.lanes[ring]
	size := len(r.data) + len(r.meta)
	room := shard.BatchBytes(len(l.recs)+1, l.bytes+size)
	if room > l.promised && !in.promise(ring, room) {
		return false
	}
	if len(l.recs) == 0 {
		in.used = append(in.used, ring)
	}
	l.recs = append(l.recs, r)
	l.bytes += size
	return true
}

// promise has room bytes promised to a lane, and more if there is.
func (in *intake) promise(ring, room int) bool {
	l, r := &in.lanes[ring], in.srv.rings[ring]
	if len(l.recs) > 0 && room > r.MaxBatchBytes() || in.srv.pauser.rooms[ring].shut.Load() && !in.first {
		return false
	}
	for _, n := range [2]int{max(room-l.promised, promiseBytes), room - l.promised} {
		if r.Promise(n) == nil {
			l.promised += n
			return true
		}
	}
	return false
}

// loses tells whether a record that found no room never will: it is lost, and counted. It
// is never acked, since its checkpoint stays open.
func (in *intake) loses(ring int) bool {
	if len(in.used) > 0 || !isClosed(in.srv.giveUp) && !in.srv.rings[ring].Closed() {
		return false
	}
	in.counts.lane(ring).add(1)
	in.srv.lose(ring, 1)
	in.lost++
	return true
}

// reject counts and samples the record in in.rec, and writes its dead letter.
func (in *intake) reject(c *conn) blocked {
	rec := &in.rec
	told := c.acks != nil && !in.byUs
	if told && len(in.rejects) >= ack.RejectsAtOnce {
		if in.push(c); in.stalled && !isClosed(in.srv.giveUp) {
			return blocked{on: waitAcks}
		}
	}
	if told && !in.charged {
		if in.charged = in.srv.memory.chargeLines(); !in.charged && !isClosed(in.srv.giveUp) {
			return blocked{waitLines, &in.srv.pauser.lines}
		} else if !in.charged { // it is not told, so nothing from here on is acked
			told, in.lost = false, in.lost+1
		}
	}
	if in.byUs {
		rec.Reason = codec.Truncated
	}
	if dead := in.srv.deadLane; dead >= 0 && rec.Reason != codec.Unauthorized && !in.deadLetter(c) && !in.loses(dead) {
		return blocked{waitRoom, &in.srv.pauser.rooms[dead]}
	}
	in.counts.rejected[rec.Reason].add(1)
	if rec.Reason != codec.Unauthorized { // neither logged nor kept: it may hold a secret
		in.srv.samples.record(c, rec)
	}
	if !in.byUs {
		c.framed++
	}
	if told {
		in.rejects = append(in.rejects, ack.Reject{Ordinal: c.framed, Reason: rec.Reason})
	}
	return blocked{}
}

// deadLetter puts the record in in.rec into the dead letters' lane.
func (in *intake) deadLetter(c *conn) bool {
	rec := &in.rec
	if in.remote == "" {
		in.remote = c.remoteString()
	}
	data := rec.Data
	if most := int(in.srv.letterLimit.Load()); len(data) > most {
		data = data[:most]
	}
	truncated := 0
	if len(data) < rec.Size {
		truncated = rec.Size
	}
	meta := in.meta[rec.Reason]
	if meta == nil || truncated > 0 {
		at := len(in.metas)
		in.metas = shard.AppendDeadLetterMeta(in.metas, rec.Reason.String(), in.remote, truncated)
		meta = in.metas[at:len(in.metas):len(in.metas)]
		if truncated == 0 {
			in.meta[rec.Reason] = meta
		}
	}
	return in.put(in.srv.deadLane, laneRec{data, meta, uint32(c.framed + 1 - in.base)})
}
