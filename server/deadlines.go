package server

import (
	"sync/atomic"
	"time"
)

// deadlines decide when the time of a connection is up. They run on served time (clock.go).
//
// A deadline that has passed takes effect only if the socket holds nothing to be read, or if the
// server has read since it first saw the deadline passed. So what the client sent in time, and the
// server was too busy to read, counts.
type deadlines struct {
	idle        liveDuration // --idle-timeout; 0: none
	frame       liveDuration // --frame-timeout; 0: none
	firstRecord liveDuration // --first-record-timeout, once half of the places are taken; 0: none
	age         liveDuration // --max-connection-age; 0: none

	clock     *servedClock
	stages    *drainStages
	admission *admission
}

// liveDuration may be changed while the server runs.
type liveDuration struct{ ns atomic.Int64 }

func (l *liveDuration) get() time.Duration  { return time.Duration(l.ns.Load()) }
func (l *liveDuration) set(d time.Duration) { l.ns.Store(int64(d)) }

// set sets the deadlines, which are looked at from the next tick on.
func (d *deadlines) set(o *Options) {
	d.idle.set(o.IdleTimeout)
	d.frame.set(o.FrameTimeout)
	d.firstRecord.set(o.FirstRecordTimeout)
	d.age.set(o.MaxConnectionAge)
}

const (
	silence      = int64(200 * time.Millisecond) // a client is silent, when the server drains
	farewellTime = time.Second                   // a client is silent, when we have closed our side
	ageGrace     = int64(5 * time.Second)        // to come to a record's end, and to see our FIN
)

// expired returns why c's time is up, closedNot if it is not. fd is the descriptor of c's socket.
// pending returns whether the socket holds bytes that the server has had no chance to read.
func (d *deadlines) expired(c *conn, fd int, now int64, pending func() bool) closeReason {
	age := int64(d.age.get())
	past := func(limit time.Duration, since int64) bool { return limit > 0 && now-since > int64(limit) }
	switch {
	case c.unfinished != 0 && past(d.frame.get(), c.unfinished):
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
	case past(d.idle.get(), c.lastRead):
		if c.acks != nil && c.acks.Owes() {
			c.lastRead = now // it waits for acks, so it is not idle
		} else if !pending() {
			return d.farewell(c, fd, closedIdle)
		}
	case c.framed == 0 && past(d.firstRecord.get(), c.openedAt) && d.admission.crowded():
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
	return d.idle.get() > 0 || l.halfClosedCount.Load() > 0 || d.age.get() > 0 || d.stages.isDraining() ||
		(d.frame.get() > 0 && l.unfinishedCount.Load() > 0) ||
		(silent != 0 && d.admission.crowded() && d.clock.now()-silent > int64(d.firstRecord.get()))
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
	walk(&l.unfinished, older(d.frame.get(), func(c *conn) int64 { return c.unfinished }))
	walk(&l.halfClosed, anybody)
	if d.admission.crowded() {
		walk(&l.silent, older(d.firstRecord.get(), func(c *conn) int64 { return c.openedAt }))
	}
	if d.age.get() > 0 || d.stages.isDraining() {
		walk(&l.all, anybody)
	} else {
		walk(&l.all, older(d.idle.get(), func(c *conn) int64 { return c.lastRead }))
	}
}
