package soak

import (
	"context"
	"sync/atomic"
	"time"
)

// Auditor holds the server to its acks: see the package's comment.
type Auditor struct {
	fleet   *Fleet
	reader  *Reader
	checker *Checker
	audits  atomic.Int64
	behind  atomic.Int64
}

// askPatience is how long Kafka may take to name its ends, which it cannot
// while a leader is away; then the audit begins anew.
const askPatience = 5 * time.Second

// Audit audits again and again, until the context ends.
func Audit(ctx context.Context, fleet *Fleet, reader *Reader, checker *Checker, every time.Duration) *Auditor {
	a := &Auditor{fleet: fleet, reader: reader, checker: checker}
	go func() {
		for ctx.Err() == nil {
			a.Once(ctx)
			sleep(ctx, every)
		}
	}()
	return a
}

// Audits is how many were carried through.
func (a *Auditor) Audits() int64 { return a.audits.Load() }

// Behind is how far the reader was behind Kafka when it was last asked.
func (a *Auditor) Behind() int64 { return a.behind.Load() }

// Once carries out one audit. It is false if Kafka did not name its ends, or if
// the reader has given up.
func (a *Auditor) Once(ctx context.Context) bool {
	acked := a.fleet.Acked() // first: Kafka has these, so its ends are behind them
	asking, cancel := context.WithTimeout(ctx, askPatience)
	ends, err := a.reader.Ends(asking)
	cancel()
	if err != nil {
		return false
	}
	a.behind.Store(a.reader.Behind(ends))
	for a.reader.Behind(ends) > 0 {
		sleep(ctx, 20*time.Millisecond)
		if ctx.Err() != nil || a.reader.Err() != nil {
			return false
		}
	}
	for conn, n := range acked {
		a.checker.Audit(conn, n)
	}
	a.audits.Add(1)
	return true
}
