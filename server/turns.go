package server

// Turns: who waits for a room goes on when its turn comes, first come, first served.
//
// In a ring, the first connection gets its turn while half of the ring is free. With less, its next
// read would pause it again, and a hand-over costs more than a small read. But no connection waits
// longer than until Kafka has everything that was in the ring when it came: clients that never have
// to wait may keep the ring more than half full.
//
// A connection that finds no room at all at its turn stays the first, and the room is shut to all
// others until it has found some. That is a large record among small ones, or the last of many
// connections whose turns came at the same time.

// giveTurns advances those whose turn it is.
func (q *pauser) giveTurns(r *room) {
	stuck := false
	for ; len(r.queue) > 0; r.queue = r.queue[1:] {
		p := r.queue[0]
		if q.roomOf(p.blocked) != r {
			continue
		}
		if !r.shut.Load() && !q.isTurn(r, p) {
			break
		}
		if stuck = !q.takeTurn(p); stuck {
			r.queue = r.queue[:len(r.queue)-1] // it came again, behind the others
			break
		}
	}
	if len(r.queue) == 0 {
		r.queue = nil
	}
	r.shut.Store(stuck)
}

// isTurn returns whether it is the turn of p, the first in r's queue.
func (q *pauser) isTurn(r *room, p *paused) bool {
	switch p.on {
	case waitMemory:
		return q.memory.chargeRead(p.c)
	case waitLines:
		return q.memory.hasLines()
	default:
		return r.halfFree() || r.ring.Acked() >= p.came
	}
}

// takeTurn advances p, whose turn it is, and returns false if it found no room for anything.
func (q *pauser) takeTurn(p *paused) bool {
	was, framed := p.blocked, p.c.framed
	q.stopWaiting(p)
	q.in.first = was.on == waitRoom
	q.advance(p)
	q.in.first = false
	return p.blocked != was || p.c.framed != framed
}
