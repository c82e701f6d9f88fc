package server

import "time"

// ticker moves served time on, and has event loops and the pauser check their deadlines.
type ticker struct {
	connEnv
	loops   []*loop
	pauser  *pauser
	intakes []*intake
}

// run is the ticker's goroutine. It returns when stop is closed.
func (t *ticker) run(stop <-chan struct{}) {
	interval := tickInterval
	timer := time.NewTimer(interval)
	defer timer.Stop()
	draining := t.stages.draining
	t.clock.last = time.Now()
	seen := uint64(0)
	for {
		t.clock.every.Store(int64(interval))
		select {
		case <-stop:
			return
		case <-draining:
			interval, draining = tickIntervalDrain, nil
		case <-timer.C:
		}
		t.clock.tick(time.Now(), interval)
		for _, l := range t.loops {
			l.askToCheck()
		}
		t.pauser.ticked.Store(true)
		t.rates.forget()
		if draining != nil {
			interval = tickInterval
			if n := t.bytesRead(); n != seen {
				seen = n
			} else if t.nobodyWaits() {
				interval = tickIntervalQuiet // the ticks are most of what an idle server costs
			}
		}
		timer.Reset(interval)
	}
}

func (t *ticker) bytesRead() (sum uint64) {
	for _, in := range t.intakes {
		for _, k := range in.byListener {
			sum += k.bytes.load()
		}
	}
	return sum
}

// nobodyWaits returns whether every connection is with a loop, and between two records.
func (t *ticker) nobodyWaits() bool {
	attached := int64(0)
	for _, l := range t.loops {
		if l.lists.unfinishedCount.Load() > 0 {
			return false
		}
		attached += int64(l.lists.attached.Load())
	}
	return attached == t.registry.admission.open.Load()
}
