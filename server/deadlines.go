package server

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/panjf2000/gnet/v2"
)

// Deadlines run on served time: the ticker adds to it what has passed since its last
// tick, but no more than two ticks' worth. So a process that was frozen for a minute
// and a half, or starved, wakes up a fifth of a second later, and nobody's deadline
// has passed while we were not there to read. Deadlines may run late, never early.
//
// And a deadline that has passed takes effect only if nothing waits to be read, or
// if we have read since we first saw it passed: what the client sent in time, and
// we were too busy to read, counts.
type servedClock struct {
	ns   atomic.Int64
	last time.Time // ticker only
}

func (k *servedClock) now() int64 { return k.ns.Load() }

func (k *servedClock) tick(now time.Time, interval time.Duration) {
	k.ns.Add(int64(min(max(now.Sub(k.last), 0), 2*interval)))
	k.last = now
}

const (
	tickInterval      = 100 * time.Millisecond
	tickIntervalDrain = 10 * time.Millisecond
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
	for {
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
		s.serveMemoryQueue()
		timer.Reset(interval)
	}
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
			c.graceAt = now
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
