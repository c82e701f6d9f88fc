package server

import (
	"log/slog"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/ringtail/ringtail/codec"
)

// throttle lets one log line a second through, and counts the others: what clients
// do must not fill the log, and must cost little when it does not.
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

// pass answers whether a line may be written now, and how many were not since the
// last.
func (t *throttle) pass() (suppressed int64, ok bool) {
	now, next := t.clock.now(), t.next.Load()
	if now < next || !t.next.CompareAndSwap(next, now+throttleInterval) {
		t.suppressed.Add(1)
		return 0, false
	}
	return t.suppressed.Swap(0), true
}

// samples writes one of the rejected records now and then, so that whoever runs
// this sees what is wrong with them. A client's bytes are quoted, and cut.
type samples struct {
	throttle          // of records
	streams  throttle // an ended connection is not hidden by another's bad record
}

const sampleBytes = 64

func (s *samples) record(c *conn, rec *codec.Record) {
	if n, ok := s.pass(); ok {
		args := []any{"reason", rec.Reason.String(), "remote", c.remoteString(),
			"bytes", rec.Size, "sample", quoteCut(rec.Data), "suppressed", n}
		if !c.dec.Accepted() && rec.Reason < codec.NotObject { // no JSON, and nothing before was any
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

func quoteCut(b []byte) string {
	return strconv.QuoteToASCII(string(b[:min(len(b), sampleBytes)]))
}
