package producer

import (
	"fmt"
	"slices"
	"time"

	"github.com/ringtail/ringtail/producer/backend"
)

// fail ends the use of the client: the engine hands nothing over until there is another. s is the
// stream that failed, nil where the client itself did. Code 0 is an order to stop.
func (e *engine) fail(code int, s *stream) {
	e.noteRefusal(code, s)
	why := e.cfg.Traits.Name + ": " + e.cfg.Traits.ErrorText(code)
	if s != nil {
		why = fmt.Sprintf("shard %s: %s", s.ring.Name(), e.cfg.Traits.ErrorText(code))
	}
	if code != 0 {
		e.setUnhealthy(why)
		e.log().Error("delivery failed, starting the writer anew; nothing is lost, clients wait", "cause", why)
	}
	if s != nil && code != 0 {
		p := e.client.Progress(s.id)
		p.Err = code
		e.noteFailure(s, p)
	}
	e.failure = true
	e.enter(stateSettling)
	e.seams.refreshTopic()
	e.topicSeen = e.topic().Refresh
	e.purge()
}

// noteFailure notes the record of s at which the client failed, and what the failure says of sizes.
func (e *engine) noteFailure(s *stream, p backend.Progress) {
	s.failedEnd = p.Failed + 1
	smaller := false
	switch p.Err {
	case backend.ErrMessageTooLarge:
		smaller = e.limits.tooLarge(e.topic(), s, p, e.batchMax, e.cfg.Compressed, e.seams.now())
	case backend.ErrTimedOut:
		smaller = e.limits.tooLong(s, p, e.batchMax)
	}
	if smaller {
		e.backoff = min(e.backoff, backoffMin) // batches get smaller at most ten times
	}
}

// purge purges, for the first time or again.
func (e *engine) purge() {
	e.client.Purge(e.purgedInflight)
	e.lastPurge = e.seams.now()
}

// stepSettling waits until every record that was handed over is reported. It repeats the purge,
// since a request may fail after a purge and be queued again. In the end it gives up on requests
// that are never reported.
func (e *engine) stepSettling() time.Duration {
	now := e.seams.now()
	if e.outstanding() == 0 {
		e.finishSettling()
		return 0
	}
	if !e.failure {
		if e.abort.Load() {
			e.fail(0, nil)
		} else if now-e.stateSince > e.cfg.SettleTimeout {
			e.fail(backend.ErrTimedOut, nil) // one stuck partition must not hold up the others
		}
		return purgeEvery
	}
	late := now-e.stateSince > e.cfg.SettleTimeout || e.abort.Load()
	switch {
	case late && e.purgedInflight && now-e.stateSince > e.cfg.SettleTimeout+giveUpTimeout, e.abort.Load() && e.purgedInflight:
		// They are purged and still not reported: they count as possible duplicates too.
		e.finishSettling()
		return 0
	case late && !e.purgedInflight:
		e.purgedInflight = true
		e.purge()
	case now-e.lastPurge >= purgeEvery:
		e.purge()
	}
	return purgeEvery
}

// outstanding returns the number of records that were handed over and are not reported.
func (e *engine) outstanding() uint64 {
	n := uint64(0)
	for _, s := range e.streams {
		n += s.sent - s.base - e.client.Progress(s.id).Reports
	}
	return n
}

