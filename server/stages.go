package server

import "sync/atomic"

// drainStages are the three stages of stopping (drain.go). Each channel is closed once, for good,
// in this order.
type drainStages struct {
	draining chan struct{} // connections are read to their end; no new ones are accepted
	cutOff   chan struct{} // nobody is read any more
	giveUp   chan struct{} // nobody waits for room any more

	start atomic.Int64 // of draining, in served time
}

func newDrainStages() *drainStages {
	return &drainStages{draining: make(chan struct{}), cutOff: make(chan struct{}), giveUp: make(chan struct{})}
}

func (d *drainStages) isDraining() bool { return isClosed(d.draining) }
func (d *drainStages) isCutOff() bool   { return isClosed(d.cutOff) }
func (d *drainStages) hasGivenUp() bool { return isClosed(d.giveUp) }

func isClosed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}
