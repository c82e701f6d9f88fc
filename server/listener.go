package server

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// listener is one --listen. gnet could listen itself, but its accept loop ends the whole engine,
// without an error, if accept returns EMFILE once; and it has no limits, and cannot be closed
// alone.
type listener struct {
	opt   Listener
	lists atomic.Pointer[accessLists]
	ln    net.Listener
	raw   syscall.RawConn

	// handshake is what a greeting does behind the PROXY header; nil: nothing. An error of the
	// socket is to be returned as it is, or wrapped.
	handshake func(*greeting) error

	mu      sync.Mutex
	reserve *os.File // a descriptor to give up when no other can be had
	closed  bool
}

// accessLists are --proxy-from, --allow and --deny, which may change while the server runs.
type accessLists struct{ proxyFrom, allow, deny []netip.Prefix }

func (l *listener) setLists(o *Listener) {
	l.lists.Store(&accessLists{o.ProxyFrom, o.Allow, o.Deny})
}

func openListener(opt Listener) (*listener, error) {
	ln, err := opt.listen()
	if err != nil {
		return nil, &ListenError{opt, err}
	}
	opt.Network = ln.Addr().Network() // of systemd's sockets it is not known before
	l := &listener{opt: opt, ln: ln}
	l.setLists(&opt)
	if l.raw, err = ln.(syscall.Conn).SyscallConn(); err != nil {
		_ = ln.Close()
		return nil, &ListenError{opt, err}
	}
	l.reserve, _ = os.Open(reserveFile)
	return l, nil
}

// listen opens the socket.
func (l *Listener) listen() (net.Listener, error) {
	if l.Socket != nil {
		return l.adopt()
	}
	switch l.Network {
	case "unix":
		return l.listenUnix()
	case "systemd":
		return l.inherit()
	}
	return net.Listen(l.Network, l.Address)
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
		l.reserve, _ = os.Open(reserveFile)
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
	if fd, _ := l.acceptNow(); fd >= 0 {
		refused()
		_ = unix.Close(fd)
	}
	l.reserve, _ = os.Open(reserveFile)
}

// acceptNow returns the descriptor of a waiting connection, or −1, and where it comes from.
func (l *listener) acceptNow() (fd int, remote netip.AddrPort) {
	fd = -1
	_ = l.raw.Control(func(lfd uintptr) {
		for {
			n, sa, err := acceptSocket(int(lfd))
			if err == unix.EINTR || err == unix.ECONNABORTED {
				continue
			}
			if err == nil {
				fd, remote = n, remoteOfSocket(sa)
			}
			return
		}
	})
	return fd, remote
}

// url is the address really listened on, as --listen writes it.
func (l *listener) url() string {
	scheme := l.ln.Addr().Network()
	if l.opt.TLS && scheme == "tcp" {
		scheme = "tls"
	}
	return scheme + "://" + l.ln.Addr().String()
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
