package producer

import (
	"testing"
	"time"
)

// lingering is an engine that has written nothing yet, with a clock that the test sets.
func lingering(t *testing.T, c client) (*engine, *time.Duration, func(records int)) {
	e, ring := still(t, 0, c, &topicState{Look: 1, Limit: 1 << 20})
	now := new(time.Duration)
	*now = time.Hour
	e.seams.now = func() time.Duration { return *now }
	e.cfg.Linger = 20 * time.Millisecond
	steps(e, 3)
	if e.state != running {
		t.Fatal(e.state)
	}
	return e, now, func(records int) { put(t, ring, records, 100, nil) }
}

// TestWhatComesSoonWaits: the first record after a pause goes to librdkafka at once,
// those behind it when linger.ms is over, all of them together; and the engine rests
// in between no longer than that, and looks at reports meanwhile.
func TestWhatComesSoonWaits(t *testing.T) {
	c := &eager{}
	e, now, push := lingering(t, c)
	push(1)
	if rest := e.step(); c.sent != 1 || rest != look {
		t.Fatalf("%d handed over, rests %v; want the first one at once, and a look at its report after %v", c.sent, rest, look)
	}
	push(1)
	*now += 5 * time.Millisecond
	if rest := e.step(); c.sent != 1 || rest != look {
		t.Errorf("after 5 ms of 20: %d handed over, rests %v", c.sent, rest)
	}
	c.Poll(0)
	if rest := e.step(); c.sent != 1 || rest != 15*time.Millisecond {
		t.Errorf("with nothing under way: %d handed over, rests %v; want the rest of linger.ms", c.sent, rest)
	}
	push(1)
	*now += 14 * time.Millisecond
	if rest := e.step(); c.sent != 1 || rest != time.Millisecond {
		t.Errorf("after 19 ms of 20: %d handed over, rests %v", c.sent, rest)
	}
	*now += time.Millisecond
	if e.step(); c.sent != 3 {
		t.Errorf("after 20 ms: %d handed over, want all 3", c.sent)
	}
}

// TestMuchDoesNotWait: where many records come there is no waiting.
func TestMuchDoesNotWait(t *testing.T) {
	c := &eager{}
	e, _, push := lingering(t, c)
	e.cfg.WindowRecords = 3 * gatherRecords
	push(gatherRecords)
	if rest := e.step(); c.sent != gatherRecords || rest != 0 {
		t.Fatalf("%d handed over, rests %v", c.sent, rest)
	}
	push(gatherRecords)
	if e.step(); c.sent != 2*gatherRecords {
		t.Errorf("%d handed over", c.sent)
	}
}

// TestFullWindowDoesNotWait: what a full window kept back goes as soon as there is
// room.
func TestFullWindowDoesNotWait(t *testing.T) {
	c := &eager{}
	e, _, push := lingering(t, c)
	e.cfg.WindowRecords = 3
	push(5)
	if rest := e.step(); c.sent != 3 || rest != gather {
		t.Fatalf("%d handed over, rests %v", c.sent, rest)
	}
	c.Poll(0)
	if e.step(); c.sent != 5 {
		t.Errorf("%d handed over once there is room, want 5", c.sent)
	}
}

// TestDrainDoesNotWait: who stops the server does not wait for linger.ms.
func TestDrainDoesNotWait(t *testing.T) {
	c := &eager{}
	e, _, push := lingering(t, c)
	push(1)
	e.step()
	push(1)
	e.lines[0].ring.Close()
	if e.step(); c.sent != 2 {
		t.Errorf("%d handed over after the ring was closed, want 2", c.sent)
	}
}

// TestLinger: the engine lingers as long as was asked for, by either name, and
// librdkafka itself not at all.
func TestLinger(t *testing.T) {
	for want, properties := range map[time.Duration]map[string]string{
		5 * time.Millisecond:   nil,
		0:                      {"linger.ms": "0"},
		500 * time.Microsecond: {"linger.ms": "0.5"},
		20 * time.Millisecond:  {"queue.buffering.max.ms": "20"},
	} {
		o := Options{Brokers: "h:1", MaxRecordBytes: 1_000_000, Properties: properties}
		if got := o.linger(); got != want {
			t.Errorf("%v: %v, want %v", properties, got, want)
		}
		if got := o.instance(topicState{}, 10)["linger.ms"]; got != "0" {
			t.Errorf("%v: librdkafka lingers for %s ms", properties, got)
		}
	}
}
