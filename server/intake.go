package server

import (
	"github.com/ringtail/ringtail/codec"
	"github.com/ringtail/ringtail/internal/invariant"
	"github.com/ringtail/ringtail/server/ack"
	"github.com/ringtail/ringtail/shard"
)

// intake is the connection's state machine: bytes in, records out into rings, and
// the positions to wait for. It knows neither gnet nor sockets. An event loop has
// one, whose scratch serves all its connections; the pauser has another.
//
// A chunk is taken record by record. Each is admitted, which means that room in its
// ring has been promised, and put into its ring's lane, still aliasing the chunk. At
// the end push claims once a lane, copies, and publishes; then the ack domain is told, if
// the client wants to know. The first record that cannot be admitted ends the taking:
// it and the bytes behind it become the connection's overflow, in the order in which they
// came, and nothing else of the connection is looked at before they are in. So
// nothing can overtake them, whatever happens to the connection meanwhile.
//
// Nothing is allocated for a record: lanes and scratch grow to the largest chunk seen.
type intake struct {
	srv     *Server
	router  *codec.Router
	limit   int64 // the record limit the router has
	lanes   []lane
	used    []int // lanes with records
	rec     codec.Record
	base    uint64                   // ordinals in lanes are relative to this
	metas   []byte                   // metas of this chunk's dead letters
	meta    [codec.NumReasons][]byte // that of an uncut one, by reason
	remote  string                   // of this chunk's connection, made for its first dead letter
	batches []ack.Batch              // published
	rejects []ack.Reject
	charged bool // the rejects have been, to --client-memory
	stalled bool // the client must take its lines first
	counts  *counters

	lost int // batches of this chunk that are in no ring

	byUs    bool // it is we who end the connection: what is unfinished is not the client's fault
	first   bool // it is the turn of the connection to have room
	peeking bool // the chunk was only looked at: leave what needs memory
	rest    int  // peeking: the bytes behind the last record taken
}

// lane is one ring's share of a chunk: one batch.
type lane struct {
	recs     []laneRec
	bytes    int // of values and metas
	promised int
}

type laneRec struct {
	data, meta []byte
	ordinal    uint32 // minus intake.base
}

// promiseBytes are promised at a time, so that it is not done for each record.
const promiseBytes = 16 << 10

// wait is what a connection waits for before its next record is taken.
type wait uint8

const (
	waitNothing wait = iota
	waitRoom         // in a ring
	waitMemory       // --client-memory, for the record under way
	waitLines        // --client-memory, for a rejected line
	waitAcks         // the client must take its lines
	waitInput        // bytes
	waits
)

// blocked says why a chunk was not used up.
type blocked struct {
	on wait
	at *room // of waitRoom, waitMemory and waitLines: who has none
}

// outcome of a chunk.
type outcome struct {
	blocked blocked     // else all of it is in
	stalled bool        // the client must take its lines first
	failure closeReason // the stream cannot be followed any more
}

func newIntake(s *Server) (*intake, error) {
	router, err := codec.NewRouter(s.opt.Codec)
	if err != nil {
		return nil, err
	}
	return &intake{
		srv:    s,
		router: router,
		limit:  int64(s.opt.Codec.MaxRecordBytes),
		lanes:  make([]lane, len(s.rings)),
		counts: newCounters(len(s.rings)),
	}, nil
}

// take runs a chunk through the machine. What cannot be admitted becomes c's
// overflow; take may be called again only when there is none.
func (in *intake) take(c *conn, chunk []byte) outcome {
	in.counts.bytes.add(uint64(len(chunk)))
	c.dec.Feed(chunk)
	return in.finish(c, chunk, in.run(c))
}

// resume takes what it can of c's overflow, which there must be.
func (in *intake) resume(c *conn) outcome {
	over := c.overflow
	in.byUs = over.byUs
	defer func() { in.byUs = false }()
	in.begin(c)
	if in.rec = over.rec; in.rec.Reason == codec.OK {
		in.router.Judge(&in.rec, over.rec.Data)
	}
	b := in.admit(c)
	in.push(c) // before Feed, which ends the life of a record from a carry
	if b.on != waitNothing {
		return in.outcome(c, b)
	}
	c.dec.Feed(over.rest)
	return in.finish(c, over.rest, in.run(c))
}

// end runs what the connection's end makes of an unfinished record. byUs: it is we who
// ended it; if what there is of the record is no record, that is not the client's
// fault. It is counted as truncated, but the client is not told it was rejected, and no
// ack covers it: it will send it again. There must be no overflow before; there may be
// some behind.
func (in *intake) end(c *conn, byUs bool) outcome {
	in.byUs = byUs
	defer func() { in.byUs = false }()
	if c.dec.Failure() == 0 {
		c.dec.End()
	}
	return in.finish(c, nil, in.run(c))
}

