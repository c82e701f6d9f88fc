package server

import (
	"context"
	"sync"
	"time"
)

// drainDefault is how long a drain takes at most if its context has no deadline.
const drainDefault = 30 * time.Second

// Drain ends the taking of records, step by step. The clock on the left is the drain's.
//
//	Drain   take what waits in the accept backlog, until 1/6 at most; close the listeners
//	        leave greetings 200 ms
//	        read each connection to its end, or until it has been silent for 200 ms
//	1/3     cut off: nobody is read any more; what has been framed still waits for room
//	2/3     give up: what has found no room is lost, and counted
//	        return when no connection will push any more
//	        (the rings are closed, the writer drains them)
//	Finish  say the last acks, close everything, stop the loops
//
// It returns when no connection will push records any more: at the latest shortly after two thirds
// of the time until ctx's deadline, or after ctx is done. The rings may be closed then. To be
// called once.
//
// Invariants:
//
//  1. registry.reading counts the connections that may still push, from before they are handed to a
//     loop until their last batch is in, or lost. It grows only while connections are welcomed and
//     greeted, which has ended before Drain waits for it.
//  2. After cutOff, whatever has a connection ends it: the loops at their next check, which comes
//     with every tick; the pauser at its next tick, when what was read is in.
//  3. After giveUp nobody waits for room.
func (s *Server) Drain(ctx context.Context) error {
	total := drainDefault
	if deadline, ok := ctx.Deadline(); ok {
		total = max(time.Until(deadline), 0)
	}
	begin := time.Now()
	s.stages.start.Store(s.clock.now())
	close(s.stages.draining)
	for _, l := range s.listeners {
		l.stopAccepting()
	}
	s.greetings.hurry(min(greetingFair, total/3))
	s.accepting.Wait()
	for _, l := range s.listeners {
		s.acceptor.takeBacklog(l, begin.Add(total/6))
		l.close()
	}
	s.greetings.running.Wait()
	s.waitRead(ctx, begin.Add(total/3))
	close(s.stages.cutOff)
	s.waitRead(ctx, begin.Add(2*total/3))
	close(s.stages.giveUp)
	s.waitRead(context.Background(), begin.Add(2*total/3+drainDefault))
	return ctx.Err()
}

// waitRead waits until no connection may push any more, until the deadline, or until ctx is done.
func (s *Server) waitRead(ctx context.Context, deadline time.Time) {
	for s.registry.reading.Load() > 0 && time.Now().Before(deadline) && ctx.Err() == nil {
		time.Sleep(time.Millisecond)
	}
}

// Finish says the last acks and closes everything: politely until ctx is done, at once then. To be
// called after the writer has drained, or instead of Drain if there is nothing to be saved.
func (s *Server) Finish(ctx context.Context) {
	s.finishOnce.Do(func() {
		s.closeListeners()
		for _, ch := range []chan struct{}{s.stages.draining, s.stages.cutOff, s.stages.giveUp} {
			if !isClosed(ch) {
				close(ch)
			}
		}
		if !s.started {
			return
		}
		s.greetings.hurry(0)
		s.accepting.Wait()
		s.greetings.running.Wait()
		s.waitRead(context.Background(), time.Now().Add(drainDefault))
		s.handover.running.Wait()
		close(s.stopAckers)
		s.ackers.Wait()
		s.finishAcks(ctx)
		close(s.stopBackground)
		s.background.Wait()
		for _, l := range s.loops {
			l.stop()
		}
	})
}

func (s *Server) finishAcks(ctx context.Context) {
	var all sync.WaitGroup
	for _, d := range s.registry.domains {
		all.Go(func() { d.Finish(ctx) })
	}
	all.Wait()
}
