package server

import (
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ringtail/ringtail/shard"
)

// pauser has every connection that an event loop may not read for now, whatever the reason. gnet
// cannot pause one connection: unread data would grow in its buffers, or block the whole loop. So
// the loop duplicates the descriptor and lets gnet close its own. The pauser gives the connection
// back to its loop (EnrollContext) when there is nothing to wait for.
//
//	            ┌─────────────────────── advance ───────────────────────┐
//	            │ the first that applies decides                        │
//	pause ─────►│  an overflow       resume it      ── no room ─────────┼──► room    a ring is half free
//	            │                                   ── lines unread ────┼──► acks    the client reads
//	            │                                   ── no memory for ───┼──► lines   others have read theirs
//	            │                                      a rejected line  │
//	            │  its end has run   conclude ──────────────────────────┼──► gone
//	            │  it is to end      run its end                        │
//	            │  lines unread ────────────────────────────────────────┼──► acks
//	            │  over its rate ───────────────────────────────────────┼──► rate    time passes
//	            │  there is memory   enroll ────────────────────────────┼──► an event loop
//	            │  there is none     peek at its socket                 │
//	            │                      whole records  take them         │
//	            │                      no room ─────────────────────────┼──► room
//	            │                      needs memory ────────────────────┼──► memory  first come, first served
//	            │                      nothing ─────────────────────────┼──► input   bytes, or an end
//	            └───────────────────────────────────────────────────────┘
//
// A connection is advanced again when what it waits for has come, when its socket was reset, and
// when the server stops waiting (drain.go). advance looks at everything anew, so to call it once
// too often is harmless.
//
// Invariants:
//
//  1. The goroutine of run has every connection in all. Loops and ack domains post to inbox.
//  2. A connection is in at most one of: ready, the queue of a room, or the inbox.
//  3. A connection with an overflow is not read, and its end is not run: what was read first is in
//     its ring first. What ended the connection is looked at last.
//  4. A connection that was reset and has to wait gives up its socket and its place at once:
//     nothing can be said to it, and it must not keep others out. What was read of it goes on.
type pauser struct {
	connEnv
	in    *intake
	buf   []byte
	watch watch

	handBack func(c *conn, fd int) // gives a connection, and its descriptor, to its event loop

	all         map[uint64]*paused // by the connection's id
	ready       []*paused          // to be advanced
	rooms       []room             // by ring
	memoryRoom  room               // for records
	linesRoom   room               // for rejected lines
	rateLimited room               // nothing scarce: how long connections waited for their rate
	counts      [waits]atomic.Int64
	ticked      atomic.Bool // the ticker asks for a check of deadlines

	paused atomic.Int64  // connections that the pauser has, or will have at once
	pauses atomic.Uint64 // times a connection was paused

	mu    sync.Mutex
	inbox []*paused
	poke  chan struct{} // there is something in inbox
}

// pauseInterval is how often the pauser looks at its connections. Room comes batch by batch, and
// connections one by one: to do something about each at once would cost more than all the rest.
const pauseInterval = time.Millisecond

// pause gives a connection that no loop has any more to the pauser, and its descriptor with it. If
// that is −1, the connection ends once its overflow is in.
func (q *pauser) pause(c *conn, p *paused) {
	p.c, c.paused = c, p
	q.paused.Add(1)
	q.pauses.Add(1)
	q.post(p)
}

// post gives the pauser a connection, or says that the client has taken its lines. It never blocks.
func (q *pauser) post(p *paused) {
	q.mu.Lock()
	q.inbox = append(q.inbox, p)
	q.mu.Unlock()
	select {
	case q.poke <- struct{}{}:
	default:
	}
}

// roomOf returns the room that is waited for, nil if it is something else.
func (q *pauser) roomOf(b blocked) *room {
	switch b.on {
	case waitRoom:
		return &q.rooms[b.ring]
	case waitMemory:
		return &q.memoryRoom
	case waitLines:
		return &q.linesRoom
	}
	return nil
}

