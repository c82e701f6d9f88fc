package server

// A roomQueue has the connections that wait for room in one ring, first come, first served.
//
// The first gets its turn when half the ring is free. Before that its next read would pause it
// again, and a hand-over costs more than a small read. Then as many get theirs as would
// fill a quarter of the ring with a read each. And nobody waits longer than until all is in Kafka that
// was in the ring when it came: those who never have to wait may keep the ring above half for ever.
//
// Whoever finds no room at its turn stays the first, and nobody else is promised any until it has
// (shard.Ring.SetWaiting). That is a large record among small ones, or the last of many whose
// turn came at the same time.
type roomQueue struct {
	list []roomWaiter
}

type roomWaiter struct {
	p    *paused
	turn uint64 // p's, or it has left: then the entry is passed over
	end  uint64 // of the ring's last batch when it came
}

// waitForRoom lets p wait for room in a ring.
func (q *pauser) waitForRoom(p *paused, ring int) {
	if q.waitFor(p, waitRoom); p.on == waitRoom {
		q.inRooms.Add(1)
		q.srv.backpressure.enter(ring)
		p.ring, p.turn = ring, p.turn+1
		q.rooms[ring].list = append(q.rooms[ring].list, roomWaiter{p, p.turn, q.srv.rings[ring].Claimed()})
	}
}

// leaveRoom takes p from its queue.
func (q *pauser) leaveRoom(p *paused) {
	q.inRooms.Add(-1)
	q.srv.backpressure.leave(p.ring)
	if p.turn++; p.first {
		p.first = false
		q.srv.rings[p.ring].SetWaiting(false)
	}
}

// giveTurns lets those go on who wait for room in a ring that has some.
func (q *pauser) giveTurns(ring int) {
	r, of := &q.rooms[ring], q.srv.rings[ring]
	for n := 1 + of.Capacity()/4/wholeRead; len(r.list) > 0; r.list = r.list[1:] {
		w := r.list[0]
		if w.p.on != waitRoom || w.p.turn != w.turn {
			continue
		}
		if !w.p.first && (n <= 0 || !q.srv.roomy(ring)) && of.Acked() < w.end || !q.goOn(w.p) {
			return
		}
		n--
	}
	r.list = nil
}

// goOn advances p, whose turn it is, and returns false if it found no room.
func (q *pauser) goOn(p *paused) bool {
	if p.c.overflow == nil {
		q.rouse(p, waitRoom)
		return true
	}
	p.first = true
	o := q.resume(p)
	if o.blocked == (blocked{waitRoom, p.ring}) {
		q.srv.rings[p.ring].SetWaiting(true)
		return false
	}
	q.unwait(p)
	q.follow(p, o)
	return true
}
