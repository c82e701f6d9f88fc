package server

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/panjf2000/gnet/v2"
	"golang.org/x/sys/unix"
)

// Deadlines run on served time: the ticker adds to it what has passed since its last
// tick, but no more than two ticks' worth. So a process that was frozen for a minute
// and a half, or starved, wakes up two ticks later, and nobody's deadline
// has passed while we were not there to read. Deadlines may run late, never early: what
// begins to age is stamped with the time that the next tick may bring. Ticks are rarer where
// nothing is read.
//
// And a deadline that has passed takes effect only if nothing waits to be read, or
// if we have read since we first saw it passed: what the client sent in time, and
// we were too busy to read, counts.
type servedClock struct {
	ns    atomic.Int64
	every atomic.Int64 // until the next tick, ns
	last  time.Time    // ticker only
}

func (k *servedClock) now() int64 { return k.ns.Load() }

// stamp is the time for what begins to age now: the latest that the next tick may make it,
// since the last one may be long ago, and ages must not begin too early.
func (k *servedClock) stamp() int64 { return k.ns.Load() + ticksWorth*k.every.Load() }

func (k *servedClock) tick(now time.Time, interval time.Duration) {
	k.ns.Add(int64(min(max(now.Sub(k.last), 0), ticksWorth*interval)))
	k.last = now
}

const (
	ticksWorth        = 2 // the most that a tick adds, in intervals
	tickInterval      = 100 * time.Millisecond
	tickIntervalDrain = 10 * time.Millisecond
	tickIntervalQuiet = 500 * time.Millisecond
	silence           = int64(200 * time.Millisecond) // of a client, when stopping
	farewellTime      = time.Second                   // of a client's silence, when we have ended our side
	ageGrace          = int64(5 * time.Second)        // to come to a record's end, and to hear our farewell
)

// tick is the ticker's goroutine.
func (s *Server) tick(stop <-chan struct{}) {
	interval := tickInterval
	timer := time.NewTimer(interval)
	defer timer.Stop()
	draining := s.draining
	s.clock.last = time.Now()
	seen := uint64(0)
	for {
		s.clock.every.Store(int64(interval))
		select {
		case <-stop:
			return
		case <-draining:
			interval, draining = tickIntervalDrain, nil
		case <-timer.C:
		}
		s.clock.tick(time.Now(), interval)
		for _, l := range s.loops {
			s.askToCheck(l)
		}
		s.pauser.ticked.Store(true)
		if draining != nil {
			interval = tickInterval
			if n := s.bytesRead(); n != seen {
				seen = n
			} else if s.nobodyWaits() {
				interval = tickIntervalQuiet // the ticks are most of what an idle server costs
			}
		}
		timer.Reset(interval)
	}
}

func (s *Server) bytesRead() (sum uint64) {
	for _, in := range s.intakes {
		sum += in.counts.bytes.load()
	}
	return sum
}

// nobodyWaits tells whether every connection is with a loop, and between two records.
func (s *Server) nobodyWaits() bool {
	attached := int64(0)
	for _, l := range s.loops {
		if l.unfinished.Load() > 0 {
			return false
		}
		attached += int64(l.attached.Load())
	}
	return attached == s.admission.open.Load()
}

// askToCheck makes a loop look at its deadlines, if it has any. A loop that has not
// come to the last question is not asked again.
func (s *Server) askToCheck(l *loop) {
	el := l.events.Load()
	if el == nil || l.attached.Load() == 0 {
		return
	}
	silent := l.silentFrom.Load()
	needed := s.opt.IdleTimeout > 0 || l.leavers.Load() > 0 || s.opt.MaxConnectionAge > 0 || s.isDraining() ||
		(s.opt.FrameTimeout > 0 && l.unfinished.Load() > 0) ||
		(silent != 0 && s.admission.crowded() && s.clock.now()-silent > int64(s.opt.FirstRecordTimeout))
	if !needed || !l.checking.CompareAndSwap(false, true) {
		return
	}
	err := (*el).Execute(context.Background(), gnet.RunnableFunc(func(context.Context) error {
		l.check()
		l.checking.Store(false)
		return nil
	}))
	if err != nil {
		l.checking.Store(false)
	}
}

// check runs on the loop. Lists tell whose time may be up; due decides.
func (l *loop) check() {
	s := l.srv
	now := s.clock.now()
	each := func(list *connList, may func(*conn) bool) {
		for c := list.head; c != nil && may(c); {
			next := c.next(list.which)
			l.endIfDue(c, now)
			c = next
		}
	}
	older := func(limit time.Duration, since func(*conn) int64) func(*conn) bool {
		return func(c *conn) bool { return limit > 0 && now-since(c) > int64(limit) }
	}
	anybody := func(*conn) bool { return true }
	each(&l.frames, older(s.opt.FrameTimeout, func(c *conn) int64 { return c.unfinished }))
	each(&l.leaving, anybody)
	if s.admission.crowded() {
		each(&l.silent, older(s.opt.FirstRecordTimeout, func(c *conn) int64 { return c.openedAt }))
	}
	if s.opt.MaxConnectionAge > 0 || s.isDraining() {
		each(&l.all, anybody)
	} else {
		each(&l.all, older(s.opt.IdleTimeout, func(c *conn) int64 { return c.lastRead }))
	}
}

