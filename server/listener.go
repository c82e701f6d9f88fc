package server

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// listener is one --listen. gnet could listen itself, but its accept loop ends the whole engine,
// without an error, if accept returns EMFILE once; and it has no limits, and cannot be closed
// alone.
type listener struct {
	opt Listener
	ln  net.Listener
	raw syscall.RawConn

	mu      sync.Mutex
	reserve *os.File // a descriptor to give up when no other can be had
	closed  bool
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
	l.reserve, _ = os.Open(os.DevNull)
	return l, nil
}

// removeStale removes a socket that a killed process left behind: a socket on which nobody listens.
// Anything else at that path stays.
func removeStale(path string, err error) bool {
	if !errors.Is(err, unix.EADDRINUSE) {
		return false
	}
	if st, err := os.Lstat(path); err != nil || st.Mode()&os.ModeSocket == 0 {
		return false
	}
	nc, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		_ = nc.Close()
		return false
	}
	return errors.Is(err, unix.ECONNREFUSED) && os.Remove(path) == nil
}

// accept is Accept, but makes sure of the reserve first: without it, clients that come when no
// descriptor is left would not even be refused.
func (l *listener) accept() (net.Conn, error) {
	if !l.hasReserve() {
		return nil, unix.EMFILE
	}
	return l.ln.Accept()
}

// hasReserve opens the reserve again if need be: while it was given up to turn a client away,
// another thread may have taken the descriptor.
func (l *listener) hasReserve() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.reserve == nil && !l.closed {
		l.reserve, _ = os.Open(os.DevNull)
	}
	return l.reserve != nil || l.closed
}

func isNoDescriptor(err error) bool {
	return errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE)
}

// turnAway refuses one waiting client, by the descriptor of the reserve. Otherwise clients would
// hang in the backlog until a descriptor is free. It calls refused before the client can see it.
func (l *listener) turnAway(refused func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.reserve == nil {
		return
	}
	_ = l.reserve.Close()
	if fd := l.acceptNow(); fd >= 0 {
		refused()
		_ = unix.Close(fd)
	}
	l.reserve, _ = os.Open(os.DevNull)
}

// acceptNow returns the descriptor of a waiting connection, or −1.
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

// stopAccepting has accept return os.ErrDeadlineExceeded.
func (l *listener) stopAccepting() {
	if d, ok := l.ln.(interface{ SetDeadline(time.Time) error }); ok {
		_ = d.SetDeadline(time.Unix(1, 0))
	}
}

func (l *listener) close() {
	_ = l.ln.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	if l.reserve != nil {
		_ = l.reserve.Close()
		l.reserve = nil
	}
}
