package server

import (
	"golang.org/x/sys/unix"

	"github.com/ringtail/ringtail/internal/invariant"
)

// conclude ends a connection of which everything is in. fd, if there is one, is closed or left
// to the acks that are owed.
func (s *Server) conclude(in *intake, c *conn, fd int) {
	invariant.Check(c.overflow == nil, "connection %d ends before what was read of it is in", c.id)
	c.dec.Release()
	in.account(c)
	s.memory.recordEnded(c)
	lingers := c.acks != nil && s.linger(c, fd)
	if fd >= 0 && !lingers {
		_ = unix.Close(fd)
	}
	if !lingers && !c.gone {
		s.gone(c, c.why)
	}
	s.reading.Add(-1) // it will push nothing any more
}

// linger leaves a connection to its ack domain, if it is owed something, or if the
// client may still be sending: closing at once would then reset the connection, and
// could take acks from the client's hands that it has not read yet. fd is the domain's
// if this returns true; −1: there is none.
func (s *Server) linger(c *conn, fd int) bool {
	if fd < 0 && c.why != closedReset && c.loop.domain.owes(c.acks) {
		s.warnings.warn("server: a client will not get its last acks", "remote", c.remoteString())
	}
	return c.loop.domain.linger(c.acks, fd, c.why, c.endedPolitely())
}

// endedPolitely tells whether it is we who end the connection, which may still send.
func (c *conn) endedPolitely() bool {
	return c.why == closedCutOff || c.why == closedDrain || c.why == closedAge || c.why == closedStream
}

// gone follows when the last descriptor of a connection is closed, or about to be:
// its place is free.
func (s *Server) gone(c *conn, why closeReason) {
	s.forget(c)
	s.closed[why].Add(1)
	s.admission.leave(c.remote.Addr())
}
