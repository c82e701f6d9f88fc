package server

import (
	"github.com/ringtail/ringtail/codec"
	"github.com/ringtail/ringtail/internal/invariant"
	"github.com/ringtail/ringtail/shard"
)

// intake is the connection's state machine: bytes in, records out into rings, and
// the positions to wait for. It knows neither gnet nor sockets. An event loop has
// one, whose scratch serves all its connections; the goroutines that end parked
// connections share another.
//
// A chunk is taken in three steps. decode cuts it into records that alias it and
// sorts them by ring into lanes. push claims room once a lane, copies and publishes;
// a lane that finds no room is copied into held batches, and the connection must not
// be read until they are in. Then the ack domain is told, if the client wants to know.
//
// Nothing is allocated for a record: lanes and scratch grow to the largest chunk seen.
type intake struct {
	srv    *Server
	router *codec.Router
	limit  int64 // the record limit the router has
	lanes  []lane
	used   []int // lanes with records
	rec    codec.Record
	metas  []byte                   // metas of this chunk's letters
	meta   [codec.NumReasons][]byte // that of an uncut letter, by reason
	remote string                   // of this chunk's connection, made for its first letter
	ends   []ringEnd
	reject []reject
	byUs   bool   // the chunk is the end of a connection that we ended
	untold uint64 // records at its end that the client is told nothing about: 0 or 1
	counts *counters

	sparing bool   // the chunk may leave nothing to be held (sip)
	rooms   []room // by ring, as seen during this chunk
	blocked int    // the ring that had no room, −1
	rest    int    // bytes of the chunk behind the last record taken
}

// lane is one ring's share of a chunk.
type lane struct {
	recs  []laneRec
	bytes int
}

type laneRec struct {
	data, meta []byte
	ordinal    uint32 // minus the ordinal of the chunk's first record
}

func newIntake(s *Server) (*intake, error) {
	router, err := codec.NewRouter(s.opt.Codec)
	if err != nil {
		return nil, err
	}
	in := &intake{
		srv:    s,
		router: router,
		limit:  int64(s.opt.Codec.MaxRecordBytes),
		lanes:  make([]lane, len(s.rings)),
		rooms:  make([]room, len(s.rings)),
		counts: newCounters(len(s.rings)),
	}
	return in, nil
}

// outcome of a chunk.
type outcome struct {
	held    *held         // batches that found no room; nil: all are in
	stalled bool          // the client must take its lines first
	failure codec.Failure // the stream cannot be followed any more
}

// take runs a chunk through the machine. It may be called again only when nothing
// is held.
func (in *intake) take(c *conn, chunk []byte) outcome {
	in.counts.bytes.add(uint64(len(chunk)))
	c.dec.Feed(chunk)
	o := in.run(c)
	if o.failure = c.dec.Failure(); o.failure != 0 {
		in.srv.samples.stream(c)
	}
	c.dec.Feed(nil) // gives back a carry whose record has been copied
	in.account(c, o.held)
	return o
}

// end runs what the connection's end makes of an unfinished record, and lets go
// of its memory. byUs: it is we who ended it; if what there is of the record is no
// record, that is not the client's fault. It is counted as truncated, but the client
// is not told it was rejected, and no ack covers it: it will send it again.
func (in *intake) end(c *conn, byUs bool) outcome {
	var o outcome
	if c.dec.Failure() == 0 {
		c.dec.End()
		in.byUs = byUs
		o = in.run(c)
		in.byUs = false
	}
	c.dec.Release()
	in.account(c, o.held)
	in.srv.memory.recordEnded(c)
	return o
}

// account tells the budget what a connection holds now, and what it holds besides.
func (in *intake) account(c *conn, h *held) {
	c.carry = int64(c.dec.Held())
	large := c.charged > carryFree
	in.srv.memory.charge(c, c.carry)
	if h != nil {
		in.srv.memory.hold(c, h)
	}
	if large && c.carry <= carryFree {
		in.srv.memory.recordEnded(c)
	}
}

func (in *intake) run(c *conn) outcome {
	first := c.framed + 1
	in.decode(c, first)
	if c.framed < first {
		return outcome{}
	}
	o := outcome{held: in.push(c, first)}
	c.framed -= in.untold
	if c.acks != nil {
		ch := chunk{last: c.framed, ends: in.ends, rejects: in.reject, length: c.dec.Framing() == codec.Length}
		if o.held != nil {
			ch.waiting = len(o.held.batches) + o.held.lost
		}
		var seq uint32
		seq, o.stalled = c.domain.framed(c.acks, ch)
		if o.held != nil {
			o.held.seq = seq
		}
	}
	in.reset()
	return o
}