// look is take for a chunk that is still in the socket: it takes whole records, up to the
// first that would have to wait, and leaves nothing of the rest in the connection. It returns
// how many bytes of the chunk those are. The decoder must stand between two records.
func (in *intake) look(c *conn, chunk []byte) (o outcome, taken int) {
	in.peeking, in.rest = true, len(chunk)
	c.dec.Feed(chunk)
	o = in.outcome(c, in.run(c))
	in.peeking = false
	taken = len(chunk) - in.rest
	if o.blocked.on == waitNothing && !c.dec.Unfinished() {
		taken = len(chunk) // what is behind the last record is white space, or separators
		c.dec.Mark()
	}
	c.dec.Drop()
	c.dec.Feed(nil)
	return o, taken
}

// finish keeps what a chunk has left over, and tells the budget what the connection holds.
func (in *intake) finish(c *conn, chunk []byte, b blocked) outcome {
	o := in.outcome(c, b)
	if b.on != waitNothing {
		c.overflow = newOverflow(&c.dec, &in.rec, chunk)
		c.overflow.byUs = in.byUs
	} else {
		c.overflow = nil
		c.dec.Feed(nil) // gives back a carry whose record has been copied
	}
	in.account(c)
	return o
}

func (in *intake) outcome(c *conn, b blocked) outcome {
	o := outcome{blocked: b, stalled: in.stalled}
	in.stalled = false
	if b.on == waitNothing && c.dec.Failure() != 0 {
		in.srv.samples.stream(c)
		if o.failure = closedStream; c.dec.Failure() == codec.Foreign {
			o.failure = closedForeign
		}
	}
	return o
}

// account tells the budget what a connection holds now.
func (in *intake) account(c *conn) {
	in.counts.separators.add(c.dec.Separators())
	c.carry = int64(c.dec.Buffered())
	held := c.carry
	if c.overflow != nil {
		held += powerOfTwo(int64(len(c.overflow.buf))) // its rest may become an unfinished record
	}
	in.srv.memory.charge(c, held)
	if held <= carryFree {
		in.srv.memory.recordEnded(c)
	}
}

// run takes records until the chunk is used up, or one of them has to wait: that is
// in.rec then, not counted yet.
func (in *intake) run(c *conn) (b blocked) {
	in.begin(c)
	for c.dec.Next(in.router, &in.rec) {
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

func (in *intake) begin(c *conn) {
	if l := in.srv.recordLimit.Load(); l != in.limit {
		in.limit = l
		in.router.SetMaxRecordBytes(int(l))
	}
	in.base = c.framed + 1
}

// push publishes every lane and tells the ack domain.
func (in *intake) push(c *conn) {
	now := shard.Now()
	for _, ring := range in.used {
		l := &in.lanes[ring]
		in.counts.lane(ring).add(uint64(len(l.recs)))
		claim, err := in.srv.rings[ring].ClaimPromised(len(l.recs), l.bytes, l.promised)
		if err == nil {
			in.batches = append(in.batches, ack.Batch{Ring: ring, End: fill(&claim, c.id, in.base, now, l.recs)})
			continue
		}
		invariant.Check(err == shard.ErrClosed, "claim in ring %d: %v", ring, err)
		in.srv.lose(ring, len(l.recs)) // reading went on after the cut-off
		in.lost++
	}
	if c.acks != nil && c.framed >= in.base {
		in.stalled = c.acks.Framed(ack.Chunk{
			Last: c.framed, Batches: in.batches, Lost: in.lost, Rejects: in.rejects, Charged: in.charged,
			Framing: c.dec.Framing(),
		})
	} else if in.charged {
		in.srv.memory.linesSaid()
	}
	in.reset()
	in.base = c.framed + 1
}

// fill copies records into a claim and publishes it. It returns the batch's end.
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

func (in *intake) reset() {
	for _, ring := range in.used {
		l := &in.lanes[ring]
		clear(l.recs) // they alias buffers that others own by now
		*l = lane{recs: l.recs[:0]}
	}
	in.used, in.batches, in.rejects = in.used[:0], in.batches[:0], in.rejects[:0]
	if in.remote != "" {
		clear(in.meta[:])
	}
	in.metas, in.remote, in.lost, in.charged = in.metas[:0], "", 0, false
	if cap(in.metas) > 1<<20 {
		in.metas = nil
	}
}

func (s *Server) lose(ring, records int) {
	if ring == s.deadLane {
		s.deadLettersLost.Add(uint64(records))
	} else {
		s.lost.Add(uint64(records))
	}
}
