package server

import (
	"errors"
	"io"
	"sync/atomic"

	"github.com/panjf2000/gnet/v2"
	"golang.org/x/sys/unix"

	"github.com/ringtail/ringtail/server/ack"
	"github.com/ringtail/ringtail/shard"
)

// loop is an event loop: a gnet client of one loop, so that connections are placed
// by us and come with their loop. Everything without an atomic belongs to the loop's
// goroutine.
//
// gnet reads into one buffer a loop; take everything, leave nothing: what OnTraffic
// leaves gnet copies into a buffer that grows without limit.
type loop struct {
	gnet.BuiltinEventEngine
	srv    *Server
	client *gnet.Client
	in     *intake
	domain *ack.Domain[*conn]
	pace   pace

	all     connList // every connection, by last activity
	frames  connList // those with an unfinished record, by its age
	silent  connList // those that have not sent a record yet, by their age
	leaving connList // instead: those that we have ended our side of

	reserve reserveDescriptor

	placed     atomic.Int32 // connections whose loop this is, paused ones too; for leastLoaded
	attached   atomic.Int32 // connections that it has
	unfinished atomic.Int32 // those of frames, for the ticker
	silentFrom atomic.Int64 // since when the oldest of silent is there; 0: there is none
	leavers    atomic.Int32 // those of leaving, for the ticker
	events     atomic.Pointer[gnet.EventLoop]
	checking   atomic.Bool
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
	now := l.srv.clock.stamp()
	c.lastRead, c.graceAt = now, 0
	if c.openedAt == 0 {
		c.openedAt = now
	}
	l.all.add(c)
	l.attached.Add(1)
	if c.unfinished != 0 {
		l.enlist(c)
	}
	l.listSilent(c)
	c.gc = gc
	if c.acks != nil {
		c.acks.Attach(gc.Fd(), gc)
	}
	if c.opens.Add(1) == 1 {
		l.srv.admission.opened.Add(1)
	}
	if c.killed.Load() != 0 { // before it had a handle to be closed by
		return nil, gnet.Close
	}
	if l.srv.memory.spent() {
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
	l.pace.begin(shard.Now())
	c := gc.Context().(*conn)
	framed := c.framed
	o := l.in.take(c, data)
	l.seen(c, framed)
	action := gnet.None
	if c.overflow != nil || o.stalled || o.failure != closedNot || c.carry > carryFree || l.srv.memory.spent() {
		action = l.unusual(c, o)
	}
	littleCame := l.pace.end(len(data), shard.Now())
	switch {
	case action != gnet.None:
	case !l.srv.isDraining() && l.srv.restSaturated(l.pace.rest):
	case littleCame:
		l.pace.rest()
	}
	return action
}

// unusual decides what a chunk that cannot simply be followed by the next means.
func (l *loop) unusual(c *conn, o outcome) gnet.Action {
	s := l.srv
	if s.memory.spent() {
		l.giveUpAll(c)
	}
	switch {
	case o.failure != closedNot:
		c.why = o.failure
		return gnet.Close
	case c.overflow != nil || o.stalled || s.memory.spent() || !s.memory.chargeAhead(c):
		l.detach(c, &paused{})
		return gnet.Close
	}
	return gnet.None
}

// giveUpAll pauses every connection of the loop but the one that it has just read: the
// next read of any of them might bring more than there is memory for.
func (l *loop) giveUpAll(but *conn) {
	l.srv.warnings.warn("server: --client-memory is used up; what does not fit into a read waits",
		"bytes", l.srv.memory.held(), "limit", l.srv.memory.limit)
	for c := l.all.head; c != nil; {
		next := c.next(listAll)
		if c != but {
			l.detach(c, &paused{})
			_ = (*l.events.Load()).Close(c.gc)
		}
		c = next
	}
}

// detach makes the duplicate by which a connection lives on when gnet closes its
// own; the caller has it closed. An event loop never waits: without a descriptor, the
// reserve included, the connection ends when its overflow is in.
func (l *loop) detach(c *conn, p *paused) {
	if p.fd, c.paused = l.dup(c), p; p.fd < 0 {
		p.final = closedError
	}
}

// dup duplicates c's descriptor. It returns −1 where there is no other.
func (l *loop) dup(c *conn) int {
	fd, err := l.reserve.dup(c.gc.Fd())
	if err != nil {
		l.srv.warnings.warn("server: a connection ends, there is no descriptor to pause it, or to say its last acks", "error", err)
	}
	return fd
}

// OnClose is the loop's last touch of a connection.
func (l *loop) OnClose(gc gnet.Conn, err error) gnet.Action {
	c := gc.Context().(*conn)
	l.all.remove(c)
	l.delist(c)
	l.delistSilent(c)
	l.attached.Add(-1)
	p := c.paused
	if p == nil {
		p = l.end(c, err)
	}
	c.gc = nil
	if p != nil {
		if c.acks != nil {
			c.acks.Attach(p.fd, nil)
		}
		l.srv.pause(c, p)
	}
	return gnet.None
}

// end ends a connection. Where its last record finds no room, it returns how it is to be paused.
func (l *loop) end(c *conn, err error) *paused {
	if c.why == closedNot {
		c.why = whyClosed(c, err)
	}
	byClient := errors.Is(err, io.EOF) || c.why == closedByClient || c.why == closedReset
	if l.in.end(c, !byClient); c.overflow != nil {
		p := &paused{fd: -1, final: c.why, finished: true}
		if c.acks != nil {
			l.detach(c, p)
		}
		return p
	}
	fd := -1
	if c.acks != nil && (c.endedPolitely() || c.acks.Owes()) {
		fd = l.dup(c)
	}
	l.srv.conclude(l.in, c, fd)
	return nil
}

func whyClosed(c *conn, err error) closeReason {
	switch {
	case c.killed.Load() != 0:
		return closeReason(c.killed.Load())
	case err == nil: // gnet is being stopped
		return closedCutOff
	case errors.Is(err, io.EOF):
		return closedByClient
	default:
		return closedReset
	}
}

// seen keeps the lists that deadlines go by. framed is what it was before the chunk.
func (l *loop) seen(c *conn, framed uint64) {
	c.lastRead = l.srv.clock.stamp()
	if l.srv.opt.IdleTimeout > 0 {
		l.all.remove(c)
		l.all.add(c)
	}
	if framed == 0 && c.framed > 0 && c.farewellAt == 0 {
		l.delistSilent(c)
	}
	was := c.unfinished
	if c.age(c.dec.Unfinished(), framed, c.lastRead); c.unfinished == was {
		return
	}
	l.delist(c)
	if c.unfinished != 0 {
		l.enlist(c)
	}
}

// listSilent and delistSilent keep those that deadlines look for by themselves.
func (l *loop) listSilent(c *conn) {
	switch {
	case c.farewellAt != 0:
		l.leaving.add(c)
	case c.framed == 0:
		l.silent.add(c)
	}
	l.noteSilent()
}

func (l *loop) delistSilent(c *conn) {
	if c.farewellAt != 0 {
		l.leaving.remove(c)
	} else {
		l.silent.remove(c)
	}
	l.noteSilent()
}

func (l *loop) noteSilent() {
	since := int64(0)
	if c := l.silent.head; c != nil {
		since = c.openedAt
	}
	l.silentFrom.Store(since)
	l.leavers.Store(int32(l.leaving.n))
}

func (l *loop) delist(c *conn) {
	l.frames.remove(c)
	l.unfinished.Store(int32(l.frames.n))
}

// enlist puts c where its record's age belongs: at the end, but for one that waited
// for memory.
func (l *loop) enlist(c *conn) {
	at := l.frames.tail
	for at != nil && at.unfinished > c.unfinished {
		at = at.links[listUnfinished].prev
	}
	l.frames.addAfter(at, c)
	l.unfinished.Store(int32(l.frames.n))
}

// pendingBytes tells whether the socket holds something that was not read yet, the
// client's FIN or reset included. (To peek would take the reset: the next read would see an
// ordinary end.)
func pendingBytes(fd int) bool {
	p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN | unix.POLLRDHUP}}
	for {
		n, err := unix.Poll(p, 0)
		if err != unix.EINTR {
			return n > 0 || err != nil
		}
	}
}
