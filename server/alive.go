package server

import (
	"context"
	"sync/atomic"

	"github.com/panjf2000/gnet/v2"
)

// heartbeat is an event loop's sign of life.
type heartbeat struct {
	asked    uint64
	answered atomic.Uint64
}

// Alive returns whether the ticker, and each event loop that has had a connection, have been there
// since the last call, and asks the loops for another sign. One goroutine at a time may call it.
func (s *Server) Alive() bool {
	now := s.clock.now()
	alive := now != s.aliveAt
	s.aliveAt = now
	for _, l := range s.loops {
		if !l.beat() {
			alive = false
		}
	}
	return alive
}

// beat returns whether the loop has answered the last question, and asks the next.
func (l *loop) beat() bool {
	el := l.events.Load()
	if el == nil {
		return true
	}
	asked := l.heart.asked
	if l.heart.answered.Load() != asked {
		return false
	}
	l.heart.asked = asked + 1
	err := (*el).Execute(context.Background(), gnet.RunnableFunc(func(context.Context) error {
		l.heart.answered.Store(asked + 1)
		return nil
	}))
	return err == nil
}
