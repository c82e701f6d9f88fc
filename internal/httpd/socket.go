package httpd

import (
	"context"
	"net"
	"time"
)

// listen opens the port, or takes the socket of another process.
func (o *Options) listen() (net.Listener, error) {
	var ln net.Listener
	var err error
	if o.Socket != nil {
		ln, err = net.FileListener(o.Socket) // on a duplicate
		_ = o.Socket.Close()
	} else {
		ln, err = net.Listen("tcp", o.Address)
	}
	if err != nil || o.Gate == nil {
		return ln, err
	}
	return gated{ln, o.Gate, make(chan struct{})}, nil
}

// gated is a listener that accepts nobody before its gate is open: until then another process, which
// has the same socket, does.
type gated struct {
	net.Listener
	gate   <-chan struct{}
	closed chan struct{}
}

// Accept is net.Listener's.
func (g gated) Accept() (net.Conn, error) {
	select {
	case <-g.gate:
		return g.Listener.Accept()
	case <-g.closed:
		return nil, net.ErrClosed
	}
}

// Close is net.Listener's.
func (g gated) Close() error {
	if err := g.Listener.Close(); err != nil {
		return err // closed before
	}
	close(g.closed)
	return nil
}

// Listener is what the port is listened on by.
func (s *Server) Listener() net.Listener {
	if g, ok := s.bare.(gated); ok {
		return g.Listener
	}
	return s.bare
}

const yieldTime = 2 * time.Second

// Yield ends the port for the sake of a process that has its socket, too: requests that are under way
// get their response, if that does not take long.
func (s *Server) Yield() {
	ctx, cancel := context.WithTimeout(context.Background(), yieldTime)
	defer cancel()
	_ = s.http.Shutdown(ctx)
	s.Close()
}
