package server

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Our own accept loop. gnet's ends the whole engine, without an error, when accept
// answers EMFILE once; and it has no limits, and cannot be closed by itself. Here
// an accepted socket is admitted or closed at once, and handed to the event loop
// with the fewest connections. Handing over waits until the loop has taken it,
// which a busy loop does once a round; so several are handed over at a time.
type listener struct {
	opt Listener
	ln  net.Listener
	raw syscall.RawConn

	mu     sync.Mutex
	spare  *os.File // a descriptor to give up when there is no other
	closed bool
}

func openListener(opt Listener) (*listener, error) {
	ln, err := net.Listen(opt.Network, opt.Address)
	if err != nil && opt.Network == "unix" && removeStale(opt.Address, err) {
		ln, err = net.Listen(opt.Network, opt.Address)
	}
	if err != nil {
		return nil, fmt.Errorf("server: --listen %s://%s: %w", opt.Network, opt.Address, err)
	}
	l := &listener{opt: opt, ln: ln}
	if l.raw, err = ln.(syscall.Conn).SyscallConn(); err != nil {
		_ = ln.Close()
		return nil, fmt.Errorf("server: --listen %s://%s: %w", opt.Network, opt.Address, err)
	}
	l.spare, _ = os.Open(os.DevNull)
	return l, nil
}

// removeStale removes a socket that a killed process left behind: it is a socket, and
// nobody listens on it.
func removeStale(path string, err error) bool {
	if !errors.Is(err, unix.EADDRINUSE) {
		return false
	}
	if st, err := os.Lstat(path); err != nil || st.Mode()&os.ModeSocket == 0 {
		return false
	}
	nc, err := net.Dial("unix", path)
	if err == nil {
		_ = nc.Close()
		return false
	}
	return errors.Is(err, unix.ECONNREFUSED) && os.Remove(path) == nil
}

// accept runs until the listener is closed or, by a deadline, told to stop.
func (s *Server) accept(l *listener) {
	wait := time.Duration(0)
	for {
		nc, err := l.accept()
		if err == nil {
			wait = 0
			s.welcome(l, nc)
			continue
		}
		if errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrDeadlineExceeded) {
			return
		}
		if isNoDescriptor(err) {
			s.turnAway(l)
		}
		// Whatever it is, the listener lives: the next connection may be fine.
		s.warnings.warn("server: accept", "listen", l.ln.Addr().String(), "error", err)
		wait = min(max(2*wait, 5*time.Millisecond), 100*time.Millisecond)
		select {
		case <-time.After(wait):
		case <-s.draining:
			return
		}
	}
}

// accept is Accept that first sees to the spare: without it, those who come when there is
// no descriptor left would not even be refused.
func (l *listener) accept() (net.Conn, error) {
	if !l.hasSpare() {
		return nil, unix.EMFILE
	}
	return l.ln.Accept()
}

// hasSpare opens the spare again if need be: while one is turned away, somebody else
// may take the descriptor that was given up for it.
func (l *listener) hasSpare() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.spare == nil && !l.closed {
		l.spare, _ = os.Open(os.DevNull)
	}
	return l.spare != nil || l.closed
}

func isNoDescriptor(err error) bool {
	return errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE)
}

// turnAway refuses one waiting client with the descriptor kept for it. Without it
// clients would hang in the backlog until a descriptor is free.
func (s *Server) turnAway(l *listener) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.spare == nil {
		return
	}
	_ = l.spare.Close()
	if nc := l.acceptNow(); nc >= 0 {
		s.admission.refused[refusedDescriptors].Add(1)
		_ = unix.Close(nc)
	}
	l.spare, _ = os.Open(os.DevNull)
}

// acceptNow answers a waiting connection's descriptor, or −1.
func (l *listener) acceptNow() int {
	fd := -1
	_ = l.raw.Control(func(lfd uintptr) {
		for {
			n, _, err := unix.Accept4(int(lfd), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
			if err == unix.EINTR || err == unix.ECONNABORTED {
				continue
			}
			if err == nil {
				fd = n
			}
			return
		}
	})
	return fd
}

// takeBacklog welcomes everybody whom the kernel has accepted already.
func (s *Server) takeBacklog(l *listener) {
	for range backlogMax {
		fd := l.acceptNow()
		if fd < 0 {
			return
		}
		nc, err := fileConn(fd)
		if err != nil {
			s.admission.refused[refusedError].Add(1)
			continue
		}
		s.welcome(l, nc)
	}
}

// backlogMax ends the taking where clients arrive as fast as we take them.
const backlogMax = 1 << 17

func (l *listener) close() {
	_ = l.ln.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	if l.spare != nil {
		_ = l.spare.Close()
		l.spare = nil
	}
}

// welcome admits a connection and hands it over, or closes it at once.
func (s *Server) welcome(l *listener, nc net.Conn) {
	remote := remoteOf(nc)
	if why, ok := s.admission.admit(remote.Addr()); !ok {
		s.admission.refused[why].Add(1) // before the client can see it
		_ = nc.Close()
		s.warnings.warn("server: connection refused", "remote", remote.String(), "reason", why.String())
		return
	}
	c := s.newConn(l, remote)
	s.handovers <- struct{}{}
	s.spawn(func() {
		defer func() { <-s.handovers }()
		if err := s.handOver(c, nc); err != nil {
			why := refusedError
			if isNoDescriptor(err) {
				why = refusedDescriptors
			}
			s.forget(c)
			s.reading.Add(-1)
			s.admission.leave(c.remote.Addr())
			s.admission.refused[why].Add(1)
			s.warnings.warn("server: connection refused", "remote", c.remoteString(), "reason", why.String(), "error", err)
		}
	})
}

func remoteOf(nc net.Conn) netip.AddrPort {
	a, ok := nc.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	ap := a.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}
