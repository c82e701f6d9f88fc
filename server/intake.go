package server

import (
	"github.com/ringtail/ringtail/codec"
	"github.com/ringtail/ringtail/server/ack"
	"github.com/ringtail/ringtail/shard"
)

// intake takes what was read of a connection: bytes in, records out into rings, and what to wait
// for. It knows neither gnet nor sockets. An event loop has one, whose scratch memory serves all
// its connections; the pauser has another.
//
// A chunk is taken record by record. Each is admitted, which means that its ring promises room for
// it, and put into its ring's lane. At the end of the chunk, push claims that room once for each
// lane, copies the records, and publishes them. Then it tells the ack domain, if the client wants
// to know.
//
// The first record that cannot be admitted ends the taking. It and the bytes behind it become the
// connection's overflow, in the order in which they came, and nothing else of the connection is
// looked at before they are in. So nothing can overtake them, whatever happens to the connection.
//
// Nothing is allocated for a record: the scratch memory grows to the largest chunk seen.
type intake struct {
	lanes
	router  *codec.Router
	tokens  *codec.Router // for what comes before the records
	limit   int64         // the record limit that the router has
	rec     codec.Record
	value   []byte                   // scratch of setHeaders
	metas   []byte                   // metas of this chunk's dead letters
	meta    [codec.NumReasons][]byte // the meta of a dead letter that is not cut, by reason
	remote  string                   // of this chunk's connection, made for its first dead letter
	rejects []ack.Reject
	charged bool // the rejects have been charged to --client-memory
	stalled bool // the client must take its lines first

	byListener []*counters
	samples    chunkSamples

	byUs    bool // the server ends the connection: an unfinished record is not the client's fault
	peeking bool // the chunk was only peeked at: nothing of it may take memory
	rest    int  // peeking: the bytes behind the last record taken

	decrypter decrypter
}

// outcome is what has become of a chunk. Its zero value: all of it is in.
type outcome struct {
	blocked blocked     // waitNothing: all of it is in
	stalled bool        // the client must take its lines first
	failure closeReason // why the stream cannot be followed any more; closedNot: it can
}

func newIntake(env *intakeEnv, opt codec.Options) (*intake, error) {
	router, err := codec.NewRouter(opt)
	if err != nil {
		return nil, err
	}
	n := len(env.rooms)
	var byListener []*counters
	for range env.samples.listeners {
		byListener = append(byListener, newCounters(n))
	}
	return &intake{
		lanes:      lanes{env: env, counts: byListener[0], all: make([]lane, n)},
		byListener: byListener,
		router:     router,
		tokens:     codec.NewTokenRouter(),
		limit:      int64(opt.MaxRecordBytes),
	}, nil
}

// take takes the records of a chunk. What cannot be admitted becomes c's overflow; take may be
// called again only when there is none.
func (in *intake) take(c *conn, chunk []byte) outcome {
	in.countsOf(c).bytes.add(uint64(len(chunk)))
	c.dec.Feed(chunk)
	b := in.run(c)
	c.waited = 0
	o := in.finish(c, chunk, b)
	in.note(c, len(chunk))
	return o
}

// resume takes what it can of c's overflow. There must be one.
func (in *intake) resume(c *conn) outcome {
	over := c.overflow
	in.byUs = over.byUs
	defer func() { in.byUs = false }()
	defer in.note(c, 0)
	in.begin(c)
	if in.rec = over.rec; in.rec.Reason == codec.OK {
		in.router.Judge(&in.rec, over.rec.Data)
	}
	b := in.admit(c)
	in.push(c) // before Feed, which ends the life of a record that came in several reads
	if b.on != waitNothing {
		return in.outcome(c, b)
	}
	c.dec.Feed(over.rest)
	return in.finish(c, over.rest, in.run(c))
}

// end takes what the connection's end makes of its unfinished record. byUs says that the server
// ended it. If what there is of the record is not a record then, that is not the client's fault: it
// is counted as truncated, the client is not told that it was rejected, and no ack covers it, so
// the client will send it again. There must be no overflow before end; there may be one after it.
func (in *intake) end(c *conn, byUs bool) outcome {
	in.byUs = byUs
	defer func() { in.byUs = false }()
	if c.dec.Failure() == 0 {
		c.dec.End()
	}
	defer in.note(c, 0)
	return in.finish(c, nil, in.run(c))
}

