package producer

import "time"

// reach notes that the client is ready, or tells readiness why it is not yet.
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

// calm ends the back-off once every line is past what failed in it. The acks of others say
// nothing: with one record that is refused for good among them, each would begin a rebuild.
func (e *engine) endBackoff() {
	for _, s := range e.streams {
		if s.failedEnd > 0 {
			return
		}
	}
	e.backoff = 0
}

// because notes what the oldest record waits for: what the client knows of its line, else the last
// warning that came while it waited.
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

func (e *engine) setUnhealthy(why string) { e.health.Store(&why) }

func (e *engine) setHealthy() {
	if e.health.Load() != nil {
		e.health.Store(nil)
	}
}

// relief tells that a stall is over. What it made queues grow to is garbage then, and
// a process that allocates nothing would collect it minutes later. l has the oldest record.
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
