package server

import (
	"fmt"
	"log/slog"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/ringtail/ringtail/codec"
)

// throttle lets one log line a second through, and counts the others. What clients do must not fill
// the log, and lines that are not written must cost little.
type throttle struct {
	log        *slog.Logger
	clock      *servedClock
	next       atomic.Int64 // served time from which on a line may be written
	suppressed atomic.Int64
}

const throttleInterval = int64(time.Second)

func (t *throttle) warn(msg string, args ...any) {
	if n, ok := t.pass(); ok {
		if n > 0 {
			args = append(args, "suppressed", n)
		}
		t.log.Warn(msg, args...)
	}
}

// pass returns whether a line may be written now, and how many were suppressed since the last.
func (t *throttle) pass() (suppressed int64, ok bool) {
	now, next := t.clock.now(), t.next.Load()
	if now < next || !t.next.CompareAndSwap(next, now+throttleInterval) {
		t.suppressed.Add(1)
		return 0, false
	}
	return t.suppressed.Swap(0), true
}

// samples logs one of the rejected records now and then, so that the operator sees what is wrong
// with them. A client's bytes are quoted, and cut.
type samples struct {
	throttle          // of records
	streams  throttle // of broken streams: another client's bad record does not hide them
	tokens   throttle // of what comes in place of a token
}

const sampleBytes = 64

func (s *samples) record(c *conn, rec *codec.Record) {
	if n, ok := s.pass(); ok {
		args := []any{"reason", rec.Reason.String(), "remote", c.remoteString(),
			"bytes", rec.Size, "sample", quoteCut(rec.Data), "suppressed", n}
		if !c.dec.Accepted() && rec.Reason < codec.NotObject { // not JSON, and nothing before it was
			args = append(args, "looks_like", codec.LooksLike(rec.Data))
		}
		s.log.Warn("server: record rejected", args...)
	}
}

func (s *samples) stream(c *conn) {
	if n, ok := s.streams.pass(); ok {
		s.log.Warn("server: connection closed, its stream cannot be followed", "reason", c.dec.Failure().String(),
			"looks_like", codec.LooksLike(c.dec.Offending()), "remote", c.remoteString(), "sample", quoteCut(c.dec.Offending()),
			"suppressed", n)
	}
}

// token says nothing of what was sent: it may be a token that is right elsewhere, or was.
func (s *samples) token(c *conn) {
	n, ok := s.tokens.pass()
	if !ok {
		return
	}
	args := []any{"remote", c.remoteString(), "suppressed", n}
	if f := c.dec.Failure(); f != codec.NoToken {
		args = append(args, "looks_like", codec.LooksLike(c.dec.Offending()))
	}
	s.log.Warn("server: connection closed, it did not begin with a token that --token-file has", args...)
}

func (s *samples) tls(c *conn) {
	if n, ok := s.streams.pass(); ok {
		s.log.Warn("server: connection closed, its TLS cannot be followed", "remote", c.remoteString(),
			"error", c.tls.err, "suppressed", n)
	}
}

func quoteCut(b []byte) string {
	return strconv.QuoteToASCII(string(b[:min(len(b), sampleBytes)]))
}

// gnetLogger passes on at debug level what gnet logs. No warning of gnet's concerns an operator,
// and its errors are returned to us as well.
type gnetLogger struct{ log *slog.Logger }

func (g gnetLogger) debug(format string, args []any) {
	g.log.Debug("gnet: " + fmt.Sprintf(format, args...))
}

func (g gnetLogger) Debugf(format string, args ...any) {}
func (g gnetLogger) Infof(format string, args ...any)  {}
func (g gnetLogger) Warnf(format string, args ...any)  { g.debug(format, args) }
func (g gnetLogger) Errorf(format string, args ...any) { g.debug(format, args) }
func (g gnetLogger) Fatalf(format string, args ...any) { g.debug(format, args) }