// peek is take for a chunk that is still in the socket. It takes whole records, up to the first
// that would have to wait, and leaves nothing of the rest in the connection. It returns how many
// bytes of the chunk those records are. The decoder must stand between two records.
func (in *intake) peek(c *conn, chunk []byte) (o outcome, taken int) {
	in.peeking, in.rest = true, len(chunk)
	c.dec.Feed(chunk)
	o = in.outcome(c, in.run(c))
	in.peeking, c.waited = false, 0
	taken = len(chunk) - in.rest
	if o.blocked.on == waitNothing && !c.dec.Unfinished() {
		taken = len(chunk) // what is behind the last record is white space, or separators
		c.dec.Mark()
	}
	c.dec.Drop()
	c.dec.Feed(nil)
	return o, taken
}

// finish makes an overflow of what a chunk has left over, and updates what the connection is
// charged.
func (in *intake) finish(c *conn, chunk []byte, b blocked) outcome {
	o := in.outcome(c, b)
	if b.on != waitNothing {
		c.overflow = newOverflow(&c.dec, &in.rec, chunk)
		c.overflow.byUs, c.overflow.waited = in.byUs, in.waited-c.waited
	} else {
		c.overflow = nil
		c.dec.Feed(nil) // frees the memory of a record that came in several reads: it has been copied
	}
	in.account(c)
	return o
}

// outcome returns what has become of a chunk, and logs a stream that cannot be followed any more.
func (in *intake) outcome(c *conn, b blocked) outcome {
	o := outcome{blocked: b, stalled: in.stalled}
	in.stalled = false
	switch {
	case b.on != waitNothing || c.dec.Failure() == 0:
	case c.owesToken:
		o.failure = closedUnauthorized
	default:
		in.env.samples.stream(c)
		if o.failure = closedStream; c.dec.Failure() == codec.Foreign {
			o.failure = closedForeign
		}
	}
	return o
}

// account charges to c the memory that it takes now.
func (in *intake) account(c *conn) {
	in.countsOf(c).separators.add(c.dec.Separators())
	c.partial = int64(c.dec.Buffered())
	bytes := c.partial
	if c.overflow != nil {
		bytes += powerOfTwo(int64(len(c.overflow.buf))) // its rest may become an unfinished record
	}
	charge := bytes
	if c.tls != nil {
		charge += int64(cap(c.tls.begun))
	}
	in.env.memory.charge(c, charge)
	if bytes <= partialFree {
		in.env.memory.recordEnded(c)
	}
}

// release frees the memory of a connection of which everything is in.
func (in *intake) release(c *conn) {
	c.dec.Release()
	if c.tls != nil {
		c.tls.begun = nil
	}
	in.account(c)
	in.env.memory.recordEnded(c)
}

// run takes records until the chunk is used up, or a record has to wait. That record is in.rec
// then, and is not counted yet.
func (in *intake) run(c *conn) (b blocked) {
	in.begin(c)
	if c.owesToken && !in.takeToken(c) {
		return blocked{}
	}
	more := c.dec.Next(in.router, &in.rec)
	if c.helloDue {
		in.hello(c, more)
	}
	for ; more; more = c.dec.Next(in.router, &in.rec) {
		if b = in.admit(c); b.on != waitNothing {
			break
		}
		if in.peeking {
			in.rest = c.dec.Rest()
			c.dec.Mark()
		}
	}
	in.push(c)
	return b
}

// hello answers c's first blank record if it comes before all records, as found says of the first.
// Who sends it has sent nothing else yet that could be sent twice, and learns that acks will come.
func (in *intake) hello(c *conn, found bool) {
	blank := c.dec.Blank()
	if c.helloDue = !blank && !found; blank {
		c.acks.Hello(c.dec.Framing())
	}
}

