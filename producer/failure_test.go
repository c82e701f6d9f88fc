package producer

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/ringtail/ringtail/producer/backend"
)

// TestRefreshBeforeTheNextInstance: what the topic was like before a failure says nothing; somebody
// may just have changed it.
func TestRefreshBeforeTheNextInstance(t *testing.T) {
	h := newHands(t, 1)
	h.push(0, 1)
	h.c.fails(0, backend.ErrInvalidRecord, backend.Progress{})
	before := h.refreshes
	for range 100 {
		h.e.step()
		h.clock += time.Second
	}
	if h.e.state != stateRebuilding || len(h.opened) != 1 || h.refreshes == before {
		t.Errorf("%v, %d instances, %d refreshes asked for, and nobody has looked", h.e.state, len(h.opened), h.refreshes-before)
	}
	h.topic.Refresh++
	if steps(h.e, 3); h.e.state != stateRunning {
		t.Errorf("%v once somebody has", h.e.state)
	}
}

// TestSettling: records that are not reported are purged again and again, those under way only when
// a request must have ended, and given up at last; they may be in Kafka.
func TestSettling(t *testing.T) {
	h := newHands(t, 1)
	h.push(0, 7)
	h.c.fails(0, backend.ErrInvalidRecord, backend.Progress{})
	h.c.progress[0].Reports = 3
	h.e.step()
	begun, c := h.clock, h.c
	for ; h.e.state == stateSettling; h.clock += 10 * time.Millisecond {
		h.e.step()
		switch waited := h.clock - begun; {
		case waited > time.Hour:
			t.Fatal("it settles for ever")
		case waited <= h.e.cfg.SettleTimeout && slices.Contains(c.purges, true):
			t.Fatalf("requests under way are given up after %v", waited)
		case waited > h.e.cfg.SettleTimeout && !slices.Contains(c.purges, true):
			t.Fatalf("requests under way are not given up after %v", waited)
		}
	}
	if waited := h.clock - begun; waited < h.e.cfg.SettleTimeout+giveUpTimeout || waited > h.e.cfg.SettleTimeout+giveUpTimeout+time.Second {
		t.Errorf("records without report are given up after %v", waited)
	}
	if n := time.Duration(len(c.purges)); n < h.e.cfg.SettleTimeout/purgeEvery {
		t.Errorf("%d purges: what is queued again after one of them stays", n)
	}
	if s := h.stats(); s.PossibleDuplicates != 4 {
		t.Errorf("%d possible duplicates, want 4", s.PossibleDuplicates)
	}
	h.renewed()
	if s := h.stats(); s.Rebuilds != 1 {
		t.Errorf("%d rebuilds", s.Rebuilds)
	}
	h.c.fails(0, backend.ErrInvalidRecord, backend.Progress{})
	h.c.progress[0].Reports = 0
	if h.e.step(); slices.Contains(h.c.purges, true) {
		t.Error("the next failure gives requests under way up at once")
	}
}

// TestQuietSettlingHasItsTime: one partition whose leader answers nothing must not hold up the
// others when an instance is replaced.
func TestQuietSettlingHasItsTime(t *testing.T) {
	h := newHands(t, 1)
	h.push(0, 1)
	h.topic.Limit -= 1000
	for begun := h.clock; h.clock-begun <= h.e.cfg.SettleTimeout; h.clock += time.Second {
		if h.e.step(); len(h.c.purges) > 0 || h.e.state != stateSettling {
			t.Fatalf("%v after %v, purges %v", h.e.state, h.clock-begun, h.c.purges)
		}
	}
	h.clock += time.Second
	if steps(h.e, 2); len(h.c.purges) == 0 {
		t.Error("it waits on")
	}
	h.c.fails(0, backend.ErrTimedOut, backend.Progress{})
	h.renewed()
	if s := h.stats(); s.Rebuilds != 1 {
		t.Errorf("%d rebuilds, want the one after it", s.Rebuilds)
	}
}

// TestQuietReplacementIsNoFailure: it counts as none, also after one that was.
func TestQuietReplacementIsNoFailure(t *testing.T) {
	h := newHands(t, 1)
	h.push(0, 1)
	h.c.fails(0, backend.ErrInvalidRecord, backend.Progress{})
	h.renewed()
	h.topic.Limit -= 1000
	if steps(h.e, 5); h.e.state != stateSettling || len(h.c.purges) > 0 {
		t.Errorf("%v, purges %v", h.e.state, h.c.purges)
	}
	h.c.progress[0].Acked, h.c.progress[0].Reports = h.c.next[0], h.c.next[0]-h.c.first[0]
	h.renewed()
	if s := h.stats(); s.Rebuilds != 1 || s.Delivered != 1 {
		t.Errorf("%+v", s)
	}
	h.push(0, 1)
	h.topic.Limit -= 1000
	steps(h.e, 5)
	h.c.fails(0, backend.ErrInvalidRecord, backend.Progress{})
	if h.e.step(); len(h.c.purges) == 0 {
		t.Error("what fails while the instance is replaced goes unseen")
	}
}