// finishSettling counts the records that may be in Kafka beyond acked, takes over the broker's
// marks, moves every cursor back to acked, and begins to destroy the client.
func (e *engine) finishSettling() {
	maybe := uint64(0)
	marks, cleared := map[int32]int{}, map[int32]bool{} // by partition: shards may share one
	for _, s := range e.streams {
		p := e.client.Progress(s.id)
		if p.Err == backend.ErrMessageTooLarge && s.failedEnd != p.Failed+1 { // another stream failed first
			e.noteFailure(s, p)
		}
		marks[s.partition] += p.Invalids
		cleared[s.partition] = cleared[s.partition] || p.Different > 0
	}
	for _, s := range e.streams {
		p := e.client.Progress(s.id)
		unsure := p.Maybe + p.Beyond + (s.sent - s.base - p.Reports)
		s.maybeInKafka = unsure > 0
		maybe += unsure
		if s.shard >= 0 && (cleared[s.partition] || marks[s.partition] == 1) {
			s.applyMarks(p.Invalid)
		} else {
			s.clearMarks() // the broker marked the whole batch: no record in particular
		}
		if s == e.limits.oversized {
			s.toSetAside = append(s.toSetAside[:0], e.limits.number)
		}
		s.seek(s.acked)
	}
	if maybe > 0 && !e.abort.Load() {
		e.stats.possibleDuplicates.Add(maybe)
		e.log().Warn("a request's fate is unknown: its records are sent again and may be in Kafka twice", "records", maybe)
	}
	e.limits.oversized = nil
	e.enter(stateDestroying)
	e.setWaking(nil)
	e.destroyed = e.seams.destroy(e.client)
	e.client, e.whole = nil, nil
}

// stepDestroying waits until the client is destroyed, and sets the back-off.
func (e *engine) stepDestroying() time.Duration {
	select {
	case <-e.destroyed:
	default:
		left := e.stateSince + destroyTimeout - e.seams.now()
		if left <= 0 {
			e.seams.die(fmt.Errorf("producer: the writer did not stop within %v; ending, or its requests could overtake", destroyTimeout))
			e.enter(stateEnded)
			return 0
		}
		return left
	}
	e.destroyed = nil
	if e.abort.Load() || e.drained() {
		e.enter(stateEnded)
		return 0
	}
	if e.failure {
		e.stats.rebuilds.Add(1)
		// Brokers remember each client's producer id for a day, whatever ended it.
		e.retryAt = max(e.seams.now()+e.backoff, e.openedAt+backoffMin)
		e.backoff = min(max(2*e.backoff, backoffMin), backoffMax)
	}
	e.failure, e.purgedInflight = false, false
	e.enter(stateRebuilding)
	return 0
}

// stepRebuilding makes the next client once the back-off is over and a refresh since the failure
// has found the topic well.
func (e *engine) stepRebuilding() time.Duration {
	if e.abort.Load() || e.drained() {
		e.enter(stateEnded)
		return 0
	}
	t := e.topic()
	if t.Refresh <= e.topicSeen {
		e.seams.refreshTopic()
		return purgeEvery
	}
	if t.Err != nil { // it is refreshed every second, which wakes the engine
		e.setUnhealthy(t.Err.Error())
		for _, s := range e.streams {
			s.clearMarks()
		}
		return pollIdle
	}
	if wait := e.retryAt - e.seams.now(); wait > 0 {
		return wait
	}
	first := make([]uint64, len(e.streams))
	for _, s := range e.streams {
		first[s.id] = s.acked
		s.base = s.acked
		s.seen.writer, s.seen.broker = 0, 0
	}
	t.Limit = e.limits.batch(t)
	c, err := e.seams.open(t, first)
	if err != nil {
		e.setUnhealthy(err.Error())
		e.retryAt = e.seams.now() + backoffMax
		return backoffMax
	}
	e.openedAt = e.seams.now()
	e.client, e.batchMax, e.retriesSeen, e.clientReady = c, t.batchMax(), 0, false
	if e.cfg.Traits.WholeBatches {
		e.whole = c.(backend.BatchClient)
		bytes, records := e.batchMost()
		for _, s := range e.streams {
			s.ring.SetKafkaBatch(bytes, records)
		}
	}
	e.setWaking(c)
	e.enter(stateRunning)
	return 0
}

// nothingInflight reports whether Kafka has all that was read from the rings.
func (e *engine) nothingInflight() bool {
	return !slices.ContainsFunc(e.streams, func(s *stream) bool { return !s.idle() })
}

// setWaking sets the client that other goroutines may wake.
func (e *engine) setWaking(c backend.Client) {
	e.mu.Lock()
	e.waking = c
	e.mu.Unlock()
}
