package server

import (
	"sync/atomic"
	"time"
)

// servedClock is served time, by which deadlines run: the time during which this process was there
// to read. The ticker adds what has passed since its last tick, but never more than two ticks. So a
// process that was frozen for a minute, or starved, wakes up two ticks later, and no deadline has
// passed while it was away.
//
// Deadlines may be late, never early. A tick may be long ago, so what begins to age is stamped with
// the latest time that the next tick may bring. Ticks are rarer while nothing is read.
type servedClock struct {
	ns    atomic.Int64
	every atomic.Int64 // until the next tick, ns
	last  time.Time    // the ticker's
}

const (
	ticksWorth        = 2 // the most that a tick adds, in intervals
	tickInterval      = 100 * time.Millisecond
	tickIntervalDrain = 10 * time.Millisecond
	tickIntervalQuiet = 500 * time.Millisecond
)

func (k *servedClock) now() int64 { return k.ns.Load() }

// stamp is the time for what begins to age now.
func (k *servedClock) stamp() int64 { return k.ns.Load() + ticksWorth*k.every.Load() }

func (k *servedClock) tick(now time.Time, interval time.Duration) {
	k.ns.Add(int64(min(max(now.Sub(k.last), 0), ticksWorth*interval)))
	k.last = now
}
