// Package httpd is the HTTP server of the ports for people, probes and Prometheus. It lives in
// a process that has better things to do with its descriptors, so everything in it is bounded:
//
//	connections   ConnectionsMax; at it, the one that has been quiet longest is closed
//	a request     10 s until it is read, 30 s more until its response is written
//	quiet         60 s
//
// A port responds to those who ask it by a name that is its own, and where it has tokens, to those who
// have one (guard.go). It may speak TLS.
package httpd

import (
	"context"
	"crypto/tls"
	"errors"
	"log"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/ringtail/ringtail/internal/reload"
	"github.com/ringtail/ringtail/internal/tokens"
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
	bare   net.Listener // ln without TLS
	http   http.Server
	cancel context.CancelFunc // of all requests
	served chan struct{}      // closed when no connection is accepted any more
	conns  conns

	scheme   string
	loopback bool
}

// Options of a port.
type Options struct {
	Address string          // HOST:PORT
	Socket  *os.File        // a socket at this address that is listened on already; nil: there is none
	Gate    <-chan struct{} // nobody is accepted until it is closed; nil: at once

	Hosts    []string // names of this port, beside localhost, the machine's and that of Address
	HostFlag string   // what would let another name in; for the text that refuses it

	Tokens *reload.Value[*tokens.Set] // nil: everybody may ask
	Open   []string                   // paths that want no token

	TLS *tls.Config // nil: no TLS

	Refused  func(reason string) // hears of each request that was refused: one of Reasons; may be nil
	ErrorLog *log.Logger         // what goes wrong later, a line a second at most
}

// Serve listens and serves h until Close.
func Serve(o Options, h http.Handler) (*Server, error) { return serve(o, h, ordinary) }

func serve(o Options, h http.Handler, t timeouts) (*Server, error) {
	ln, err := o.listen()
	if err != nil {
		return nil, err
	}
	bare := ln
	at, _ := ln.Addr().(*net.TCPAddr)
	scheme := "http"
	if o.TLS != nil {
		scheme = "https"
		// http.Server limits the time of a handshake as that of a request. HTTP/2 is not offered: its
		// streams would be many requests on one of the few connections.
		ln = tls.NewListener(ln, o.TLS)
	}
	errorLog := oneASecond(o.ErrorLog)
	ctx, cancel := context.WithCancel(context.Background())
	s := &Server{ln: ln, bare: bare, cancel: cancel, served: make(chan struct{}), scheme: scheme, loopback: at.IP.IsLoopback()}
	s.conns.quiet = map[net.Conn]time.Time{}
	s.http = http.Server{
		Handler:        o.guard(h),
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
func (s *Server) URL() string { return s.scheme + "://" + s.ln.Addr().String() }

// Loopback tells whether none but this machine reaches the port.
func (s *Server) Loopback() bool { return s.loopback }

// finishLimit is how long Close waits for responses to be written.
const finishLimit = time.Second

// Close ends the port. Requests are cancelled, and what is written of responses then still goes out:
// a handler's return is not the end of its response. It returns when no handler runs any more.
func (s *Server) Close() {
	s.cancel()
	ctx, cancel := context.WithTimeout(context.Background(), finishLimit)
	defer cancel()
	_ = s.http.Shutdown(ctx)
	_ = s.http.Close()
	<-s.served
	s.conns.close() // those that were accepted while http.Server closed the ones that it knew
	s.conns.open.Wait()
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