// begin sets where the next records are counted, the limit and the headers that hold for them, from
// where their ordinals count, and how long they have waited.
func (in *intake) begin(c *conn) {
	in.counts = in.countsOf(c)
	if l := in.env.maxRecord.Load(); l != in.limit {
		in.limit = l
		in.router.SetMaxRecordBytes(int(l))
	}
	if len(in.env.headers) > 0 {
		in.setHeaders(c)
	}
	in.base = c.framed + 1
	if in.waited = c.waited; c.overflow != nil {
		in.waited += c.overflow.waited
	}
}

// admit puts the record in in.rec into its lane, or counts it as rejected.
func (in *intake) admit(c *conn) blocked {
	b := in.tryAdmit(c)
	if b.on == waitRoom && len(in.used) > 0 { // its batch may be full, or this chunk's lanes may have all the room
		in.push(c)
		b = in.tryAdmit(c)
	}
	return b
}

func (in *intake) tryAdmit(c *conn) blocked {
	rec := &in.rec
	if rec.Reason == codec.OK {
		if len(rec.Data)+len(rec.Key)+len(in.headers) <= int(in.limit) {
			r := laneRec{rec.Data, rec.Key, uint32(c.framed + 1 - in.base)}
			if !in.put(rec.Shard, r, len(in.headers)) && !in.lose(rec.Shard) {
				return blocked{waitRoom, rec.Shard}
			}
			c.framed++
			return blocked{}
		}
		rec.Reason = codec.TooLarge // the limit is the Kafka message's: key and headers count
	}
	return in.reject(c)
}

// reject counts and logs the record in in.rec as rejected, and writes its dead letter.
func (in *intake) reject(c *conn) blocked {
	rec := &in.rec
	told := c.acks != nil && !in.byUs && !c.gone && c.killed.Load() == 0
	if told && len(in.rejects) >= ack.RejectsAtOnce {
		if in.push(c); in.stalled && !isClosed(in.env.giveUp) {
			return blocked{on: waitAcks}
		}
	}
	if told && !in.charged {
		if in.charged = in.env.memory.chargeLines(); !in.charged && !isClosed(in.env.giveUp) {
			return blocked{on: waitLines}
		} else if !in.charged { // the client is not told, so nothing from here on is acked
			told, in.lost = false, in.lost+1
		}
	}
	if in.byUs {
		rec.Reason = codec.Truncated
	}
	if dead := in.env.dead; dead >= 0 && !in.deadLetter(c) && !in.lose(dead) {
		return blocked{waitRoom, dead}
	}
	in.counts.rejected[rec.Reason].add(1)
	c.facts.rejected.add(1)
	in.samples.note(rec)
	if !in.byUs {
		c.framed++
	}
	if told {
		in.rejects = append(in.rejects, ack.Reject{Ordinal: c.framed, Reason: rec.Reason})
	}
	return blocked{}
}

// deadLetter puts the record in in.rec into the dead letters' lane. It returns false if that ring
// has no room.
func (in *intake) deadLetter(c *conn) bool {
	rec := &in.rec
	if in.remote == "" {
		in.remote = c.remoteString()
	}
	data := rec.Data
	if most := int(in.env.maxDeadLetter.Load()); len(data) > most {
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
	return in.put(in.env.dead, laneRec{data, meta, uint32(c.framed + 1 - in.base)}, 0)
}

// push publishes every lane and tells the ack domain.
func (in *intake) push(c *conn) {
	in.publish(c.id)
	if c.acks != nil && c.framed >= in.base {
		in.stalled = c.acks.Framed(ack.Chunk{
			Last: c.framed, Batches: in.batches, Lost: in.lost, Rejects: in.rejects, Charged: in.charged,
			Framing: c.dec.Framing(),
		})
	} else if in.charged {
		in.env.memory.linesSaid()
	}
	in.env.samples.records(c, &in.samples)
	in.reset()
	in.base = c.framed + 1
}

// reset forgets what was pushed.
func (in *intake) reset() {
	in.clear()
	in.rejects = in.rejects[:0]
	if in.remote != "" {
		clear(in.meta[:])
	}
	in.metas, in.remote, in.charged = in.metas[:0], "", false
	if cap(in.metas) > metasRetainMax {
		in.metas = nil
	}
}

// metasRetainMax is the capacity that metas retain.
const metasRetainMax = 1 << 20