// TestFatalWithoutRecords: an instance that has ended is replaced, though nothing was under way.
func TestFatalWithoutRecords(t *testing.T) {
	h := newHands(t, 1)
	h.c.fatal = 47
	h.renewed()
	if s := h.stats(); s.Rebuilds != 1 {
		t.Errorf("%d rebuilds", s.Rebuilds)
	}
}

// TestHole: an ok report beyond one that is missing is a failure once all are reported, and what is
// beyond counts: it is sent again.
func TestHole(t *testing.T) {
	h := newHands(t, 1)
	h.push(0, 10)
	h.c.progress[0] = backend.Progress{Acked: 4, Failed: backend.None, Reports: 9, Beyond: 5}
	if steps(h.e, 5); h.e.state != stateRunning {
		t.Fatalf("%v before all are reported", h.e.state)
	}
	h.c.progress[0].Reports = 10
	h.renewed()
	if s := h.stats(); s.PossibleDuplicates != 5 || h.c.first[0] != 4 || s.Delivered != 4 {
		t.Errorf("%+v, goes on at %d; want 5 possible duplicates, and the fifth record", s, h.c.first[0])
	}
}

// TestStoppedCountsNoDuplicates: what is given up for good is not sent again.
func TestStoppedCountsNoDuplicates(t *testing.T) {
	h := newHands(t, 1)
	h.push(0, 5)
	h.e.abort.Store(true)
	h.until(stateEnded)
	if s := h.stats(); s.PossibleDuplicates != 0 {
		t.Errorf("%d possible duplicates", s.PossibleDuplicates)
	}
}

// TestFailureIsNoted: a record is set aside when two instances in a row say of it, and not of its
// neighbours, that it is invalid. Shards may share the batch that a broker looked at.
func TestFailureIsNoted(t *testing.T) {
	for name, c := range map[string]struct {
		report backend.Progress // of the stream with the marks
		others int              // marks in the other stream of the partition
		twice  bool
		well   bool // the topic, in between
		want   []uint64
	}{
		"neighbours cleared": {backend.Progress{Invalids: 1, Invalid: []uint64{2}, Different: 4}, 0, true, true, []uint64{2}},
		"only one":           {backend.Progress{Invalids: 1, Invalid: []uint64{0}}, 0, true, true, []uint64{0}},
		"once":               {backend.Progress{Invalids: 1, Invalid: []uint64{2}, Different: 4}, 0, false, true, nil},
		"all of them":        {backend.Progress{Invalids: 5, Invalid: []uint64{0, 1, 2, 3, 4}}, 0, true, true, nil},
		"some, in any order": {backend.Progress{Invalids: 3, Invalid: []uint64{4, 1, 3}, Different: 2}, 0, true, true, []uint64{1, 3, 4}},
		"one in each shard":  {backend.Progress{Invalids: 1, Invalid: []uint64{2}}, 1, true, true, nil},
		"the topic was bad":  {backend.Progress{Invalids: 1, Invalid: []uint64{2}, Different: 4}, 0, true, false, nil},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHands(t, 2)
			h.push(0, 5)
			h.push(1, 1)
			for i := range 2 {
				if i == 0 || c.twice {
					h.c.fails(0, backend.ErrInvalidRecord, c.report)
				} else {
					h.c.fails(0, backend.ErrTransport, backend.Progress{})
				}
				h.c.fails(1, backend.ErrInvalidRecord, backend.Progress{Invalids: c.others})
				if !c.well {
					h.topic.Err = errors.New("compacted by mistake")
					h.until(stateRebuilding)
					h.topic.Refresh++
					h.e.step()
					h.topic.Err = nil
				}
				h.renewed()
			}
			if !slices.Equal(h.refused, c.want) {
				t.Errorf("set aside: %v, want %v", h.refused, c.want)
			}
			if got, want := h.c.next[0], uint64(5-len(c.want)); got != want {
				t.Errorf("%d handed over, want %d", got, want)
			}
		})
	}
}