func (l *loop) endIfDue(c *conn, now int64) {
	lastRead, leaving := c.lastRead, c.farewellAt != 0
	why := l.srv.due(c, c.gc.Fd(), now, func() bool { return pendingBytes(c.gc.Fd()) })
	if !leaving && c.farewellAt != 0 {
		l.silent.remove(c)
		l.listSilent(c)
	}
	switch {
	case why != closedNot:
		c.why = why
		_ = (*l.events.Load()).Close(c.gc) // at once: OnClose is called
	case c.lastRead != lastRead:
		l.all.remove(c)
		l.all.add(c)
	}
}

// due tells why c's time is up, closedNot if it is not. fd is its socket's; pending tells whether
// that holds bytes that we have had no chance to read.
func (s *Server) due(c *conn, fd int, now int64, pending func() bool) closeReason {
	age := int64(s.opt.MaxConnectionAge)
	past := func(limit time.Duration, since int64) bool { return limit > 0 && now-since > int64(limit) }
	switch {
	case c.unfinished != 0 && past(s.opt.FrameTimeout, c.unfinished):
		if !pending() || c.graceAt != 0 && c.lastRead > c.graceAt {
			return closedFrame
		}
		if c.graceAt == 0 {
			c.graceAt = s.clock.stamp()
		}
	case s.isCutOff():
		return closedCutOff
	case s.isDraining():
		if now-max(c.lastRead, s.drainStart.Load()) > silence && !pending() {
			return closedDrain
		}
	case c.farewellAt != 0:
		if past(farewellTime, max(c.lastRead, c.farewellAt)) && !pending() || now-c.farewellAt > ageGrace {
			return c.why
		}
	case past(s.opt.IdleTimeout, c.lastRead):
		if c.acks != nil && c.acks.Owes() {
			c.lastRead = now // it waits for acks, and is not idle: we owe it something
		} else if !pending() {
			return s.farewell(c, fd, closedIdle)
		}
	case c.framed == 0 && past(s.opt.FirstRecordTimeout, c.openedAt) && s.admission.crowded():
		return s.farewell(c, fd, closedSilent)
	case age > 0 && now-c.openedAt > age: // between two records, if it comes to that soon
		if !c.dec.Unfinished() && !pending() || now-c.openedAt > age+ageGrace {
			return s.farewell(c, fd, closedAge)
		}
	}
	return closedNot
}

// farewell begins to end a connection that has done nothing wrong. With acks that is at once: they are
// said yet, and the client sends again what they do not cover. Without, we end our side and read
// on, so that what is under way to us arrives: until the client has ended its side, or
// sends nothing for a second, or goes on all the same.
func (s *Server) farewell(c *conn, fd int, why closeReason) closeReason {
	if c.acks != nil {
		return why
	}
	c.why, c.farewellAt = why, s.clock.stamp()
	_ = unix.Shutdown(fd, unix.SHUT_WR)
	return closedNot
}

// age keeps since when c's record is unfinished. framed is what it was before the bytes that came now.
func (c *conn) age(unfinished bool, framed uint64, now int64) {
	switch {
	case !unfinished:
		c.unfinished, c.graceAt = 0, 0
	case c.unfinished == 0 || c.framed != framed: // another record than before
		c.unfinished, c.graceAt = now, 0
	}
}

// check is what the pauser does for its connections at every tick.
func (q *pauser) check() {
	s, now := q.srv, q.srv.clock.now()
	s.memory.relax()
	for _, p := range q.all {
		c, needy := p.c, p.on == waitMemory
		switch {
		case c.overflow != nil && !isClosed(s.giveUp): // it waits for us
		case s.isCutOff() || c.killed.Load() != 0:
			q.rouse(p, p.on)
		case needy || p.on == waitInput:
			fresh := q.fresh(p, 1)
			switch why := s.due(c, p.fd, now, func() bool { return needy || fresh }); {
			case why == closedFrame, needy && c.graceAt != 0: // grace is for those who could be read meanwhile
				p.ending = closedFrame
				q.rouse(p, p.on)
			case why != closedNot:
				q.ends(p, why) // what the socket holds is taken yet
			case fresh || !s.memory.spent():
				q.rouse(p, waitInput)
			}
		}
	}
}

// fresh tells whether the socket holds so many bytes more than the last look has left.
func (q *pauser) fresh(p *paused, bytes int) bool {
	n, err := unix.IoctlGetInt(p.fd, unix.SIOCINQ)
	return err != nil || n >= p.left+bytes
}
