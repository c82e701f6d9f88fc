package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/ringtail/ringtail/wire"
)

// The writer is one goroutine for the Client's life:
//
//	         ┌───────────────── nothing to send ◄──────────────┐
//	         ▼                                                 │ connection ended,
//	idle ── a record ──► connect ──► session ── Close: all acked ──► ended
//	                        ▲           │                      │
//	                        └─ back-off ◄── connection ended ──┘ something not acked
//
// In a session it writes what is queued, half-closes when Close was called and all is
// written, and otherwise sleeps until it is woken or the reader ends. The reader ends
// when the connection does, and closes the socket, which ends a write that is stuck.

const (
	// writeBytes is how much is written at a time: more saves nothing, and an acked
	// frame gives no room before the write it is part of has returned.
	writeBytes = 64 << 10
	// readAfterFailure is for how long answers are still read after a write has failed: each record
	// that they ack is not sent twice.
	readAfterFailure = time.Second
)

func (c *Client) run() {
	defer close(c.done)
	defer c.abort()
	pause := backoff{least: c.opt.BackoffMin, most: c.opt.BackoffMax}
	for attempt := 0; c.work(); attempt++ {
		if f := c.opt.Hooks.Reconnect; attempt > 0 && f != nil {
			f(c.latestCause())
		}
		before := c.acked()
		err := c.session()
		if c.acked() > before {
			pause.reset()
		}
		if left := c.ended(err); left > 0 && !c.sleep(pause.next()) {
			return
		}
	}
}

// work waits until there is a record to be acked; false: there will be none.
func (c *Client) work() bool {
	for {
		c.mu.Lock()
		if c.ctx.Err() != nil {
			c.mu.Unlock()
			return false
		}
		if c.window.acked < c.window.queued {
			c.mu.Unlock()
			return true
		}
		if c.closed {
			c.mu.Unlock()
			return false
		}
		c.idle = true
		c.mu.Unlock()
		<-c.wake
	}
}

// sleep waits before the next attempt; false: Close has given up.
func (c *Client) sleep(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-c.ctx.Done():
		return false
	}
}

func (c *Client) acked() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.window.acked
}

func (c *Client) latestCause() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cause
}

// ended is called when a connection has ended or could not be made. It returns how many records are
// still to be acked.
func (c *Client) ended(err error) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cause = err
	c.window.rewind()
	c.signalRoom()
	return c.window.queued - c.window.acked
}

// signalRoom tells the Send that waits, if there is one, to look again. mu is held.
func (c *Client) signalRoom() {
	if c.waiting > 0 {
		poke(c.room)
	}
}

// session is one connection. Everything of it but the socket, and what has a note, is
// its reader's.
type session struct {
	c    *Client
	conn net.Conn
	base uint64        // acked when it was made: its first record is base + 1
	in   wire.Answers  // reader
	err  error         // why the reader ended; readable once over is closed
	over chan struct{} // closed when the reader has ended
}

// session uses one connection up. nil: Close was called, and everything is acked.
func (c *Client) session() error {
	dial, cancel := context.WithTimeout(c.ctx, c.opt.DialTimeout)
	conn, err := c.opt.Dial(dial)
	cancel()
	if err != nil {
		return fmt.Errorf("client: connect: %w", err)
	}
	s := &session{c: c, conn: conn, base: c.acked(), over: make(chan struct{})}
	s.in.Framing = c.opt.Framing
	defer context.AfterFunc(c.ctx, func() { _ = conn.Close() })()
	go s.read()
	err = s.write()
	if err == nil {
		_ = conn.Close()
		<-s.over
		return nil
	}
	t := time.AfterFunc(readAfterFailure, func() { _ = conn.Close() })
	<-s.over
	t.Stop()
	if !errors.Is(err, errOver) {
		return fmt.Errorf("client: write: %w", err)
	}
	return c.explain(s.err)
}

// errOver says that the reader has ended; session.err says why.
var errOver = errors.New("client: connection over")

func (s *session) write() error {
	if o := &s.c.opt; o.Token != "" {
		if _, err := s.conn.Write(wire.AppendToken(nil, o.Framing, o.Token)); err != nil {
			return s.prefer(err)
		}
	}
	half := false
	for {
		sp, done, last := s.c.next()
		switch {
		case sp.last > 0:
			if err := s.writeSpan(sp); err != nil {
				return s.prefer(err)
			}
		case done:
			return nil
		case last && !half:
			half = true
			if h, ok := s.conn.(interface{ CloseWrite() error }); ok {
				if err := h.CloseWrite(); err != nil {
					return s.prefer(err)
				}
			}
		default:
			select {
			case <-s.c.wake:
			case <-s.over:
				return errOver
			}
		}
		if isClosed(s.over) {
			return errOver
		}
	}
}

// prefer makes the reader's reason win where it was first: the write then failed
// because the reader closed the socket.
func (s *session) prefer(err error) error {
	if isClosed(s.over) {
		return errOver
	}
	return err
}

func isClosed(ch chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

// next is what the writer is to do: write a span; or, if it is empty, end because
// everything is done, or half-close because everything is written, or sleep.
func (c *Client) next() (sp span, done, last bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	sp = c.window.begin(writeBytes)
	if sp.last > 0 {
		return sp, false, false
	}
	c.idle = true
	return sp, c.closed && c.window.acked == c.window.queued, c.closed
}

func (s *session) writeSpan(sp span) error {
	h := &s.c.opt.Hooks
	if h.Sent != nil && sp.fresh > 0 {
		h.Sent(sp.fresh)
	}
	if h.Resent != nil && sp.again > 0 {
		h.Resent(sp.again)
	}
	for _, p := range [2][]byte{sp.a, sp.b} {
		if len(p) == 0 {
			continue
		}
		if _, err := s.conn.Write(p); err != nil {
			return err
		}
	}
	c := s.c
	c.mu.Lock()
	c.window.wrote()
	c.signalRoom()
	c.mu.Unlock()
	return nil
}

// explain says why a connection ended that the reader saw end.
func (c *Client) explain(err error) error {
	c.mu.Lock()
	left, base := c.window.queued-c.window.acked, c.window.acked
	c.mu.Unlock()
	switch {
	case errors.Is(err, ErrProtocol), errors.Is(err, ErrAckTimeout), errors.Is(err, ErrUnauthorized):
		return err
	case !errors.Is(err, io.EOF):
		return fmt.Errorf("client: read: %w", err)
	case base == 0 && left > 0:
		return fmt.Errorf("client: the server closed the connection and has never acked a record (is it set to --ack kafka?): %w", err)
	}
	return fmt.Errorf("client: the server closed the connection, %d records not acked: %w", left, err)
}
