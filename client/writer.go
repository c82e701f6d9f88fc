package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"
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
	for at := 0; c.work(); at = (at + 1) % len(c.opt.endpoints) {
		before := c.acked()
		end := &c.opt.endpoints[at]
		err := c.session(end)
		if c.acked() > before {
			pause.reset()
		}
		left := c.ended(end, err)
		if left == 0 {
			continue
		}
		c.opt.Logger.Warn("connection ended", "address", end.address, "unacked", left, "cause", err)
		if c.givesUp(err) || !c.sleep(pause.next()) {
			return
		}
	}
}

// endpointState is what the latest attempt at an endpoint came to.
type endpointState uint8

const (
	untried endpointState = iota
	away                  // no connection, or one that ended by itself
	refuses               // it took a connection and did not greet, or refused the token, or is not trusted
	greeted               // it has greeted once: from then on what goes wrong is an outage
)

// note keeps what an attempt has come to.
func (end *endpoint) note(err error) {
	switch {
	case end.state == greeted:
	case errors.Is(err, ErrNoAcks), errors.Is(err, ErrUnauthorized), errors.Is(err, ErrProtocol), refusedTLS(err):
		end.state = refuses
	default:
		end.state = away
	}
}

// refusedTLS tells whether TLS has failed by what no patience mends: one side does not trust the other,
// or the server does not speak it.
func refusedTLS(err error) bool {
	var untrusted *tls.CertificateVerificationError
	var foreign tls.RecordHeaderError
	var alert *net.OpError
	return errors.As(err, &untrusted) || errors.As(err, &foreign) || errors.As(err, &alert) && alert.Op == "remote error"
}

// givesUp ends the Client with the cause err if every server of Address refuses it. One that is away
// may come back, and is waited for.
func (c *Client) givesUp(err error) bool {
	for i := range c.opt.endpoints {
		if c.opt.endpoints[i].state != refuses {
			return false
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fatal = err
	return true
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

// ended is called when a connection has ended or could not be made. It returns how many records are
// still to be acked.
func (c *Client) ended(end *endpoint, err error) uint64 {
	end.note(err)
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
	in   answers       // reader
	err  error         // why the reader ended; readable once over is closed
	over chan struct{} // closed when the reader has ended
}

// session uses one connection up. nil: Close was called, and everything is acked.
func (c *Client) session(end *endpoint) error {
	limit, cancel := context.WithTimeout(c.ctx, c.opt.ConnectTimeout)
	defer cancel()
	conn, err := end.dial(limit)
	if err != nil {
		return fmt.Errorf("client: connect to %s: %w", end.address, err)
	}
	s := &session{c: c, conn: conn, base: c.acked(), over: make(chan struct{})}
	s.in.framing = c.opt.Framing
	defer context.AfterFunc(c.ctx, func() { _ = conn.Close() })()
	if err := s.greet(limit); err != nil {
		_ = conn.Close()
		return fmt.Errorf("client: %s: %w", end.address, inner{err})
	}
	end.state = greeted
	c.mu.Lock()
	c.stats.Connects++
	c.mu.Unlock()
	c.opt.Logger.Info("connected", "address", end.address)
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

// greet shows the token, sends a blank record, and waits for the answer that only a server gives that
// acks. No record is sent before.
func (s *session) greet(limit context.Context) error {
	deadline, _ := limit.Deadline()
	if err := s.conn.SetDeadline(deadline); err != nil {
		return err
	}
	_, failed := s.conn.Write(hello(s.c.opt.Framing, s.c.opt.Token)) // the answer may be why
	for {
		ans, ok, err := s.in.next()
		switch {
		case err != nil:
			return fmt.Errorf("%w: %w", ErrProtocol, err)
		case ok && ans.Reason == unauthorized:
			return ErrUnauthorized
		case ok && ans != answer{}:
			return fmt.Errorf("%w: %+v, and no record was sent", ErrProtocol, ans)
		case ok:
			return s.conn.SetDeadline(time.Time{})
		}
		n, err := s.conn.Read(s.in.space())
		s.in.took(n)
		switch {
		case n > 0:
		case errors.Is(err, os.ErrDeadlineExceeded) && failed == nil:
			return ErrNoAcks
		case failed != nil:
			return failed
		case err != nil:
			return err
		}
	}
}

// errOver says that the reader has ended; session.err says why.
var errOver = errors.New("client: connection over")

func (s *session) write() error {
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
	c.stats.Resent += uint64(sp.again)
	c.stats.Bytes += uint64(len(sp.a) + len(sp.b))
	c.window.wrote()
	c.signalRoom()
	c.mu.Unlock()
	return nil
}

// explain says why a connection ended that the reader saw end.
func (c *Client) explain(err error) error {
	c.mu.Lock()
	left := c.window.queued - c.window.acked
	c.mu.Unlock()
	switch {
	case errors.Is(err, ErrProtocol), errors.Is(err, ErrAckTimeout), errors.Is(err, ErrUnauthorized):
		return err
	case !errors.Is(err, io.EOF):
		return fmt.Errorf("client: read: %w", err)
	}
	return fmt.Errorf("client: the server closed the connection, %d records not acked: %w", left, err)
}
