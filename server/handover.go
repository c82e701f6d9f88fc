package server

import (
	"errors"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// handovers give sockets to event loops. A hand-over waits until the loop has taken the socket,
// which a busy loop does once a round. So each is a goroutine, and several are under way at a time.
type handovers struct {
	loops    []*loop
	pauser   *pauser
	warnings *limitedLog
	slots    chan struct{}  // bounds those under way
	running  sync.WaitGroup // those under way
}

var errNoPeer = errors.New("server: the client has reset the connection")

// enroll gives a socket to c's event loop, and closes nc in any case. After nil the loop has the
// connection; after an error the caller still has it.
func (h *handovers) enroll(c *conn, nc net.Conn) error {
	if nc.RemoteAddr() == nil { // a socket that was reset has no peer; gnet would panic
		_ = nc.Close()
		return errNoPeer
	}
	before := c.opens.Load()
	_, err := h.loops[c.loopIndex].client.EnrollContext(nc, c)
	if err == nil && c.opens.Load() == before { // registering with epoll failed; gnet does not say so
		err = errors.New("server: the event loop did not take the connection")
	}
	return err
}

// first gives a new connection to its event loop. If that fails, it calls failed. It waits for a
// slot, but not for the loop. No loop can have a socket that was reset meanwhile, but what it had
// sent can still be read: the pauser does.
func (h *handovers) first(c *conn, nc net.Conn, failed func(error)) {
	h.slots <- struct{}{}
	h.running.Go(func() {
		defer func() { <-h.slots }()
		fd := -1
		if nc.RemoteAddr() == nil {
			fd = dupOf(nc)
		}
		err := h.enroll(c, nc)
		switch {
		case err == nil:
		case err == errNoPeer && fd >= 0:
			if c.acks != nil {
				c.acks.Attach(fd, nil)
			}
			h.pauser.registry.of(c).opened.Add(1)
			h.pauser.pause(c, &paused{fd: fd, final: closedReset})
		default:
			failed(err)
		}
	})
}

// dupOf returns a duplicate of the descriptor of a connection or listener, −1 if none can be had.
func dupOf(socket any) int {
	fd := -1
	if sc, ok := socket.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			_ = raw.Control(func(from uintptr) {
				if dup, err := unix.FcntlInt(from, unix.F_DUPFD_CLOEXEC, 0); err == nil {
					fd = dup
				}
			})
		}
	}
	return fd
}

// back gives a paused connection, and its descriptor, back to its event loop. It does not wait. If
// there is no descriptor for the hand-over, the pauser gets the connection again and retries.
func (h *handovers) back(c *conn, fd int) {
	h.running.Go(func() {
		h.slots <- struct{}{}
		defer func() { <-h.slots }()
		var nc net.Conn
		dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		if err == nil {
			nc, err = fileConn(dup)
		}
		if err == nil {
			err = h.enroll(c, nc)
		}
		switch err {
		case nil:
			_ = unix.Close(fd) // the loop has its own, and so have the acks since OnOpen
		case errNoPeer: // no loop can have it, but what it had sent can still be read
			h.pauser.pause(c, &paused{fd: fd, final: closedReset})
		default:
			h.warnings.warn("a paused connection cannot go on, trying again", "", "remote", c.remoteString(), "cause", err)
			time.Sleep(tickInterval)
			h.pauser.pause(c, &paused{fd: fd})
		}
	})
}

// fileConn makes a net.Conn of a descriptor, which it closes in any case.
func fileConn(fd int) (net.Conn, error) {
	f := os.NewFile(uintptr(fd), "")
	defer func() { _ = f.Close() }()
	return net.FileConn(f)
}
