package server

import "time"

// deadlines decide when the time of a connection is up. They run on served time (clock.go).
//
// A deadline that has passed takes effect only if the socket holds nothing to be read, or if the
// server has read since it first saw the deadline passed. So what the client sent in time, and the
// server was too busy to read, counts.
type deadlines struct {
	idle        time.Duration // --idle-timeout; 0: none
	frame       time.Duration // --frame-timeout; 0: none
	firstRecord time.Duration // --first-record-timeout, once half of the places are taken; 0: none
	age         time.Duration // --max-connection-age; 0: none

	clock     *servedClock
	stages    *drainStages
	admission *admission
}

const (
	silence      = int64(200 * time.Millisecond) // a client is silent, when the server drains
	farewellTime = time.Second                   // a client is silent, when we have closed our side
	ageGrace     = int64(5 * time.Second)        // to come to a record's end, and to see our FIN
)

// expired returns why c's time is up, closedNot if it is not. fd is the descriptor of c's socket.
// pending returns whether the socket holds bytes that the server has had no chance to read.
func (d *deadlines) expired(c *conn, fd int, now int64, pending func() bool) closeReason {
	age := int64(d.age)
	past := func(limit time.Duration, since int64) bool { return limit > 0 && now-since > int64(limit) }
	switch {
	case c.unfinished != 0 && past(d.frame, c.unfinished):
		if !pending() || c.graceAt != 0 && c.lastRead > c.graceAt {
			return closedFrame
		}
		if c.graceAt == 0 {
			c.graceAt = d.clock.stamp()
		}
	case d.stages.isCutOff():
		return closedCutOff
	case d.stages.isDraining():
		if now-max(c.lastRead, d.stages.start.Load()) > silence && !pending() {
			return closedDrain
		}
	case c.halfClosedAt != 0:
		if past(farewellTime, max(c.lastRead, c.halfClosedAt)) && !pending() || now-c.halfClosedAt > ageGrace {
			return c.why
		}
	case past(d.idle, c.lastRead):
		if c.acks != nil && c.acks.Owes() {
			c.lastRead = now // it waits for acks, so it is not idle
		} else if !pending() {
			return d.farewell(c, fd, closedIdle)
		}
	case c.framed == 0 && past(d.firstRecord, c.openedAt) && d.admission.crowded():
		return d.farewell(c, fd, closedSilent)
	case age > 0 && now-c.openedAt > age: // between two records, if it comes to that soon
		if !c.unfinishedRecord() && !pending() || now-c.openedAt > age+ageGrace {
			return d.farewell(c, fd, closedAge)
		}
	}
	return closedNot
}

// farewell begins to end a connection that has done nothing wrong. With acks it ends at once: its
// acks are said before it is closed, and the client sends again what they do not cover. Without
// acks, the server closes its own side and reads on, so that what is under way still arrives. It
// reads until the client has closed its side too, has been silent for a second, or has gone on
// sending for ageGrace.
func (d *deadlines) farewell(c *conn, fd int, why closeReason) closeReason {
	if c.acks != nil {
		return why
	}
	c.why, c.halfClosedAt = why, d.clock.stamp()
	c.facts.state.Store(stateClosing)
	_ = c.halfClose(fd)
	return closedNot
}

// due returns whether an event loop with these connections has to check its deadlines.
func (d *deadlines) due(l *connLists) bool {
	silent := l.silentFrom.Load()
	return d.idle > 0 || l.halfClosedCount.Load() > 0 || d.age > 0 || d.stages.isDraining() ||
		(d.frame > 0 && l.unfinishedCount.Load() > 0) ||
		(silent != 0 && d.admission.crowded() && d.clock.now()-silent > int64(d.firstRecord))
}

// each calls f with every connection whose time may be up. f may take the connection off its lists.
func (d *deadlines) each(l *connLists, now int64, f func(*conn)) {
	walk := func(list *connList, may func(*conn) bool) {
		for c := list.head; c != nil && may(c); {
			next := c.next(list.which)
			f(c)
			c = next
		}
	}
	older := func(limit time.Duration, since func(*conn) int64) func(*conn) bool {
		return func(c *conn) bool { return limit > 0 && now-since(c) > int64(limit) }
	}
	anybody := func(*conn) bool { return true }
	walk(&l.unfinished, older(d.frame, func(c *conn) int64 { return c.unfinished }))
	walk(&l.halfClosed, anybody)
	if d.admission.crowded() {
		walk(&l.silent, older(d.firstRecord, func(c *conn) int64 { return c.openedAt }))
	}
	if d.age > 0 || d.stages.isDraining() {
		walk(&l.all, anybody)
	} else {
		walk(&l.all, older(d.idle, func(c *conn) int64 { return c.lastRead }))
	}
}
