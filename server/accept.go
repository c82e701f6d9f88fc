package server

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"time"
)

// acceptor admits new connections, or closes them at once, and hands them to the event loop that
// has the fewest.
type acceptor struct {
	registry *registry
	handover *handovers
	warnings *throttle
	draining <-chan struct{}
}

// run accepts from l until l is closed, or told to stop.
func (a *acceptor) run(l *listener) {
	delay := time.Duration(0)
	for {
		nc, err := l.accept()
		if err == nil {
			delay = 0
			a.welcome(l, nc)
			continue
		}
		if errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrDeadlineExceeded) {
			return
		}
		if isNoDescriptor(err) {
			l.turnAway(func() { a.registry.admission.refused[refusedDescriptors].Add(1) })
		}
		// Whatever the error is, the listener stays open: the next connection may be fine.
		a.warnings.warn("server: accept", "listen", l.ln.Addr().String(), "error", err)
		delay = min(max(2*delay, 5*time.Millisecond), 100*time.Millisecond)
		select {
		case <-time.After(delay):
		case <-a.draining:
			return
		}
	}
}

// takeBacklog welcomes every client whose connection the kernel has accepted already.
func (a *acceptor) takeBacklog(l *listener) {
	for range backlogMax {
		fd := l.acceptNow()
		if fd < 0 {
			return
		}
		nc, err := fileConn(fd)
		if err != nil {
			a.registry.admission.refused[refusedError].Add(1)
			continue
		}
		a.welcome(l, nc)
	}
}

// backlogMax ends the taking where clients arrive as fast as the server takes them.
const backlogMax = 1 << 17

// welcome admits a connection and hands it over, or closes it at once.
func (a *acceptor) welcome(l *listener, nc net.Conn) {
	remote := remoteOf(nc)
	if why, ok := a.registry.admission.admit(remote.Addr()); !ok {
		a.registry.admission.refused[why].Add(1) // before the client can see it
		_ = nc.Close()
		a.warnings.warn("server: connection refused", "remote", remote.String(), "reason", why.String())
		return
	}
	c := a.registry.newConn(l.opt, remote)
	a.handover.first(c, nc, func(err error) {
		why := refusedError
		if isNoDescriptor(err) {
			why = refusedDescriptors
		}
		a.registry.refused(c, why)
		a.warnings.warn("server: connection refused", "remote", c.remoteString(), "reason", why.String(), "error", err)
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
