package server

import (
	"time"

	"golang.org/x/sys/unix"
)

// A parked connection is one that is not read for now. gnet cannot pause one
// connection: unread data grows in its buffers, or blocks the whole loop. So the
// loop makes a duplicate of the descriptor, lets gnet close its own, and whoever
// holds the connection gives it to a loop again (EnrollContext) when what it waits
// for has come:
//
//	room in a ring     a goroutine, which also holds the batches that found none
//	lines to be read   the ack domain (stall, resume)
//	client memory      a frugal reader, which goes on with what needs none
//
// (Switching epoll interest off by reflection is cheaper, but a reset while paused
// drops what the client had sent before, and gnet's own writes switch it on again.)
// The invariants of the hand-over stand at conn.

// park is called by a loop's OnClose, its last touch of the connection.
func (s *Server) park(c *conn, forMemory bool) {
	s.parked.Add(1)
	s.parks.Add(1)
	if c.acks != nil {
		c.domain.attach(c.acks, int(c.parkFD), nil)
	}
	if forMemory {
		s.beFrugal(c)
		return
	}
	s.spawn(func() { s.waitHeld(c) })
}

// waitHeld pushes what a parked connection holds.
func (s *Server) waitHeld(c *conn) {
	if h := c.held; h != nil {
		c.held = nil
		if ring, end, ok := s.pushHeld(c, h); ok {
			s.pressure.await(ring, end, s.cutOff)
		}
	}
	s.unpark(c, false)
}

// waitRoom waits for room with nothing in hand: until half the ring is free, or
// all is done that is in it now.
func (s *Server) waitRoom(c *conn, ring int) {
	meter := s.pressure.enter(ring)
	s.pressure.await(ring, s.rings[ring].Claimed(), s.cutOff)
	meter.leave()
	s.unpark(c, false)
}

// unpark gives a parked connection to whoever is to hold it next: an event loop,
// unless there is something else to wait for, or reading has ended. An unfinished
// record ages while it waits for memory; while we did not read it for any other reason
// it did not, and starts again.
func (s *Server) unpark(c *conn, forMemory bool) {
	if c.unfinished != 0 && !forMemory {
		c.unfinished = s.clock.stamp()
	}
	switch {
	case s.isCutOff(), c.killed.Load() != 0:
		s.endParked(c, closedCutOff)
	case c.acks != nil && c.domain.stall(c.acks):
		// The ack domain has it, and may have resumed it already.
	case s.memory.spentFor(c), !s.memory.chargeAhead(c):
		s.beFrugal(c)
	default:
		s.enroll(c)
	}
}

// resume is the ack domain's: the client has taken its lines.
func (s *Server) resume(c *conn) { s.spawn(func() { s.unpark(c, false) }) }

// enroll gives a parked connection to an event loop. Where that fails for want of
// descriptors it is tried again; the client only waits.
func (s *Server) enroll(c *conn) {
	s.handovers <- struct{}{}
	fd := int(c.parkFD)
	err := s.tryEnroll(c, fd)
	for wait := time.Millisecond; err != nil && err != errPeerGone && wait < time.Second && !s.isCutOff(); wait *= 2 {
		s.warnings.warn("server: cannot resume a connection", "error", err)
		time.Sleep(wait)
		err = s.tryEnroll(c, fd)
	}
	<-s.handovers
	if err == errPeerGone { // no loop can have it, but what it had sent can still be read
		s.beFrugal(c)
		return
	}
	if err != nil {
		s.endParked(c, closedError)
		return
	}
	s.parked.Add(-1)
	_ = unix.Close(fd) // the loop has its own, and so have the acks since OnOpen
}

func (s *Server) tryEnroll(c *conn, fd int) error {
	dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return err
	}
	nc, err := fileConn(dup)
	if err != nil {
		return err
	}
	return s.handOver(c, nc)
}

// endParked ends a connection that no loop has.
func (s *Server) endParked(c *conn, why closeReason) {
	s.parked.Add(-1)
	if k := c.killed.Load(); k != 0 {
		why = closeReason(k)
	}
	c.why = why
	fd := int(c.parkFD)
	s.spareMu.Lock()
	s.conclude(s.spare, c, func() (int, error) { return unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0) })
	s.spareMu.Unlock()
	_ = unix.Close(fd)
}

// conclude ends the reading of a connection: what its unfinished record makes is
// pushed, acks that are owed linger on a duplicate of the descriptor, and the caller
// closes the original.
func (s *Server) conclude(in *intake, c *conn, dup func() (int, error)) {
	o := in.end(c, c.why != closedByClient && c.why != closedReset)
	if o.held == nil {
		o.held = c.held // its stream failed behind records that found no room
	}
	c.held = nil
	lingers := c.acks != nil && s.linger(c, dup)
	why := c.why
	if o.held == nil {
		s.ended(c, lingers, why)
		return
	}
	s.spawn(func() {
		s.pushHeld(c, o.held)
		s.ended(c, lingers, why)
	})
}

// linger leaves a connection to its ack domain, if it is owed something, or if the
// client may still be sending: closing at once would then reset the connection, and
// could take acks from the client's hands that it has not read yet.
func (s *Server) linger(c *conn, dup func() (int, error)) bool {
	farewell := c.why == closedCutOff || c.why == closedDrain || c.why == closedAge || c.why == closedStream
	fd := -1
	if farewell || c.domain.owes(c.acks) {
		var err error
		if fd, err = dup(); err != nil {
			s.warnings.warn("server: a client will not get its last acks", "error", err)
			fd = -1
		}
	}
	if c.domain.linger(c.acks, fd, c.why, farewell) {
		return true
	}
	if fd >= 0 {
		_ = unix.Close(fd)
	}
	return false
}

// ended follows when a connection will push nothing any more.
func (s *Server) ended(c *conn, lingers bool, why closeReason) {
	if !lingers {
		s.gone(c, why)
	}
	s.reading.Add(-1)
}

// gone follows when the last descriptor of a connection is closed, or about to be:
// its place is free.
func (s *Server) gone(c *conn, why closeReason) {
	s.forget(c)
	s.closed[why].Add(1)
	s.admission.leave(c.remote.Addr())
}