// waitFor has p wait. A connection that was reset, and may wait for long, gives up its socket.
func (q *pauser) waitFor(p *paused, b blocked) {
	if p.final == closedReset && p.fd >= 0 && b.on != waitInput {
		if q.giveUpSocket(p, closedReset); p.c.overflow == nil {
			q.ready = append(q.ready, p)
			return
		}
	}
	p.blocked, p.since = b, shard.Now()
	p.c.facts.wait(b, p.c.halfClosedAt != 0)
	q.counts[b.on].Add(1)
	if at := q.roomOf(b); at != nil {
		at.queue = append(at.queue, p)
		at.wait(1)
	}
	switch b.on {
	case waitRoom:
		p.came = q.rooms[b.ring].ring.Claimed()
	case waitRate:
		q.rateLimited.wait(1)
	}
}

// stopWaiting ends p's waiting, whatever it waits for.
func (q *pauser) stopWaiting(p *paused) {
	if at := q.roomOf(p.blocked); at != nil {
		at.wait(-1)
	}
	switch p.on {
	case waitAcks:
		p.c.acks.Unstall()
	case waitRate:
		q.rateLimited.wait(-1)
	}
	if p.c.unfinished != 0 && p.on != waitMemory && p.on != waitInput {
		p.c.unfinished = q.clock.stamp() // it does not age while the server does not read it
	}
	q.counts[p.on].Add(-1)
	if p.on != waitAcks && p.on != waitInput { // those are the client's own
		p.c.waited += shard.Now() - p.since
	}
	p.blocked = blocked{}
	p.c.facts.wait(p.blocked, p.c.halfClosedAt != 0)
}

// makeReady has p advanced in this round, if that is what it waits for.
func (q *pauser) makeReady(p *paused, on wait) {
	if p.on == on && on != waitNothing {
		q.stopWaiting(p)
		q.ready = append(q.ready, p)
	}
}

// noteEnd notes that nothing will come behind what the socket holds. Only a reset is acted on while
// p waits for something else than input.
func (q *pauser) noteEnd(p *paused, why closeReason) {
	if p.final = why; p.on == waitInput || why == closedReset {
		q.makeReady(p, p.on)
	}
}

// follow does what the outcome of a chunk calls for.
func (q *pauser) follow(p *paused, o outcome) {
	if o.failure != closedNot {
		p.ending = o.failure
	}
	switch {
	case q.roomOf(o.blocked) != nil:
		q.waitFor(p, o.blocked)
	case o.blocked.on == waitAcks && q.stalls(p):
	default:
		q.ready = append(q.ready, p)
	}
}

// stalls has p wait if its client must take its lines first. The domain may have resumed it
// already.
func (q *pauser) stalls(p *paused) bool {
	stalls := p.final != closedReset && p.c.acks != nil && p.c.acks.Stall()
	if stalls {
		q.waitFor(p, blocked{on: waitAcks})
	}
	return stalls
}

// end runs p's end. What that makes of an unfinished record may have to wait for room.
func (q *pauser) end(p *paused, why closeReason) {
	c := p.c
	if c.why == closedNot || why == closedReset {
		c.why = why
	}
	o := q.in.end(c, why != closedByClient && why != closedReset)
	if p.finished = true; c.overflow != nil {
		q.follow(p, o)
	} else {
		q.conclude(q.in, c, q.leave(p))
	}
}

// leave takes p from the pauser, and returns its descriptor.
func (q *pauser) leave(p *paused) int {
	if p.fd >= 0 {
		q.watch.remove(p.fd)
	}
	delete(q.all, p.c.id)
	p.c.paused = nil
	q.paused.Add(-1)
	return p.fd
}

// giveUpSocket closes the socket of a connection to which nothing can be said any more, if it has
// one, and frees its place, though what was read of it may not be in yet.
func (q *pauser) giveUpSocket(p *paused, why closeReason) {
	c := p.c
	if c.acks != nil {
		c.acks.Abandon()
	}
	if p.fd >= 0 {
		_ = unix.Close(p.fd)
	}
	p.fd, p.ending = -1, why
	c.why, c.gone = why, true
	q.registry.gone(c, why)
}
