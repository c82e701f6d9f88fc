package server

import (
	"cmp"
	"time"
)

func newPauser(env connEnv, in *intake) *pauser {
	return &pauser{
		connEnv: env, in: in, watch: watch{fd: -1}, rooms: in.env.rooms, all: make(map[uint64]*paused),
		buf: make([]byte, frameHeader+2*peekMax), poke: make(chan struct{}, 1),
	}
}

// run is the pauser's goroutine. It returns when stop is closed.
func (q *pauser) run(stop <-chan struct{}) {
	defer q.watch.close()
	events := make([]socketEvent, 256)
	for !isClosed(stop) {
		if q.paused.Load() == 0 {
			select {
			case <-q.poke:
			case <-stop:
			}
		} else if len(q.ready) == 0 {
			time.Sleep(pauseInterval)
		}
		q.round(q.watch.take(events))
	}
}

// round does what there is to do now. events are those of sockets.
func (q *pauser) round(events []socketEvent) {
	for i := range events {
		if p := q.all[q.watch.idOf(&events[i])]; p != nil {
			q.event(p, &events[i])
		}
	}
	q.takeInbox()
	for ring := range q.rooms {
		q.giveTurns(&q.rooms[ring])
	}
	if q.ticked.Swap(false) {
		q.check()
	}
	q.giveTurns(&q.memoryRoom)
	q.giveTurns(&q.linesRoom)
	ready := q.ready
	q.ready = nil
	for _, p := range ready {
		q.advance(p)
	}
}

// takeInbox takes what loops and ack domains have posted.
func (q *pauser) takeInbox() {
	q.mu.Lock()
	inbox := q.inbox
	q.inbox = nil
	q.mu.Unlock()
	for _, p := range inbox {
		if p.known { // resumed; it may have left since
			q.makeReady(p, waitAcks)
			continue
		}
		p.known, q.all[p.c.id] = true, p
		if p.fd < 0 { // gnet has closed the only one
			q.giveUpSocket(p, cmp.Or(p.c.why, p.final))
		} else if err := q.watch.add(p.fd, p.c.id); err != nil { // the kernel's memory, or its limit of watches
			q.warnings.warn("a paused connection cannot be watched", "", "remote", p.c.remoteString(), "cause", err) // only ticks look at it
		}
		q.ready = append(q.ready, p)
	}
}

// event notes what the kernel says of a socket.
func (q *pauser) event(p *paused, e *socketEvent) {
	failed, closed, ended := endOf(e)
	// Both sides of a TCP connection are closed, and we have not closed ours: it was reset, and a
	// failed write has taken the error.
	hungUp := closed && p.c.halfClosedAt == 0 && p.c.tcp
	switch {
	case failed || hungUp:
		q.noteEnd(p, closedReset)
	case ended && p.final == closedNot:
		q.noteEnd(p, closedByClient)
	case q.fresh(p, min(p.left+int(p.c.partial), peekMax)/16): // much beside what a peek copies again
		q.makeReady(p, waitInput) // else the next tick is soon enough
	}
}

// check looks at the deadlines of the pauser's connections, once a tick.
func (q *pauser) check() {
	now := q.clock.now()
	q.memory.relax()
	for _, p := range q.all {
		c, waitsForMemory := p.c, p.on == waitMemory
		switch {
		case c.overflow != nil && !q.stages.hasGivenUp(): // it waits for us
			if c.killed.Load() != 0 {
				q.makeReady(p, waitLines) // nothing is said to it any more
			}
		case q.stages.isCutOff() || c.killed.Load() != 0:
			q.makeReady(p, p.on)
		case p.on == waitRate:
			q.checkRate(p, now)
		case waitsForMemory || p.on == waitInput:
			fresh := q.fresh(p, 1)
			switch why := q.deadlines.expired(c, p.fd, now, func() bool { return waitsForMemory || fresh }); {
			case (why == closedFrame || why == closedNot) && waitsForMemory && c.tls != nil && !c.unfinishedRecord():
				// What its socket holds may be whole records. Its turn will tell (tlsread.go).
			case why == closedFrame, waitsForMemory && c.graceAt != 0: // grace is for connections that can be read meanwhile
				p.ending = closedFrame
				q.makeReady(p, p.on)
			case why != closedNot:
				q.noteEnd(p, why) // what the socket holds is still taken
			case fresh || !q.memory.usedUp():
				q.makeReady(p, waitInput)
			}
		}
	}
}

// checkRate has p go on if it, and its address, are not over their rates any more. Until then its
// silence is ours, so only its age may end it; but where memory is short, its unfinished record does
// not keep what it takes of it for as long as the address has debts.
func (q *pauser) checkRate(p *paused, now int64) {
	c := p.c
	c.lastRead = q.clock.stamp()
	if c.unfinished != 0 && (c.partial <= partialFree || !q.memory.halfUsed()) {
		c.unfinished = c.lastRead
	}
	p.ending = q.deadlines.expired(c, p.fd, now, func() bool { return false })
	if p.ending != closedNot || !q.overRate(c) {
		q.makeReady(p, waitRate)
	}
}

// fresh returns whether the socket holds so many bytes more than the last peek left.
func (q *pauser) fresh(p *paused, bytes int) bool {
	n, err := unread(p.fd)
	return err != nil || n >= p.left+bytes
}
