package server

import (
	"context"
	"errors"
	"io"
	"sync/atomic"

	"github.com/panjf2000/gnet/v2"
	"golang.org/x/sys/unix"

	"github.com/ringtail/ringtail/internal/platform"
	"github.com/ringtail/ringtail/shard"
)

// loop is an event loop: a gnet client of one loop, so that this package places connections, and
// each keeps its loop. Fields that are not atomic belong to the loop's goroutine.
//
// gnet reads into one buffer for the whole loop. OnTraffic takes everything and leaves nothing:
// what it left, gnet would copy into a buffer that grows without limit.
type loop struct {
	gnet.BuiltinEventEngine
	connEnv
	client   *gnet.Client
	in       *intake
	pauser   *pauser
	coalesce readCoalescer
	lists    connLists
	reserve  reserveDescriptor
	rests    int64 // time for which it rested because rings are full, ns

	events   atomic.Pointer[gnet.EventLoop] // known from the first connection on
	checking atomic.Bool                    // a check of deadlines has been asked for
	heart    heartbeat
}

func newLoop(env connEnv, in *intake, q *pauser) *loop {
	l := &loop{connEnv: env, in: in, pauser: q, reserve: reserveDescriptor{fd: -1}}
	l.lists.init()
	return l
}

func (l *loop) stop() {
	_ = l.client.Stop()
	l.reserve.close()
}

// OnOpen is the loop's first touch of a connection.
func (l *loop) OnOpen(gc gnet.Conn) ([]byte, gnet.Action) {
	if l.events.Load() == nil {
		el := gc.EventLoop()
		l.events.Store(&el)
	}
	c := gc.Context().(*conn)
	now := l.clock.stamp()
	c.lastRead, c.graceAt, c.rests = now, 0, l.rests
	if c.openedAt == 0 {
		c.openedAt = now
	}
	l.lists.add(c)
	c.gc = gc
	if c.acks != nil {
		c.acks.Attach(gc.Fd(), gc)
	}
	if c.opens.Add(1) == 1 {
		l.registry.of(c).opened.Add(1)
	}
	if c.killed.Load() != 0 { // before it had a handle to be closed by
		return nil, gnet.Close
	}
	if l.memory.usedUp() || l.overRate(c) {
		l.detach(c, &paused{})
		return nil, gnet.Close
	}
	return nil, gnet.None
}

// OnTraffic takes what has been read. The chunk is the loop's buffer.
func (l *loop) OnTraffic(gc gnet.Conn) gnet.Action {
	data, _ := gc.Next(-1)
	if len(data) == 0 {
		return gnet.None
	}
	c, begun := gc.Context().(*conn), shard.Now()
	l.coalesce.begin(begun)
	l.in.begun = begun
	l.waited(c)
	framed := c.framed
	o := l.in.takeRead(c, data, gc.Fd())
	l.seen(c, framed)
	action := gnet.None
	if c.overflow != nil || o.stalled || o.failure != closedNot || c.partial > partialFree || l.memory.usedUp() || c.meter != nil {
		action = l.unusual(c, o)
	}
	done := shard.Now()
	rest := l.coalesce.end(len(data), done)
	switch {
	case action != gnet.None:
	case !l.stages.isDraining() && restSaturated(l.in.env.shards(), l.coalesce.rest):
		l.rests += l.coalesce.begun - done
	case rest:
		l.coalesce.rest()
	}
	return action
}

// waited notes how long c was not read because the loop rested for full rings. What c has sent since
// its last read may have come later; but what is not read ends in the client's own waiting, so it is
// as if it had come at once. It waits for a round of all connections at the most.
func (l *loop) waited(c *conn) {
	if l.rests != c.rests {
		c.waited += min(l.rests-c.rests, int64(l.lists.attached.Load())*int64(2*coalesceRest))
		c.rests = l.rests
	}
}

// unusual decides what to do after a chunk that the next one cannot simply follow.
func (l *loop) unusual(c *conn, o outcome) gnet.Action {
	if l.memory.usedUp() {
		l.pauseAll(c)
	}
	switch {
	case o.failure != closedNot:
		if c.why == closedNot || o.failure != closedByClient { // else it is the client's answer to our FIN
			c.why = o.failure
		}
		return gnet.Close
	case c.overflow != nil || o.stalled || l.memory.usedUp() || !l.memory.chargeAhead(c) || l.overRate(c):
		l.detach(c, &paused{final: c.endSeen()})
		return gnet.Close
	}
	return gnet.None
}

// pauseAll pauses every connection of the loop but the one that it has just read: the next read of
// any of them might bring more than there is memory for.
func (l *loop) pauseAll(but *conn) {
	l.warnings.warn("--client-memory is used up; what does not fit into a read waits", "",
		"bytes", l.memory.inUse(), "limit", l.memory.limit.Load())
	for c := l.lists.all.head; c != nil; {
		next := c.next(listAll)
		if c != but {
			l.detach(c, &paused{})
			_ = (*l.events.Load()).Close(c.gc)
		}
		c = next
	}
}

