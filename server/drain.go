package server

import (
	"context"
	"sync"
	"time"
)

// Stopping, step by step. The clock on the left is the drain's.
//
//	Drain   take what waits in the accept backlog, close the listeners
//	        read each connection to its end, or until it has been silent for 200 ms
//	1/3     cut off: nobody is read any more; what has been framed still waits for room
//	2/3     give up: what has found no room is lost, and counted
//	        return when no connection will push any more
//	        (the rings are closed, the writer drains them)
//	Finish  say the last acks, close everything, stop the loops
//
// Three channels are closed in this order, each for good: draining, cutOff, giveUp.
// Invariants:
//
//  1. reading counts the connections that may still push, from before they are
//     handed to a loop until their last batch is in, or lost. It grows only while
//     connections are welcomed, which has ended before it is waited for.
//  2. After cutOff whoever holds a connection ends it: the loops at their next check,
//     which comes with every tick; the pauser at its next tick, when what was read is in.
//  3. After giveUp nobody waits for room.
func (s *Server) isDraining() bool { return isClosed(s.draining) }
func (s *Server) isCutOff() bool   { return isClosed(s.cutOff) }

func isClosed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

// drainDefault is the drain's length where ctx has no deadline.
const drainDefault = 30 * time.Second

// Drain ends the taking. It returns when no connection will push any more, at the
// latest a moment after two thirds of the time until ctx's deadline, or after ctx is
// done. The rings may be closed then. To be called once.
func (s *Server) Drain(ctx context.Context) error {
	total := drainDefault
	if deadline, ok := ctx.Deadline(); ok {
		total = max(time.Until(deadline), 0)
	}
	s.drainStart.Store(s.clock.now())
	close(s.draining)
	for _, l := range s.listeners {
		if d, ok := l.ln.(interface{ SetDeadline(time.Time) error }); ok {
			_ = d.SetDeadline(time.Unix(1, 0))
		}
	}
	s.accepting.Wait()
	for _, l := range s.listeners {
		s.takeBacklog(l)
		l.close()
	}
	begin := time.Now()
	s.waitRead(ctx, begin.Add(total/3))
	close(s.cutOff)
	s.waitRead(ctx, begin.Add(2*total/3))
	close(s.giveUp)
	s.waitRead(context.Background(), begin.Add(2*total/3+drainDefault))
	return ctx.Err()
}

// waitRead waits until nobody may push any more, the deadline, or ctx.
func (s *Server) waitRead(ctx context.Context, deadline time.Time) {
	for s.reading.Load() > 0 && time.Now().Before(deadline) && ctx.Err() == nil {
		time.Sleep(time.Millisecond)
	}
}

// Finish says the last acks and closes everything: politely until ctx is done, at
// once then. To be called after the writer has drained, or instead of Drain where
// there is nothing to be saved.
func (s *Server) Finish(ctx context.Context) {
	s.finishOnce.Do(func() {
		s.closeListeners()
		for _, ch := range []chan struct{}{s.draining, s.cutOff, s.giveUp} {
			if !isClosed(ch) {
				close(ch)
			}
		}
		if !s.started {
			return
		}
		s.accepting.Wait()
		s.waitRead(context.Background(), time.Now().Add(drainDefault))
		s.goroutines.Wait()
		close(s.stopAckers)
		s.ackers.Wait()
		s.finishAcks(ctx)
		close(s.stopKeep)
		s.keepers.Wait()
		for _, l := range s.loops {
			l.stop()
		}
	})
}

func (s *Server) finishAcks(ctx context.Context) {
	var all sync.WaitGroup
	for _, d := range s.domains {
		all.Go(func() { d.Finish(ctx) })
	}
	all.Wait()
}
