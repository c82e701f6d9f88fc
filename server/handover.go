package server

import (
	"errors"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ringtail/ringtail/internal/invariant"
	"github.com/ringtail/ringtail/server/ack"
)

var errPeerGone = errors.New("server: the client has reset the connection")

// handOver gives a socket to an event loop. nc is closed in any case. After nil the
// loop has the connection; after an error the caller still has it.
func (s *Server) handOver(c *conn, nc net.Conn) error {
	if nc.RemoteAddr() == nil { // a socket that was reset has no peer; gnet would panic
		_ = nc.Close()
		return errPeerGone
	}
	before := c.opens.Load()
	_, err := c.loop.client.EnrollContext(nc, c)
	if err == nil && c.opens.Load() == before { // registering with epoll failed; gnet does not say so
		err = errors.New("server: the event loop did not take the connection")
	}
	return err
}

// handBack gives a connection to its event loop. It waits for that loop: another goroutine does
// it. Where it fails for want of descriptors it is tried again; the client only waits.
func (s *Server) handBack(c *conn, fd int) {
	s.spawn(func() {
		s.handovers <- struct{}{}
		defer func() { <-s.handovers }()
		var nc net.Conn
		dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		if err == nil {
			nc, err = fileConn(dup)
		}
		if err == nil {
			err = s.handOver(c, nc)
		}
		switch err {
		case nil:
			_ = unix.Close(fd) // the loop has its own, and so have the acks since OnOpen
		case errPeerGone: // no loop can have it, but what it had sent can still be read
			s.pause(c, &paused{fd: fd, final: closedReset})
		default:
			s.warnings.warn("server: cannot resume a connection", "error", err)
			time.Sleep(tickInterval)
			s.pause(c, &paused{fd: fd})
		}
	})
}

// fileConn makes a net.Conn of a descriptor, which it closes in any case.
func fileConn(fd int) (net.Conn, error) {
	f := os.NewFile(uintptr(fd), "")
	defer func() { _ = f.Close() }()
	return net.FileConn(f)
}

// conclude ends a connection of which everything is in. fd, if there is one, is closed or left
// to the acks that are owed.
func (s *Server) conclude(in *intake, c *conn, fd int) {
	invariant.Check(c.overflow == nil, "connection %d ends before what was read of it is in", c.id)
	c.dec.Release()
	in.account(c)
	s.memory.recordEnded(c)
	if c.acks == nil || !c.acks.Linger(fd, c.ending()) {
		if fd >= 0 {
			_ = unix.Close(fd)
		}
		if !c.gone {
			s.gone(c, c.why)
		}
	}
	s.reading.Add(-1) // it will push nothing any more
}

// ending returns what there is to say to the client yet.
func (c *conn) ending() ack.Ending {
	switch {
	case c.why == closedReset:
		return ack.EndingReset
	case c.endedPolitely():
		return ack.EndingFarewell
	}
	return ack.EndingOwed
}

// endedPolitely tells whether it is we who end the connection, which may still send: closing at once would
// then reset it, and could take acks from the client's hands that it has not read yet.
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

// reserveDescriptor is one that an event loop keeps for when there is no other: a duplicate can
// always be made onto it. gnet closes the original at once, so there is one again soon.
type reserveDescriptor struct {
	fd   int   // −1: used up
	fail error // tests only: as if there were no other descriptor
}

func (r *reserveDescriptor) open() {
	if r.fd < 0 && r.fail == nil {
		r.fd, _ = unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0) // −1 if it fails
	}
}

func (r *reserveDescriptor) close() {
	_ = unix.Close(r.fd)
	r.fd = -1
}

// dup duplicates fd, onto the reserve if need be. It returns −1 and an error if that is used up.
func (r *reserveDescriptor) dup(fd int) (int, error) {
	r.open()
	dup, err := -1, r.fail
	if err == nil {
		dup, err = unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	}
	if err != nil && r.fd >= 0 && unix.Dup3(fd, r.fd, unix.O_CLOEXEC) == nil {
		dup, err, r.fd = r.fd, nil, -1
	}
	return dup, err
}
