package server

import (
	"sync"
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
//	client memory      the memory queue, looked at by the ticker
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
	s.spawn(func() {
		if h := c.held; h != nil {
			c.held = nil
			if ring, end, ok := s.pushHeld(c, h); ok {
				s.pressure.await(ring, end, s.cutOff)
			}
		}
		s.unpark(c, forMemory)
	})
}

// unpark gives a parked connection to whoever is to hold it next: an event loop,
// unless there is something else to wait for, or reading has ended. An unfinished
// record ages while it waits for memory; while we did not read it for any other reason
// it did not, and starts again.
func (s *Server) unpark(c *conn, forMemory bool) {
	if c.unfinished != 0 && !forMemory {
		c.unfinished = s.clock.now()
	}
	switch {
	case s.isCutOff(), c.killed.Load() != 0:
		s.endParked(c, closedCutOff)
	case c.acks != nil && c.domain.stall(c.acks):
		// The ack domain has it, and may have resumed it already.
	case c.carry > carryFree && s.memory.tight():
		s.memoryQueue.add(c)
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
	if err == errPeerGone {
		s.readOut(c)
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

// readOut takes what a client had sent before it reset the connection while that was
// parked: no event loop can have such a socket any more.
func (s *Server) readOut(c *conn) {
	buf := make([]byte, wholeRead)
	for {
		n, err := unix.Read(int(c.parkFD), buf)
		if err == unix.EINTR {
			continue
		}
		if n <= 0 {
			break
		}
		s.spareMu.Lock()
		o := s.spare.take(c, buf[:n])
		s.spareMu.Unlock()
		if o.held != nil {
			_, _, _ = s.pushHeld(c, o.held)
		}
		if o.failure != 0 {
			break
		}
	}
	s.endParked(c, closedReset)
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

// memoryQueue holds the connections that are not read because others hold the
// memory they would need, first come, first served. Their unfinished records age.
type memoryQueue struct {
	mu   sync.Mutex
	list []*conn
}

func (q *memoryQueue) add(c *conn) {
	q.mu.Lock()
	q.list = append(q.list, c)
	q.mu.Unlock()
}

// serve resumes those for whom there is memory now, one read's worth at a time, and
// ends those whose record is too old. Called by the ticker.
func (s *Server) serveMemoryQueue() {
	q := &s.memoryQueue
	q.mu.Lock()
	defer q.mu.Unlock()
	now, cut := s.clock.now(), s.isCutOff()
	limit := int64(s.opt.FrameTimeout)
	free := s.memory.limit - s.memory.limit/4 - s.memory.used.Load()
	kept := q.list[:0]
	for _, c := range q.list {
		switch {
		case cut:
			s.spawn(func() { s.endParked(c, closedCutOff) })
		case limit > 0 && now-c.unfinished > limit:
			s.spawn(func() { s.endParked(c, closedFrame) })
		case free > 0:
			free -= max(wholeRead, c.carry)
			s.spawn(func() { s.enroll(c) })
		default:
			kept = append(kept, c)
		}
	}
	clear(q.list[len(kept):])
	q.list = kept
}