// TestBackoffIsWaitedFor: the second failure in a row has one.
func TestBackoffIsWaitedFor(t *testing.T) {
	h := newHands(t, 1)
	h.push(0, 1)
	h.c.fails(0, backend.ErrInvalidRecord, backend.Progress{})
	h.renewed()
	h.c.fails(0, backend.ErrInvalidRecord, backend.Progress{})
	h.until(stateRebuilding)
	h.topic.Refresh++
	if wait := h.e.step(); wait <= 0 || h.e.state != stateRebuilding {
		t.Fatalf("%v, %v to wait", h.e.state, wait)
	}
	h.clock = h.e.retryAt - 1
	if wait := h.e.step(); wait != 1 || h.e.state != stateRebuilding {
		t.Errorf("%v, %v to wait before it is over", h.e.state, wait)
	}
	h.clock++
	if steps(h.e, 2); h.e.state != stateRunning {
		t.Errorf("%v when it is over", h.e.state)
	}
}

// TestTroubleIsOverBehindIt: the record that an instance failed at ends the back-off when it is in
// Kafka; those before it, and other shards', do not.
func TestTroubleIsOverBehindIt(t *testing.T) {
	h := newHands(t, 2)
	h.push(0, 10)
	h.push(1, 10)
	h.c.fails(0, backend.ErrInvalidRecord, backend.Progress{})
	h.c.progress[0].Failed = 5
	h.c.fails(1, backend.ErrPurged, backend.Progress{})
	h.renewed()
	for _, acked := range []struct {
		line   int
		number uint64
		over   bool
	}{{1, 10, false}, {0, 4, false}, {0, 5, false}, {0, 6, true}} {
		h.c.progress[acked.line].Acked = acked.number
		if h.e.step(); (h.e.backoff == 0) != acked.over {
			t.Errorf("shard %d: %d in Kafka, back-off %v", acked.line, acked.number, h.e.backoff)
		}
	}
}

// TestTroubleInTwoShards: the back-off is over when both are past it.
func TestTroubleInTwoShards(t *testing.T) {
	h := newHands(t, 2)
	h.push(0, 1)
	h.push(1, 1)
	for _, stream := range []int{0, 1} { // one after the other
		h.c.fails(stream, backend.ErrInvalidRecord, backend.Progress{})
		h.c.progress[1-stream].Reports = 1
		h.renewed()
	}
	for _, stream := range []int{1, 0} {
		if h.e.backoff == 0 {
			t.Errorf("over before shard %d is", stream)
		}
		h.c.acks(stream)
		h.e.step()
	}
	if h.e.backoff != 0 {
		t.Errorf("back-off %v, and both are past it", h.e.backoff)
	}
}

// TestBadTopicGetsNoInstance: and an order to stop is obeyed meanwhile.
func TestBadTopicGetsNoInstance(t *testing.T) {
	h := newHands(t, 1)
	h.push(0, 1)
	h.c.fails(0, backend.ErrInvalidRecord, backend.Progress{})
	h.until(stateRebuilding)
	h.topic.Err = ErrTopic
	for range 50 {
		h.e.step()
		h.topic.Refresh++
		h.clock += time.Second
	}
	if h.e.state != stateRebuilding || len(h.opened) != 1 || h.e.health.Load() == nil {
		t.Errorf("%v, %d instances, healthy %v", h.e.state, len(h.opened), h.e.health.Load() == nil)
	}
	h.e.abort.Store(true)
	if h.e.step(); h.e.state != stateEnded {
		t.Errorf("%v after the order to stop", h.e.state)
	}
}

// TestDestroyed: while an instance is destroyed nobody wakes it; and if it takes too long, the
// process ends, since its requests could overtake those of the next one.
func TestDestroyed(t *testing.T) {
	h := newHands(t, 1)
	h.push(0, 1)
	h.gone = make(chan struct{})
	h.c.fails(0, backend.ErrInvalidRecord, backend.Progress{})
	h.until(stateDestroying)
	wakes := h.c.wakes
	if h.e.wake(); h.c.wakes != wakes {
		t.Error("an instance is woken while it is destroyed")
	}
	var died error
	h.e.seams.die = func(err error) { died = err }
	h.clock += destroyTimeout - time.Second
	if h.e.step(); died != nil {
		t.Errorf("ends the process too soon: %v", died)
	}
	h.clock += time.Second
	if h.e.step(); died == nil || h.e.state != stateEnded {
		t.Errorf("%v, and the process goes on", h.e.state)
	}
}