// decode cuts the chunk and sorts its records by ring.
func (in *intake) decode(c *conn, first uint64) {
	if l := in.srv.recordLimit.Load(); l != in.limit {
		in.limit = l
		in.router.SetMaxRecordBytes(int(l))
	}
	rec := &in.rec
	for c.dec.Next(in.router, rec) {
		if rec.Reason == codec.OK && len(rec.Data)+len(rec.Key) > int(in.limit) {
			rec.Reason = codec.TooLarge // the limit is the Kafka message's: the key counts
		}
		if in.sparing {
			if !in.hasRoom(rec) {
				return
			}
			in.rest = c.dec.Rest()
		}
		c.framed++
		if rec.Reason != codec.OK {
			in.rejected(c, first)
			continue
		}
		in.put(rec.Shard, laneRec{rec.Data, rec.Key, uint32(c.framed - first)})
	}
}

func (in *intake) put(ring int, r laneRec) {
	l := &in.lanes[ring]
	if len(l.recs) == 0 {
		in.used = append(in.used, ring)
	}
	l.recs = append(l.recs, r)
	l.bytes += len(r.data) + len(r.meta)
}

// rejected counts and samples the record in in.rec, and writes its letter.
func (in *intake) rejected(c *conn, first uint64) {
	rec := &in.rec
	if in.byUs {
		rec.Reason = codec.Truncated
		in.untold = 1
	}
	in.counts.rejected[rec.Reason].add(1)
	if c.acks != nil && !in.byUs {
		in.reject = append(in.reject, reject{ordinal: c.framed, reason: rec.Reason})
	}
	if rec.Reason == codec.Unauthorized {
		return // neither logged nor kept: it may hold a secret
	}
	in.srv.samples.record(c, rec)
	if in.srv.deadLane < 0 {
		return
	}
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
		in.metas = shard.AppendLetterMeta(in.metas, rec.Reason.String(), in.remote, truncated)
		meta = in.metas[at:len(in.metas):len(in.metas)]
		if truncated == 0 {
			in.meta[rec.Reason] = meta
		}
	}
	in.put(in.srv.deadLane, laneRec{data, meta, uint32(c.framed - first)})
}

// push publishes every lane that finds room and holds the others.
func (in *intake) push(c *conn, first uint64) (h *held) {
	now := shard.Now()
	for _, ring := range in.used {
		l := &in.lanes[ring]
		in.counts.lane(ring).add(uint64(len(l.recs)))
		r := in.srv.rings[ring]
		recs := l.recs
		for len(recs) > 0 {
			n, bytes := batchPrefix(recs, r.MaxBatchBytes())
			claim, err := r.Claim(n, bytes)
			switch err {
			case nil:
				in.ends = append(in.ends, ringEnd{ring, fill(&claim, c.id, first, now, recs[:n])})
				recs = recs[n:]
				continue
			case shard.ErrFull:
				if h == nil {
					h = &held{first: first}
				}
				h.keep(ring, recs, r.MaxBatchBytes())
			default: // closed: reading went on after the cut-off
				invariant.Check(err == shard.ErrClosed, "claim in ring %d: %v", ring, err)
				in.srv.lose(ring, len(recs))
				if c.acks != nil { // never acked: its checkpoint stays open
					if h == nil {
						h = &held{first: first}
					}
					h.lost++
				}
			}
			break
		}
	}
	return h
}

// fill copies records into a claim and publishes it. It answers the batch's end.
// Nothing in here may block, fail or panic.
func fill(claim *shard.Claim, id, first uint64, now int64, recs []laneRec) uint64 {
	claim.SetOrigin(id, first)
	claim.SetTaken(now)
	for i := range recs {
		claim.Append(recs[i].data, recs[i].meta, recs[i].ordinal)
	}
	end := claim.End()
	claim.Publish()
	return end
}

// recordOverhead is what a record takes in a ring beside its bytes.
const recordOverhead = 16

// batchPrefix is the longest prefix of recs that one batch takes.
func batchPrefix(recs []laneRec, most int) (n, bytes int) {
	total := 0
	for i := range recs {
		size := len(recs[i].data) + len(recs[i].meta)
		total += size + recordOverhead
		if total > most && i > 0 {
			return i, bytes
		}
		bytes += size
	}
	return len(recs), bytes
}

func (in *intake) reset() {
	for _, ring := range in.used {
		l := &in.lanes[ring]
		clear(l.recs) // they alias buffers that others own by now
		l.recs, l.bytes = l.recs[:0], 0
	}
	in.used, in.ends, in.reject = in.used[:0], in.ends[:0], in.reject[:0]
	if in.remote != "" {
		clear(in.meta[:])
	}
	in.metas, in.remote, in.untold = in.metas[:0], "", 0
	if cap(in.metas) > 1<<20 {
		in.metas = nil
	}
}
