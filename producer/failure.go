package producer

import (
	"fmt"
	"time"

	"github.com/ringtail/ringtail/producer/backend"
	"github.com/ringtail/ringtail/producer/librdkafka"
)

// fail latches: from here to the next instance nothing is handed over. l is the
// line that failed, nil where the instance did; code 0 is an order to stop.
func (e *engine) fail(code int, l *line) {
	why := e.cfg.Traits.Name + ": " + librdkafka.ErrorText(code)
	if l != nil {
		why = fmt.Sprintf("shard %s: %s", l.ring.Name(), librdkafka.ErrorText(code))
	}
	if code != 0 {
		e.sick(why)
		e.log().Error("delivery failed, starting the writer anew; nothing is lost, clients wait", "cause", why)
	}
	if l != nil && code != 0 {
		t := e.client.Progress(l.id)
		t.Err = code
		e.blame(l, t)
	}
	e.failure = true
	e.enter(settling)
	e.seams.look()
	e.lookedAt = e.topic().Look
	e.purge()
}

// blame has the next instance heed that this one failed at a line, and what that says of sizes.
func (e *engine) blame(l *line, t backend.Progress) {
	l.trouble = t.Failed + 1
	smaller := false
	switch t.Err {
	case backend.ErrMessageTooLarge:
		smaller = e.limits.tooLarge(e.topic(), l, t, e.batchMax, e.cfg.Compressed, e.seams.now())
	case backend.ErrTimedOut:
		smaller = e.limits.tooLong(l, t, e.batchMax)
	}
	if smaller {
		e.backoff = min(e.backoff, backoffMin) // there are no more than ten of these steps
	}
}

func (e *engine) purge() {
	e.client.Purge(e.inflight)
	e.lastPurge = e.seams.now()
}

// stepSettling waits until every record handed over has been reported. A request
// that fails and is queued again is not reported by the purge that went before,
// so the purge is repeated; one that never answers is given up at last.
func (e *engine) stepSettling() time.Duration {
	now := e.seams.now()
	if e.outstanding() == 0 {
		e.settled()
		return 0
	}
	if !e.failure {
		if e.abort.Load() {
			e.fail(0, nil)
		} else if now-e.since > e.cfg.SettleTimeout {
			e.fail(backend.ErrTimedOut, nil) // one stuck partition must not hold up the others
		}
		return purgeEvery
	}
	late := now-e.since > e.cfg.SettleTimeout || e.abort.Load()
	switch {
	case late && e.inflight && now-e.since > e.cfg.SettleTimeout+giveUpTimeout, e.abort.Load() && e.inflight:
		// Purged and still silent: they count as possible duplicates too.
		e.settled()
		return 0
	case late && !e.inflight:
		e.inflight = true
		e.purge()
	case now-e.lastPurge >= purgeEvery:
		e.purge()
	}
	return purgeEvery
}

// outstanding is the number of records handed over and not reported.
func (e *engine) outstanding() uint64 {
	n := uint64(0)
	for _, l := range e.lines {
		n += l.sent - l.base - e.client.Progress(l.id).Reports
	}
	return n
}

// settled takes stock: what may be in Kafka beyond acked is counted, the broker's
// verdicts are kept, every cursor goes back to acked, and the instance goes.
func (e *engine) settled() {
	maybe := uint64(0)
	marks, cleared := map[int32]int{}, map[int32]bool{} // by partition: shards may share one
	for _, l := range e.lines {
		t := e.client.Progress(l.id)
		if t.Err == backend.ErrMessageTooLarge && l.trouble != t.Failed+1 { // of several reports the first may have been another line's
			e.blame(l, t)
		}
		marks[l.partition] += t.Invalids
		cleared[l.partition] = cleared[l.partition] || t.Different > 0
	}
	for _, l := range e.lines {
		t := e.client.Progress(l.id)
		unsure := t.Maybe + t.Beyond + (l.sent - l.base - t.Reports)
		l.unsure = unsure > 0
		maybe += unsure
		if l.shard >= 0 && (cleared[l.partition] || marks[l.partition] == 1) {
			l.judge(t.Invalid)
		} else {
			l.acquitAll() // the whole batch was marked: nobody in particular
		}
		if l == e.limits.blamed {
			l.blamed = append(l.blamed[:0], e.limits.number)
		}
		l.seek(l.acked)
	}
	if maybe > 0 && !e.abort.Load() {
		e.stats.possibleDuplicates.Add(maybe)
		e.log().Warn("a request's fate is unknown: its records are sent again and may be in Kafka twice", "records", maybe)
	}
	e.limits.blamed = nil
	e.enter(destroying)
	e.setWaking(nil)
	e.gone = e.seams.destroy(e.client)
	e.client = nil
}

func (e *engine) stepDestroying() time.Duration {
	select {
	case <-e.gone:
	default:
		left := e.since + destroyTimeout - e.seams.now()
		if left <= 0 {
			e.seams.die(fmt.Errorf("producer: the writer did not stop within %v; ending, or its requests could overtake", destroyTimeout))
			e.enter(ended)
			return 0
		}
		return left
	}
	e.gone = nil
	if e.abort.Load() || e.empty() {
		e.enter(ended)
		return 0
	}
	if e.failure {
		e.stats.rebuilds.Add(1)
		// Brokers remember each instance's id for a day, whatever it was that ended it.
		e.retryAt = max(e.seams.now()+e.backoff, e.opened+backoffMin)
		e.backoff = min(max(2*e.backoff, backoffMin), backoffMax)
	}
	e.failure, e.inflight = false, false
	e.enter(rebuilding)
	return 0
}

// stepRebuilding makes the next instance once the back-off is over and the topic
// has been seen to be well since the failure.
func (e *engine) stepRebuilding() time.Duration {
	if e.abort.Load() || e.empty() {
		e.enter(ended)
		return 0
	}
	t := e.topic()
	if t.Look <= e.lookedAt {
		e.seams.look()
		return purgeEvery
	}
	if t.Err != nil { // looked at again every second; each look wakes the engine
		e.sick(t.Err.Error())
		for _, l := range e.lines {
			l.acquitAll()
		}
		return pollIdle
	}
	if wait := e.retryAt - e.seams.now(); wait > 0 {
		return wait
	}
	first := make([]uint64, len(e.lines))
	for _, l := range e.lines {
		first[l.id] = l.acked
		l.base = l.acked
	}
	t.Limit = e.limits.batch(t)
	c, err := e.seams.open(t, first)
	if err != nil {
		e.sick(err.Error())
		e.retryAt = e.seams.now() + backoffMax
		return backoffMax
	}
	e.opened = e.seams.now()
	e.client, e.batchMax, e.retriesSeen, e.able = c, t.batchMax(), 0, false
	e.setWaking(c)
	e.enter(running)
	return 0
}

// nothingHeld tells whether no line has anything to prove itself with: then the
// topic's being well is all there is to know.
func (e *engine) nothingHeld() bool {
	for _, l := range e.lines {
		if !l.idle() {
			return false
		}
	}
	return true
}

func (e *engine) setWaking(c backend.Client) {
	e.mu.Lock()
	e.waking = c
	e.mu.Unlock()
}
