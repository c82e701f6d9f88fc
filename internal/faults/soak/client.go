package soak

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ringtail/ringtail/wire"
)

// client is one connection of a fleet and those that replace it.
//
// A connection carries the records from the first that is not acked on, without
// a gap. Before the next is made the last one's reader has ended, so acked does
// not move between; and only then does the try's number.
type client struct {
	fleet  *Fleet
	conn   int
	length bool // framing: length; else newline

	begun  atomic.Uint64 // latest record of which a byte may have left
	acked  atomic.Uint64 // records up to here are done, says the server
	try    atomic.Uint32 // number of connections made
	resent atomic.Uint64 // records sent that had been begun on an earlier connection

	mu     sync.Mutex
	socket net.Conn // nil between connections

	buffer []byte
}

const (
	dialPatience = 10 * time.Second
	redial       = 50 * time.Millisecond
	redialMost   = 500 * time.Millisecond
	sendInterval = 20 * time.Millisecond // between looks at what is due
	burst        = 64 << 10              // bytes written at once
)

// run ends when all is acked after Finish, or with the context.
func (c *client) run(ctx context.Context) {
	wait := redial
	for ctx.Err() == nil && !c.finished() {
		before := c.acked.Load()
		if socket, err := (&net.Dialer{Timeout: dialPatience}).DialContext(ctx, "tcp", c.fleet.options.Target()); err == nil {
			c.session(ctx, socket)
		}
		if wait = min(2*wait, redialMost); c.acked.Load() > before {
			wait = redial
		}
		if !c.finished() {
			sleep(ctx, wait)
		}
	}
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// finished tells whether there is nothing left to do.
func (c *client) finished() bool {
	return c.finishing() && c.acked.Load() == c.begun.Load()
}

func (c *client) finishing() bool {
	select {
	case <-c.fleet.finish:
		return true
	default:
		return false
	}
}

func (c *client) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if tcp, ok := c.socket.(*net.TCPConn); ok {
		tcp.SetLinger(0) // so that the close becomes a reset
		tcp.Close()
	}
}

// session uses one connection up.
func (c *client) session(ctx context.Context, socket net.Conn) {
	c.mu.Lock()
	c.socket = socket
	c.mu.Unlock()
	defer context.AfterFunc(ctx, func() { socket.Close() })()
	if c.try.Add(1) > maxTry {
		c.fleet.fail(fmt.Errorf("soak: connection %d was made %d times", c.conn, maxTry))
	}
	base := c.acked.Load()
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		if err := c.read(socket, base); err != nil {
			c.fleet.fail(fmt.Errorf("soak: connection %d: %w", c.conn, err))
		}
	}()
	broken := c.send(socket, base+1, gone)
	if broken {
		// What the server said before the end counts; it may say no more for long.
		socket.SetReadDeadline(time.Now().Add(time.Second))
	}
	<-gone
	c.mu.Lock()
	socket.Close()
	c.socket = nil
	c.mu.Unlock()
}

// send sends what is due from the record `next` on, until the connection
// breaks, or until everything is sent and half-closed after Finish.
func (c *client) send(socket net.Conn, next uint64, gone <-chan struct{}) (broken bool) {
	before := c.begun.Load() // on earlier connections
	tick := time.NewTicker(sendInterval)
	defer tick.Stop()
	for {
		until := min(c.fleet.due(), c.acked.Load()+c.fleet.options.Window)
		if c.finishing() {
			if until = c.begun.Load(); next > until {
				return socket.(*net.TCPConn).CloseWrite() != nil
			}
		}
		if next <= until {
			var err error
			if next, err = c.write(socket, next, until, before); err != nil {
				return true
			}
			continue
		}
		select {
		case <-gone:
			return true
		case <-tick.C:
		}
	}
}

// write sends some of the records from next to until and returns the one
// after them.
func (c *client) write(socket net.Conn, next, until, before uint64) (uint64, error) {
	c.buffer = c.buffer[:0]
	id := ID{Conn: c.conn, Seq: next, Try: c.try.Load()}
	for ; id.Seq <= until && len(c.buffer) < burst; id.Seq++ {
		if id.Seq <= before {
			c.resent.Add(1)
		}
		c.buffer = c.frame(c.buffer, id)
	}
	c.begun.Store(max(c.begun.Load(), id.Seq-1)) // first: it may be in Kafka before Write returns
	_, err := socket.Write(c.buffer)
	return id.Seq, err
}

func (c *client) frame(dst []byte, id ID) []byte {
	if !c.length {
		return append(c.fleet.maker.Append(dst, id), '\n')
	}
	at := len(dst)
	dst = c.fleet.maker.Append(append(dst, 0, 0, 0, 0), id)
	binary.BigEndian.PutUint32(dst[at:], uint32(len(dst)-at-4))
	return dst
}

// read takes acks to the connection's end. It returns an error only where the
// server broke the protocol.
func (c *client) read(socket net.Conn, base uint64) error {
	framing := wire.Newline
	if c.length {
		framing = wire.Length
	}
	for answers := (wire.Answers{Framing: framing}); ; {
		answer, err := answers.Read(socket)
		var network net.Error
		switch {
		case err == io.EOF, err == io.ErrUnexpectedEOF, errors.As(err, &network):
			return nil // broken, as it happens here
		case err != nil:
			return err
		case answer.Rejected > 0:
			return fmt.Errorf("record %d was rejected: %s", base+answer.Rejected, answer.Reason)
		}
		acked := base + answer.Acked
		if begun := c.begun.Load(); acked > begun || acked < c.acked.Load() {
			return fmt.Errorf("ack of record %d after one of %d, with %d sent", acked, c.acked.Load(), begun)
		}
		c.acked.Store(acked)
	}
}
