package server

import (
	"golang.org/x/sys/unix"

	"github.com/ringtail/ringtail/internal/invariant"
)

// connEnv is what a goroutine needs that has connections: an event loop, or the pauser.
type connEnv struct {
	clock     *servedClock
	stages    *drainStages
	memory    *budget
	registry  *registry
	deadlines *deadlines
	warnings  *limitedLog
	rates     *rates
}

// conclude ends a connection of which everything is in. It closes fd, if there is one, or leaves it
// to the acks that are owed.
func (e *connEnv) conclude(in *intake, c *conn, fd int) {
	invariant.Check(c.overflow == nil, "connection %d ends before what was read of it is in", c.id)
	in.release(c)
	c.facts.state.Store(stateClosing)
	if c.acks == nil || !c.acks.Linger(fd, c.ending()) {
		if fd >= 0 {
			c.sayEnd(fd)
			_ = unix.Close(fd)
		}
		if !c.gone {
			e.registry.gone(c, c.why)
		}
	}
	e.registry.reading.Add(-1) // it will push nothing any more
}
