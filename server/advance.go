package server

import (
	"cmp"

	"golang.org/x/sys/unix"
)

// advance does the next thing that can be done for p. It ends with p ready again, waiting, or
// in other hands.
func (q *pauser) advance(p *paused) {
	s, c := q.srv, p.c
	why := cmp.Or(p.ending, closeReason(c.killed.Load()))
	if why == closedNot && s.isCutOff() {
		why = closedCutOff
	}
	switch {
	case c.overflow != nil:
		framed := c.framed
		o := q.in.resume(c)
		c.age(p.left > 0 || c.dec.Unfinished(), framed, s.clock.stamp())
		q.follow(p, o)
	case p.finished:
		s.conclude(q.in, c, q.leave(p))
	case why != closedNot:
		q.end(p, why)
	case q.stalls(p):
	case p.final == closedNot && c.farewellAt == 0 && !s.memory.spent() && s.memory.chargeAhead(c):
		q.handBack(c, q.leave(p))
	default:
		q.read(p)
	}
}

// follow decides what the outcome of a chunk leads to.
func (q *pauser) follow(p *paused, o outcome) {
	if o.failure != closedNot {
		p.ending = o.failure
	}
	switch {
	case o.blocked.at != nil:
		q.waitFor(p, o.blocked)
	case o.blocked.on == waitAcks && q.stalls(p):
	default:
		q.ready = append(q.ready, p)
	}
}

// stalls lets p wait if its client is to take its lines first. The domain may have resumed it already.
func (q *pauser) stalls(p *paused) bool {
	stalls := p.final != closedReset && p.c.acks != nil && p.c.acks.Stall()
	if stalls {
		q.waitFor(p, blocked{on: waitAcks})
	}
	return stalls
}

// end runs p's end; what that makes of an unfinished record may have to wait for room.
func (q *pauser) end(p *paused, why closeReason) {
	c := p.c
	if c.why == closedNot || why == closedReset {
		c.why = why
	}
	o := q.in.end(c, why != closedByClient && why != closedReset)
	if p.finished = true; c.overflow != nil {
		q.follow(p, o)
	} else {
		q.srv.conclude(q.in, c, q.leave(p))
	}
}

// leave takes p from the pauser. It returns the descriptor.
func (q *pauser) leave(p *paused) int {
	if p.fd >= 0 {
		_ = unix.EpollCtl(q.epfd, unix.EPOLL_CTL_DEL, p.fd, nil)
	}
	delete(q.all, p.c.id)
	p.c.paused = nil
	q.srv.paused.Add(-1)
	return p.fd
}

// giveUpSocket closes the socket of a connection to which nothing can be said any more, if it has one, and
// lets others have its place, though what was read of it is not in yet.
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
	q.srv.gone(c, why)
}
