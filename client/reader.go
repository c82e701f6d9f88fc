package client

import (
	"errors"
	"fmt"
	"os"
	"time"
)

// read is the reader: it believes whole answers that can be true, and ends with the
// connection. It closes the socket, so that a write that is stuck ends too.
func (s *session) read() {
	s.err = s.readAnswers()
	close(s.over) // first: who fails for the closed socket finds the reason
	_ = s.conn.Close()
}

func (s *session) readAnswers() error {
	deadline := ackDeadline{limit: s.c.opt.AckTimeout}
	for {
		if deadline.limit > 0 {
			if err := s.conn.SetReadDeadline(time.Now().Add(deadline.limit)); err != nil {
				return err
			}
		}
		n, err := s.conn.Read(s.in.space())
		s.in.took(n)
		for {
			ans, ok, err := s.in.next()
			if err != nil {
				return fmt.Errorf("%w: %w", ErrProtocol, err)
			}
			if !ok {
				break
			}
			if err := s.believe(ans); err != nil {
				return err
			}
		}
		switch {
		case err == nil:
			deadline.heard()
		case deadline.limit > 0 && errors.Is(err, os.ErrDeadlineExceeded):
			if deadline.over(s.c) {
				return ErrAckTimeout
			}
		default:
			return err
		}
	}
}

// believe acts on an answer, if it can be true.
func (s *session) believe(ans answer) error {
	if ans.Rejected > 0 && ans.Reason == unauthorized {
		return ErrUnauthorized
	}
	c := s.c
	c.mu.Lock()
	acked, begun := c.window.acked, c.window.begun
	c.mu.Unlock()
	if ans.Rejected > 0 {
		seq := s.base + ans.Rejected
		if ans.Rejected > begun-s.base || seq <= acked {
			return fmt.Errorf("%w: record %d rejected, with %d acked and %d sent", ErrProtocol, ans.Rejected, acked-s.base, begun-s.base)
		}
		s.reject(seq, ans.Reason)
		return nil
	}
	seq := s.base + ans.Acked
	if ans.Acked > begun-s.base || seq < acked {
		return fmt.Errorf("%w: %d records acked, after %d of %d sent", ErrProtocol, ans.Acked, acked-s.base, begun-s.base)
	}
	if c.opt.OnAck != nil && seq > acked {
		c.opt.OnAck(seq)
	}
	c.completeUpTo(seq)
	return nil
}

func (s *session) reject(seq uint64, reason string) {
	c := s.c
	c.mu.Lock()
	a, b, first := c.window.reject(seq)
	if first {
		c.stats.Rejected++
		for _, f := range c.flushes {
			if f.seq == seq {
				f.reason = reason
			}
		}
	}
	c.mu.Unlock()
	if !first || c.opt.OnReject == nil {
		return
	}
	if len(b) > 0 {
		a = append(a[:len(a):len(a)], b...) // it lay across the window's end
	}
	c.opt.OnReject(seq, a, reason)
}

// completeUpTo moves acked and wakes who waited for it.
func (c *Client) completeUpTo(seq uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.window.ack(seq)
	c.cause = nil
	c.signalRoom()
	open := c.flushes[:0]
	for _, f := range c.flushes {
		if f.seq <= seq {
			close(f.done)
		} else {
			open = append(open, f)
		}
	}
	clear(c.flushes[len(open):])
	c.flushes = open
	if c.closed && seq == c.window.queued {
		c.wakeWriter()
	}
}

// ackDeadline is AckTimeout: over when records were waiting at two deadlines in a row
// and nothing was heard between.
type ackDeadline struct {
	limit  time.Duration
	missed bool
}

func (d *ackDeadline) heard() { d.missed = false }

func (d *ackDeadline) over(c *Client) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	waiting := c.window.begun > c.window.acked
	over := waiting && d.missed
	d.missed = waiting
	return over
}
