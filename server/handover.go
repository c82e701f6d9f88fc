package server

import (
	"errors"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

var (
	errNotTaken = errors.New("server: the event loop did not take the connection")
	errPeerGone = errors.New("server: the client has reset the connection")
)

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
		err = errNotTaken
	}
	return err
}

// handBack gives a connection to its event loop. It waits for that loop: another goroutine does
// it. Where it fails for want of descriptors it is tried again; the client only waits.
func (s *Server) handBack(c *conn, fd int) {
	s.spawn(func() {
		s.handovers <- struct{}{}
		defer func() { <-s.handovers }()
		switch err := s.tryEnroll(c, fd); err {
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

// fileConn makes a net.Conn of a descriptor, which it closes in any case.
func fileConn(fd int) (net.Conn, error) {
	f := os.NewFile(uintptr(fd), "")
	defer func() { _ = f.Close() }()
	return net.FileConn(f)
}
