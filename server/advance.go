package server

import (
	"golang.org/x/sys/unix"

	"github.com/ringtail/ringtail/codec"
)

// advance does the next thing that can be done for p. It ends with p ready again, waiting, or
// in other hands.
func (q *pauser) advance(p *paused) {
	s, c := q.srv, p.c
	switch killed := closeReason(c.killed.Load()); {
	case c.overflow != nil:
		q.follow(p, q.resume(p))
	case p.finished:
		q.conclude(p)
	case p.failed == codec.Foreign:
		q.end(p, closedForeign)
	case p.failed != 0:
		q.end(p, closedStream)
	case p.fd < 0 || p.final == closedError:
		q.end(p, p.final)
	case killed != closedNot:
		q.end(p, killed)
	case p.ending != closedNot:
		q.end(p, p.ending)
	case s.isCutOff():
		q.end(p, closedCutOff)
	case p.final != closedReset && c.acks != nil && c.loop.domain.stall(c.acks):
		q.waitFor(p, waitAcks) // the domain may have resumed it already
	case p.final == closedNot && c.farewellAt == 0 && !s.memory.spent() && s.memory.chargeAhead(c):
		q.enroll(p)
	default:
		q.read(p)
	}
}

// resume takes the overflow up again.
func (q *pauser) resume(p *paused) outcome {
	q.in.first, q.in.losing = p.first, isClosed(q.srv.giveUp)
	o := q.in.resume(p.c)
	q.in.first, q.in.losing = false, false
	return o
}

// follow decides what the outcome of a chunk leads to.
func (q *pauser) follow(p *paused, o outcome) {
	if o.failure != 0 {
		p.failed = o.failure
	}
	switch o.blocked.on {
	case waitRoom:
		q.waitForRoom(p, o.blocked.ring)
	case waitAcks:
		if c := p.c; p.final == closedReset || !c.loop.domain.stall(c.acks) {
			q.ready = append(q.ready, p)
			return
		}
		q.waitFor(p, waitAcks)
	case waitLines:
		q.waitFor(p, waitLines)
	default:
		q.ready = append(q.ready, p)
	}
}

// end runs p's end; what that makes of an unfinished record may have to wait for room.
func (q *pauser) end(p *paused, why closeReason) {
	c := p.c
	if c.why == closedNot || why == closedReset {
		c.why = why
	}
	p.finished = true
	q.follow(p, q.in.end(c, why != closedByClient && why != closedReset))
}

// conclude ends a connection of which everything is in.
func (q *pauser) conclude(p *paused) {
	q.leave(p)
	q.srv.conclude(q.in, p.c, p.fd)
}

// leave takes p from the pauser.
func (q *pauser) leave(p *paused) {
	q.unwatch(p)
	delete(q.all, p.c)
	q.srv.paused.Add(-1)
}

// giveUpSocket closes the socket of a connection that was reset, and frees its place.
func (q *pauser) giveUpSocket(p *paused) {
	c := p.c
	q.unwatch(p)
	_ = unix.Close(p.fd)
	p.fd = -1
	q.freePlace(c, closedReset)
}

// freePlace lets others have the place of a connection that has no socket any more, though what was
// read of it is not in yet.
func (q *pauser) freePlace(c *conn, why closeReason) {
	if !c.gone {
		c.why, c.gone = why, true
		q.srv.gone(c, why)
	}
}

// enroll gives p to its event loop.
func (q *pauser) enroll(p *paused) {
	q.leave(p)
	q.handBack(p.c, p.fd)
}
