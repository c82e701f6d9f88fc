// Package httpd is the HTTP server of the ports for people, probes and Prometheus. It lives in
// a process that has better things to do with its descriptors, so everything in it is bounded:
//
//	connections   ConnectionsMax; at it, the one that has been quiet longest is closed
//	a request     10 s until it is read, 30 s more until its response is written
//	quiet         60 s
//
// These ports have no password. One that listens on loopback is meant for this machine alone, and
// a web page must not get in by a name of its own that resolves to 127.0.0.1 (DNS rebinding): such
// a port responds only to requests for this machine. A port that listens elsewhere is reached by
// names that only its network knows, so it takes any.
package httpd

import (
	"context"
	"errors"
	"log"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// ConnectionsMax is how many connections a port has at most. While the newest replaces another
// there is one more for a moment.
const ConnectionsMax = 64

// timeouts of a connection.
type timeouts struct{ read, write, quiet time.Duration }

var ordinary = timeouts{read: 10 * time.Second, write: 30 * time.Second, quiet: time.Minute}

// Server is a port that is served.
type Server struct {
	ln     net.Listener
	http   http.Server
	cancel context.CancelFunc // of all requests
	served chan struct{}      // closed when no connection is accepted any more
	conns  conns
}

// Serve listens at HOST:PORT and serves h until Close. What goes wrong later is told to errorLog.
func Serve(address string, h http.Handler, errorLog *log.Logger) (*Server, error) {
	return serve(address, h, errorLog, ordinary)
}

func serve(address string, h http.Handler, errorLog *log.Logger, t timeouts) (*Server, error) {
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	if at, ok := ln.Addr().(*net.TCPAddr); ok && at.IP.IsLoopback() {
		h = thisMachineOnly(h)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &Server{ln: ln, cancel: cancel, served: make(chan struct{})}
	s.conns.quiet = map[net.Conn]time.Time{}
	s.http = http.Server{
		Handler:        h,
		ReadTimeout:    t.read,
		WriteTimeout:   t.write, // net/http/pprof adds the seconds that it is asked for
		IdleTimeout:    t.quiet,
		MaxHeaderBytes: 64 << 10,
		ErrorLog:       errorLog,
		ConnState:      s.conns.changed,
		BaseContext:    func(net.Listener) context.Context { return ctx },
	}
	go func() {
		defer close(s.served)
		if err := s.http.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			errorLog.Printf("the HTTP port %s has ended: %v", ln.Addr(), err)
		}
	}()
	return s, nil
}

// URL is where the port is.
func (s *Server) URL() string { return "http://" + s.ln.Addr().String() }

// Close ends the port. It returns when no handler runs any more.
func (s *Server) Close() {
	s.cancel()
	_ = s.http.Close()
	<-s.served
	s.conns.close() // those that were accepted while http.Server closed the ones that it knew
	s.conns.open.Wait()
}

// thisMachineOnly refuses requests for hosts that are not this machine.
func thisMachineOnly(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isThisMachine(r.Host) {
			http.Error(w, "this port is for this machine only: ask for localhost or 127.0.0.1, or let it listen on another address",
				http.StatusMisdirectedRequest)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// isThisMachine tells whether a Host header, with or without port, means loopback. None at all is
// well: HTTP/1.0 probes send none, browsers always do.
func isThisMachine(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if host == "" || strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// conns are the connections of a server.
type conns struct {
	open sync.WaitGroup

	mu    sync.Mutex
	quiet map[net.Conn]time.Time // since when there is no request; zero: there is one
}

// changed is http.Server.ConnState. Every connection is told as new before Serve returns, and as
// closed when its last handler has returned.
func (c *conns) changed(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, known := c.quiet[conn]
	switch state {
	case http.StateNew:
		c.open.Add(1)
		c.quiet[conn] = time.Now()
		if len(c.quiet) > ConnectionsMax {
			c.closeQuietest()
		}
	case http.StateActive:
		if known {
			c.quiet[conn] = time.Time{}
		}
	case http.StateIdle:
		if known {
			c.quiet[conn] = time.Now()
		}
	case http.StateClosed:
		delete(c.quiet, conn)
		c.open.Done()
	}
}

// closeQuietest makes room: the longest quiet one goes, which is the newest where all others
// have a request.
func (c *conns) closeQuietest() {
	var quietest net.Conn
	for conn, since := range c.quiet {
		if !since.IsZero() && (quietest == nil || since.Before(c.quiet[quietest])) {
			quietest = conn
		}
	}
	_ = quietest.Close()
	delete(c.quiet, quietest)
}

func (c *conns) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.quiet {
		_ = conn.Close()
	}
}
