package server

import (
	"errors"
	"io"
	"os"
	"sync/atomic"

	"github.com/panjf2000/gnet/v2"
	"golang.org/x/sys/unix"

	"github.com/ringtail/ringtail/codec"
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
	domain *ackDomain
	pace   pace

	all    connList // every connection, by last activity
	frames connList // those with an unfinished record, by its age

	kept *os.File // a descriptor for detach, when there is no other

	placed     atomic.Int32 // connections, and those on their way; for leastLoaded
	attached   atomic.Int32 // connections
	unfinished atomic.Int32 // those of frames, for the ticker
	events     atomic.Pointer[gnet.EventLoop]
	checking   atomic.Bool
}

func (l *loop) stop() {
	_ = l.client.Stop()
	if l.kept != nil {
		_ = l.kept.Close()
	}
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
	if c.acks != nil {
		c.domain.attach(c.acks, gc.Fd(), gc)
	} else {
		c.gc = gc
	}
	if c.opens.Add(1) == 1 {
		l.srv.admission.opened.Add(1)
	}
	if c.killed.Load() != 0 { // before it had a handle to be closed by
		return nil, gnet.Close
	}
	if l.srv.memory.spentFor(c) {
		l.detach(c, stateParkingForMemory)
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
	if o.held != nil || o.stalled || o.failure != 0 || c.carry > carryFree || l.srv.memory.spent() {
		action = l.unusual(c, o)
	}
	littleCame := l.pace.end(len(data), shard.Now())
	switch {
	case action != gnet.None:
	case l.srv.pressure.saturated() && !l.srv.isDraining():
		l.srv.pressure.during(l.pace.rest)
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
	c.held = o.held
	state := stateParking
	switch {
	case o.failure != 0:
		c.why = closedStream
		if o.failure == codec.Foreign {
			c.why = closedForeign
		}
		return gnet.Close
	case o.held != nil || o.stalled:
	case s.memory.spentFor(c) || !s.memory.chargeAhead(c):
		state = stateParkingForMemory
	default:
		return gnet.None
	}
	l.detach(c, state)
	return gnet.Close
}

// giveUpAll parks every connection of the loop but the one that it has just read: the
// next read of any of them might bring more than there is memory for.
func (l *loop) giveUpAll(but *conn) {
	l.srv.warnings.warn("server: --client-memory is used up; what does not fit into a read waits",
		"bytes", l.srv.memory.held(), "limit", l.srv.memory.limit)
	for c := l.all.head; c != nil; {
		next := c.next(listAll)
		if c != but {
			l.detach(c, stateParkingForMemory)
			_ = (*l.events.Load()).Close(c.gc)
		}
		c = next
	}
}

// detach makes the duplicate by which a connection lives on when gnet closes its
// own; the caller has it closed. An event loop never waits: without a descriptor, the
// kept one included, the connection ends. What it holds is pushed all the same.
func (l *loop) detach(c *conn, state connState) {
	fd, err := c.gc.Dup()
	if err != nil && l.kept != nil {
		_ = l.kept.Close()
		fd, err = c.gc.Dup()
		l.kept = nil
	}
	if err != nil {
		l.srv.warnings.warn("server: cannot park a connection", "error", err)
		c.why = closedError
		return
	}
	c.parkFD, c.state = int32(fd), state
}

// OnClose is the loop's last touch of a connection.
func (l *loop) OnClose(gc gnet.Conn, err error) gnet.Action {
	c := gc.Context().(*conn)
	l.all.remove(c)
	l.delist(c)
	l.attached.Add(-1)
	l.placed.Add(-1)
	if c.acks == nil {
		c.gc = nil // else the ack domain does it, under its mutex
	}
	if state := c.state; state != stateOpen {
		c.state = stateOpen
		l.srv.park(c, state == stateParkingForMemory)
		return gnet.None
	}
	if c.why == closedNot {
		c.why = whyClosed(c, err)
	}
	l.srv.conclude(l.in, c, gc.Dup)
	return gnet.None
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
	if !c.dec.Unfinished() {
		if c.unfinished != 0 {
			c.unfinished = 0
			l.delist(c)
		}
		return
	}
	if c.unfinished == 0 || framed != c.framed { // another record than before
		c.unfinished, c.graceAt = c.lastRead, 0
		l.delist(c)
		l.enlist(c)
	}
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
// client's FIN included.
func pendingBytes(fd int) bool {
	var b [1]byte
	for {
		_, _, err := unix.Recvfrom(fd, b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		if err != unix.EINTR {
			return err != unix.EAGAIN
		}
	}
}
