package producer

import "time"

// checkReady notes that the client is ready, or sets why it is not yet.
func (e *engine) checkReady() {
	if e.clientReady {
		return
	}
	if err := e.client.Ready(); err != nil {
		e.setUnhealthy(e.cfg.Traits.Name + ": " + err.Error())
		return
	}
	e.clientReady = true
	select {
	case <-e.ready:
	default:
		close(e.ready)
	}
}

// endBackoff ends the back-off once every stream is past the record that failed in it. The acks of
// other streams do not end it: with one record that is refused for good among busy shards, each of
// their acks would lead to another client at once.
func (e *engine) endBackoff() {
	for _, s := range e.streams {
		if s.failedEnd > 0 {
			return
		}
	}
	e.backoff = 0
}

// noteCause notes what the oldest record waits for: what the client knows of its stream, else the
// last warning that came while it waited.
func (e *engine) noteCause(s *stream, oldest int64) {
	why := ""
	if e.client != nil {
		why = e.client.Trouble(s.id)
	}
	if why == "" && e.lastWarningAt >= time.Duration(oldest) {
		why = e.lastWarning
	}
	if old := e.cause.Load(); old == nil || *old != why {
		e.cause.Store(&why)
	}
}

// setUnhealthy and setHealthy set what readiness says of this engine.
func (e *engine) setUnhealthy(why string) { e.health.Store(&why) }

func (e *engine) setHealthy() {
	if e.health.Load() != nil {
		e.health.Store(nil)
	}
}

// checkStall finds out whether the oldest record, which is in s, has waited for long, and calls
// OnRelief when that is over. What queues grew to is garbage then, and a process that allocates
// nothing would collect it minutes later.
func (e *engine) checkStall(oldest int64, s *stream) {
	age := time.Duration(0)
	if oldest != 0 {
		age = e.seams.now() - time.Duration(oldest)
	}
	switch {
	case age > stalledAfter:
		e.stalled = true
		e.noteCause(s, oldest)
	case e.stalled && age < relievedAfter:
		e.stalled = false
		e.cause.Store(nil)
		if e.client != nil {
			e.client.Relief()
		}
		if e.cfg.OnRelief != nil {
			e.cfg.OnRelief()
		}
	}
}
