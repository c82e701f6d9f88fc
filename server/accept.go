package server

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// acceptor admits new connections, or closes them at once, and hands them to the event loop that
// has the fewest.
type acceptor struct {
	registry  *registry
	handover  *handovers
	greetings *greetings
	warnings  *limitedLog
	draining  <-chan struct{}
}

// run accepts from l until l is closed, or told to stop.
func (a *acceptor) run(l *listener) {
	delay, counts := time.Duration(0), a.counts(l)
	for {
		nc, err := l.accept()
		if err == nil {
			delay = 0
			a.welcome(l, nc, remoteOf(nc))
			continue
		}
		if errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrDeadlineExceeded) {
			return
		}
		if isNoDescriptor(err) {
			l.turnAway(func() { counts.refused[refusedDescriptors].Add(1) })
		}
		// Whatever the error is, the listener stays open: the next connection may be fine.
		a.warnings.warn("connections cannot be accepted", "", "listener", counts.url, "cause", err)
		delay = min(max(2*delay, 5*time.Millisecond), 100*time.Millisecond)
		select {
		case <-time.After(delay):
		case <-a.draining:
			return
		}
	}
}

// takeBacklog welcomes every client whose connection the kernel has accepted already, until the time
// is up: each may be kept waiting by greetings before it.
func (a *acceptor) takeBacklog(l *listener, until time.Time) {
	for range backlogMax {
		if time.Now().After(until) {
			return
		}
		fd, remote := l.acceptNow()
		if fd < 0 {
			return
		}
		nc, err := fileConn(fd)
		if err != nil {
			a.counts(l).refused[refusedError].Add(1)
			continue
		}
		a.welcome(l, nc, remote)
	}
}

// backlogMax ends the taking where clients arrive as fast as the server takes them.
const backlogMax = 1 << 17

// welcome admits a connection and hands it over, or closes it at once. What a client owes before
// its records is a greeting's matter. remote is the other end of the socket.
func (a *acceptor) welcome(l *listener, nc net.Conn, remote netip.AddrPort) {
	g := &greeting{Conn: nc, listener: l, client: remote, trusted: l.opt.Network == "unix", stage: refusedTLS}
	if why, ok := a.arrive(g); !ok {
		a.refuse(g, why, nil)
		return
	}
	if l.opt.Proxy || l.handshake != nil {
		if l.opt.Proxy {
			g.stage = refusedProxy
		}
		a.greetings.begin(g, a.greet, a.given)
		return
	}
	if why, ok := a.admit(g); !ok {
		a.leave(g)
		a.refuse(g, why, nil)
		return
	}
	a.handOver(g)
}

// arrive takes a place for a connection, or says why there is none.
func (a *acceptor) arrive(g *greeting) (refusal, bool) {
	if !g.listener.expects(g.client.Addr()) {
		return refusedProxy, false
	}
	return refusedMax, a.registry.place(g.listener.opt.index)
}

// admit asks the lists, and the limit for an address, about who connects.
func (a *acceptor) admit(g *greeting) (refusal, bool) {
	ip := g.client.Addr()
	if !g.trusted && !g.listener.allows(ip) {
		return refusedDenied, false
	}
	if !a.registry.admission.count(ip) {
		return refusedPerIP, false
	}
	g.counted = ip
	return 0, true
}

// greet is a greeting's goroutine.
func (a *acceptor) greet(g *greeting) {
	why, err := a.stages(g)
	switch {
	case !a.greetings.end(g):
		a.leave(g) // given has said the rest
	case err == nil:
		a.handOver(g)
	default:
		a.leave(g)
		a.unwelcome(g, why, err)
	}
}

// stages has a connection say what it owes. It returns nil, or what it is refused as.
func (a *acceptor) stages(g *greeting) (refusal, error) {
	before := g.received
	if g.listener.opt.Proxy {
		if err := g.readProxyHeader(); err != nil {
			return silentOr(g, before, refusedProxy, err)
		}
	}
	if why, ok := a.admit(g); !ok {
		return why, errRefused
	}
	if handshake := g.listener.handshake; handshake != nil {
		a.greetings.enter(g, refusedTLS)
		before = g.received
		if err := handshake(g); err != nil {
			return silentOr(g, before, refusedTLS, err)
		}
	}
	return 0, nil
}

var (
	errRefused = errors.New("") // the refusal says all
	errSilent  = errors.New("the client has closed without a byte")
	errGivenUp = errors.New("given up for a newer one, it took too long")
)

func silentOr(g *greeting, before int, why refusal, err error) (refusal, error) {
	if g.received == before && clientGone(err) {
		return 0, errSilent
	}
	return why, err
}

// unwelcome closes a connection whose greeting has failed, and counts it.
func (a *acceptor) unwelcome(g *greeting, why refusal, err error) {
	switch {
	case err == errSilent:
		a.passedBy(g, closedByClient)
	case isClosed(a.draining) && errors.Is(err, os.ErrDeadlineExceeded):
		a.passedBy(g, closedDrain)
	default:
		a.refuse(g, why, err)
	}
}

// passedBy closes a connection that has sent nothing, and is not to be blamed for it.
func (a *acceptor) passedBy(g *greeting, why closeReason) {
	counts := a.counts(g.listener)
	counts.opened.Add(1)
	counts.closed[why].Add(1)
	_ = g.Close()
}

// given counts a greeting that is given up for a newer one.
func (a *acceptor) given(g *greeting) {
	a.counts(g.listener).refused[g.stage].Add(1)
	a.sayRefused(g.listener.opt.index, g.client, g.stage, errGivenUp)
}

// refuse closes a connection at once.
func (a *acceptor) refuse(g *greeting, why refusal, err error) {
	a.counts(g.listener).refused[why].Add(1) // before the client can see it
	_ = g.Close()
	a.sayRefused(g.listener.opt.index, g.client, why, err)
}

func (a *acceptor) sayRefused(listener int, remote netip.AddrPort, why refusal, err error) {
	args := []any{"remote", remoteString(remote), "listener", a.registry.listeners[listener].url}
	if err != nil && err != errRefused {
		args = append(args, "cause", err)
	}
	a.warnings.warn("connection refused", why.String(), args...)
}

func (a *acceptor) counts(l *listener) *listenerCounts { return a.registry.listeners[l.opt.index] }
func (a *acceptor) leave(g *greeting)                  { a.registry.leave(g.listener.opt.index, g.counted) }

// handOver makes a connection, and gives it to its event loop.
func (a *acceptor) handOver(g *greeting) {
	c := a.registry.newConn(g.listener.opt, g.client)
	if c.tls = g.tls; c.tls != nil {
		if name := c.tls.clientName(); name != "" {
			a.registry.clients.name(c, name)
		}
	}
	a.handover.first(c, g.Conn, func(err error) {
		why := refusedError
		if isNoDescriptor(err) {
			why = refusedDescriptors
		}
		a.registry.refused(c, why)
		a.sayRefused(c.listener, c.remote, why, err)
	})
}

func remoteOf(nc net.Conn) netip.AddrPort {
	a, ok := nc.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	return unmap(a.AddrPort())
}

// remoteOfSocket is the address that accept returns.
func remoteOfSocket(sa unix.Sockaddr) netip.AddrPort {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		return unmap(netip.AddrPortFrom(netip.AddrFrom16(sa.Addr), uint16(sa.Port)))
	}
	return netip.AddrPort{}
}

// unmap is an IPv4 address that came over IPv6 as the IPv4 address that it is.
func unmap(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}
