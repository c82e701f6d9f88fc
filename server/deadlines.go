package server

import (
	"cmp"
	"context"
	"maps"
	"slices"
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
	ageGrace          = int64(5 * time.Second)        // to come to a record's end
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
	needed := s.opt.IdleTimeout > 0 || s.opt.MaxConnectionAge > 0 || s.isDraining() ||
		(s.opt.FrameTimeout > 0 && l.unfinished.Load() > 0)
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

// check runs on the loop.
func (l *loop) check() {
	s := l.srv
	now := s.clock.now()
	if limit := int64(s.opt.FrameTimeout); limit > 0 {
		for c := l.frames.head; c != nil && now-c.unfinished > limit; {
			next := c.next(listUnfinished)
			l.expire(c, now, closedFrame)
			c = next
		}
	}
	if limit := int64(s.opt.IdleTimeout); limit > 0 {
		for c := l.all.head; c != nil && now-c.lastRead > limit; {
			next := c.next(listAll)
			l.idle(c, now)
			c = next
		}
	}
	if s.opt.MaxConnectionAge > 0 || s.isDraining() {
		for c := l.all.head; c != nil; {
			next := c.next(listAll)
			l.ripe(c, now)
			c = next
		}
	}
}

// expire closes a connection whose deadline has passed, if we have read all that it
// sent in time.
func (l *loop) expire(c *conn, now int64, why closeReason) {
	if pendingBytes(c.gc.Fd()) && (c.graceAt == 0 || c.lastRead <= c.graceAt) {
		if c.graceAt == 0 {
			c.graceAt = l.srv.clock.stamp()
		}
		return
	}
	l.close(c, why)
}

// idle closes a connection that has been silent for too long. One that waits for
// acks is not idle: we owe it something.
func (l *loop) idle(c *conn, now int64) {
	if pendingBytes(c.gc.Fd()) {
		return
	}
	if c.acks != nil && c.domain.owes(c.acks) {
		c.lastRead = now
		l.all.remove(c)
		l.all.add(c)
		return
	}
	l.close(c, closedIdle)
}

// ripe closes a connection that is old enough, or, when stopping, silent enough. An
// old one is closed between two records, if it comes to that soon.
func (l *loop) ripe(c *conn, now int64) {
	s := l.srv
	switch limit := int64(s.opt.MaxConnectionAge); {
	case s.isCutOff():
		l.close(c, closedCutOff)
	case s.isDraining():
		if now-max(c.lastRead, s.drainStart.Load()) > silence && !pendingBytes(c.gc.Fd()) {
			l.close(c, closedDrain)
		}
	case limit > 0 && now-c.openedAt > limit:
		between := !c.dec.Unfinished() && !pendingBytes(c.gc.Fd())
		if between || now-c.openedAt > limit+ageGrace {
			l.close(c, closedAge)
		}
	}
}

func (l *loop) close(c *conn, why closeReason) {
	c.why = why
	_ = (*l.events.Load()).Close(c.gc) // at once: OnClose is called
}

// check is what a frugal reader does for its guests at every tick: it ends those
// whose time is up, and gives back to the loops whom there is memory for. That is a
// few at a time for those who are silent; the others come with their next event.
func (f *frugal) check() {
	s := f.srv
	s.memory.relax()
	now := s.clock.now()
	f.mu.Lock()
	list := slices.Collect(maps.Values(f.guests))
	f.mu.Unlock()
	var waiting []*guest
	back := handoversMax
	for _, g := range list {
		if g.gone {
			continue
		}
		if why := f.expired(g, now); why != closedNot {
			f.end(g, why)
		}
		switch {
		case g.gone:
		case g.final != closedNot:
			f.step(g)
		case g.needs:
			waiting = append(waiting, g)
		case back > 0 && !s.memory.spent():
			back--
			f.step(g)
		}
	}
	f.serve(waiting)
}

// expired tells why a guest is to be ended now, if it is.
func (f *frugal) expired(g *guest, now int64) closeReason {
	s, c := f.srv, g.c
	frame, idle, age := int64(s.opt.FrameTimeout), int64(s.opt.IdleTimeout), int64(s.opt.MaxConnectionAge)
	late := func() bool { return frame > 0 && c.unfinished != 0 && now-c.unfinished > frame }
	switch {
	case s.isCutOff() || c.killed.Load() != 0:
		return closedCutOff
	case late():
		if f.fresh(g) {
			f.step(g)
		}
		if !g.gone && late() {
			return closedFrame
		}
	case g.needs || g.final != closedNot:
	case s.isDraining():
		if now-max(c.lastRead, s.drainStart.Load()) > silence && !f.fresh(g) {
			g.final = closedDrain // what is left is taken yet
		}
	case idle > 0 && now-c.lastRead > idle && !f.fresh(g):
		if c.acks == nil || !c.domain.owes(c.acks) {
			return closedIdle
		}
		c.lastRead = now
	case age > 0 && now-c.openedAt > age:
		if (g.left == 0 && !c.dec.Unfinished() && !f.fresh(g)) || now-c.openedAt > age+ageGrace {
			return closedAge
		}
	}
	return closedNot
}

// fresh tells whether the socket holds more than the last step has seen, or an end.
func (f *frugal) fresh(g *guest) bool {
	n, err := peek(g.fd, f.buf[:wholeRead])
	return n > g.left || n == 0 || err != nil && err != unix.EAGAIN
}

// serve gives those who wait for memory to the loops, as long as there is some, the
// oldest records first.
func (f *frugal) serve(waiting []*guest) {
	if len(waiting) == 0 {
		return
	}
	s := f.srv
	slices.SortFunc(waiting, func(a, b *guest) int { return cmp.Compare(a.c.unfinished, b.c.unfinished) })
	for i, g := range waiting {
		if !s.grant(g.c) {
			f.complain(len(waiting) - i)
			return
		}
		c := f.leave(g)
		s.spawn(func() { s.unpark(c, true) })
	}
}

// grant charges what the next read of c may make. Who has waited longest goes on
// though there is nothing left for the others.
func (s *Server) grant(c *conn) bool {
	n := ahead(c.carry, s.memory.maxRecord)
	return !s.memory.spent() && s.memory.extend(c, n, s.memory.large) ||
		s.memory.becomeEldest(c) && s.memory.extend(c, n, s.memory.large)
}

// complain says once in a while that there are connections which cannot go on.
func (f *frugal) complain(waiting int) {
	if now := time.Now(); now.After(f.warnAt) {
		f.warnAt = now.Add(time.Minute)
		f.srv.opt.Logger.Warn("server: unfinished records wait for memory; raise --client-memory, or lower --frame-timeout",
			"waiting", waiting, "bytes", f.srv.memory.held(), "limit", f.srv.memory.limit)
	}
}
