package server

import (
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// limiter lets one log line a second through, and counts the others. What clients do must not fill
// the log, and lines that are not written must cost little.
type limiter struct {
	next       atomic.Int64 // served time from which on a line may be written
	suppressed atomic.Int64
}

const limiterInterval = int64(time.Second)

// pass returns whether a line about n events may be written now, and how many were suppressed since
// the last.
func (t *limiter) pass(now int64, n int) (suppressed int64, ok bool) {
	next := t.next.Load()
	if now < next || !t.next.CompareAndSwap(next, now+limiterInterval) {
		t.suppressed.Add(int64(n))
		return 0, false
	}
	return t.suppressed.Swap(0) + int64(n-1), true
}

// limitedLog has a limiter for each kind of warning, so that no kind hides another.
type limitedLog struct {
	log   *slog.Logger
	clock *servedClock
	kinds sync.Map // of *limiter, by kind
}

// kind is of a message, and its reason if it has one. Both are from closed sets.
type kind struct{ message, reason string }

// warn warns of one event. reason is one of the message's keys, "" where it has none.
func (l *limitedLog) warn(message, reason string, args ...any) {
	limit, _ := l.kinds.LoadOrStore(kind{message, reason}, new(limiter))
	suppressed, ok := limit.(*limiter).pass(l.clock.now(), 1)
	if !ok {
		return
	}
	if reason != "" {
		args = append([]any{"reason", reason}, args...)
	}
	l.write(message, suppressed, args)
}

// write writes a line that a limiter has let through.
func (l *limitedLog) write(message string, suppressed int64, args []any) {
	if suppressed > 0 {
		args = append(args, "suppressed", suppressed)
	}
	l.log.Warn(message, args...)
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