// detach duplicates c's descriptor, so that the connection goes on when gnet closes its own, which
// the caller sees to. An event loop never waits: if no descriptor can be had, not even the reserve,
// the connection ends when its overflow is in.
func (l *loop) detach(c *conn, p *paused) {
	if p.fd, c.paused = l.dup(c), p; p.fd < 0 {
		p.final = closedError
	}
}

// dup duplicates c's descriptor. It returns −1 if no other can be had.
func (l *loop) dup(c *conn) int {
	fd, err := l.reserve.dup(c.gc.Fd())
	if err != nil {
		l.warnings.warn("a connection ends, there is no descriptor to pause it, or to say its last acks", "",
			"remote", c.remoteString(), "cause", err)
	}
	return fd
}

// OnClose is the loop's last touch of a connection.
func (l *loop) OnClose(gc gnet.Conn, err error) gnet.Action {
	c := gc.Context().(*conn)
	l.lists.remove(c)
	p := c.paused
	if p == nil {
		p = l.end(c, err)
	}
	c.gc = nil
	if p != nil {
		if c.acks != nil {
			c.acks.Attach(p.fd, nil)
		}
		l.pauser.pause(c, p)
	}
	return gnet.None
}

// end ends a connection. If its last record finds no room, end returns how to pause the connection.
func (l *loop) end(c *conn, err error) *paused {
	if c.why == closedNot {
		c.why = whyClosed(c, err)
	}
	byClient := c.why != closedTLS && errors.Is(err, io.EOF) || c.endSeen() == closedByClient || c.why == closedByClient || c.why == closedReset
	l.in.begun = shard.Now()
	if l.in.end(c, !byClient); c.overflow != nil {
		p := &paused{fd: -1, final: c.why, finished: true}
		if c.acks != nil {
			l.detach(c, p)
		} else {
			c.sayEnd(c.gc.Fd())
		}
		return p
	}
	fd := -1
	if c.acks != nil && (c.endedPolitely() || c.acks.Owes()) {
		fd = l.dup(c)
	}
	if fd < 0 {
		c.sayEnd(c.gc.Fd())
	}
	l.conclude(l.in, c, fd)
	return nil
}

func whyClosed(c *conn, err error) closeReason {
	switch {
	case c.killed.Load() != 0:
		return closeReason(c.killed.Load())
	case err == nil: // gnet is being stopped
		return closedCutOff
	case errors.Is(err, io.EOF):
		return c.endOfStream()
	default:
		return closedReset
	}
}

// seen updates the lists that deadlines need. framed is c.framed before the chunk.
func (l *loop) seen(c *conn, framed uint64) {
	c.lastRead = l.clock.stamp()
	if l.deadlines.idle.get() > 0 {
		l.lists.touch(c)
	}
	if framed == 0 && c.framed > 0 && c.halfClosedAt == 0 {
		l.lists.removeSilent(c)
	}
	was := c.unfinished
	if c.age(c.unfinishedRecord(), framed, c.lastRead); c.unfinished == was {
		return
	}
	l.lists.removeUnfinished(c)
	if c.unfinished != 0 {
		l.lists.addUnfinished(c)
	}
}

// askToCheck has the loop check its deadlines, if any may have passed. The ticker calls it. A loop
// that has not come to the last question is not asked again.
func (l *loop) askToCheck() {
	el := l.events.Load()
	if el == nil || l.lists.attached.Load() == 0 || !l.deadlines.due(&l.lists) || !l.checking.CompareAndSwap(false, true) {
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

// check ends the connections whose time is up.
func (l *loop) check() {
	now := l.clock.now()
	l.deadlines.each(&l.lists, now, func(c *conn) { l.endIfExpired(c, now) })
}

func (l *loop) endIfExpired(c *conn, now int64) {
	lastRead, halfClosed := c.lastRead, c.halfClosedAt != 0
	why := l.deadlines.expired(c, c.gc.Fd(), now, func() bool { return pendingBytes(c.gc.Fd()) })
	if !halfClosed && c.halfClosedAt != 0 {
		l.lists.nowHalfClosed(c)
	}
	switch {
	case why != closedNot:
		c.why = why
		_ = (*l.events.Load()).Close(c.gc) // at once: OnClose is called
	case c.lastRead != lastRead:
		l.lists.touch(c)
	}
}

// pendingBytes returns whether the socket holds something that was not read yet, the client's FIN
// or reset included. (To peek would take the reset: the next read would see an ordinary end.)
func pendingBytes(fd int) bool {
	p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN | platform.PollClosed}}
	for {
		n, err := unix.Poll(p, 0)
		if err != unix.EINTR {
			return n > 0 || err != nil
		}
	}
}
