package server

import (
	"cmp"

	"github.com/ringtail/ringtail/shard"
)

// advance does the next thing that can be done for p (pause.go draws what). When it returns, p is
// ready again, or waits, or another goroutine has the connection.
func (q *pauser) advance(p *paused) {
	c := p.c
	q.in.begun = shard.Now()
	why := cmp.Or(p.ending, closeReason(c.killed.Load()))
	if why == closedNot && q.stages.isCutOff() {
		why = closedCutOff
	}
	switch {
	case c.overflow != nil:
		framed := c.framed
		o := q.in.resume(c)
		c.age(p.left > 0 || c.unfinishedRecord(), framed, q.clock.stamp())
		q.follow(p, o)
	case p.finished:
		q.conclude(q.in, c, q.leave(p))
	case why != closedNot:
		q.end(p, why)
	case q.stalls(p):
	case q.overRate(c):
		q.in.account(c) // it waits with what it has, not with what its next read might take
		q.waitFor(p, blocked{on: waitRate})
	case p.final == closedNot && c.halfClosedAt == 0 && !q.memory.usedUp() && q.memory.chargeAhead(c):
		if c.waited > 0 && !pendingBytes(p.fd) {
			c.waited = 0 // its next bytes come later
		}
		q.handBack(c, q.leave(p))
	default:
		q.read(p)
	}
}
