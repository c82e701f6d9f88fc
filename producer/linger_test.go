package producer

import (
	"testing"
	"time"

	"github.com/ringtail/ringtail/internal/kafkatest"
	"github.com/ringtail/ringtail/producer/backend"
)

// lingering is an engine that has written nothing yet, with a clock that the test sets.
func lingering(t *testing.T, c backend.Client) (*engine, *time.Duration, func(records int)) {
	e, ring := still(t, 0, c, &topicState{Refresh: 1, Limit: 1 << 20})
	now := new(time.Duration)
	*now = time.Hour
	e.seams.now = func() time.Duration { return *now }
	e.cfg.Linger, e.cfg.BatchSize = 20*time.Millisecond, 1<<20
	steps(e, 3)
	if e.state != stateRunning {
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
	if rest := e.step(); c.sent != 1 || rest != reportsEvery {
		t.Fatalf("%d handed over, rests %v; want the first one at once, and a look at its report after %v", c.sent, rest, reportsEvery)
	}
	push(1)
	*now += 5 * time.Millisecond
	if rest := e.step(); c.sent != 1 || rest != reportsEvery {
		t.Errorf("after 5 ms of 20: %d handed over, rests %v", c.sent, rest)
	}
	c.Poll(0)
	if rest := e.step(); c.sent != 1 || rest != lingerCheckEvery {
		t.Errorf("with nothing under way: %d handed over, rests %v", c.sent, rest)
	}
	*now += 7 * time.Millisecond
	if rest := e.step(); c.sent != 1 || rest != 8*time.Millisecond {
		t.Errorf("after 12 ms of 20: %d handed over, rests %v; want the rest of linger.ms", c.sent, rest)
	}
	push(1)
	*now += 7 * time.Millisecond
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
	e.cfg.WindowRecords = 3 * gatherBelow
	push(gatherBelow)
	if rest := e.step(); c.sent != gatherBelow || rest != 0 {
		t.Fatalf("%d handed over, rests %v", c.sent, rest)
	}
	push(gatherBelow)
	if e.step(); c.sent != 2*gatherBelow {
		t.Errorf("%d handed over", c.sent)
	}
}

// TestFullBatchDoesNotWait: as much as librdkafka sends in one request, or a quarter of
// the ring if that is less, ends linger.ms.
func TestFullBatchDoesNotWait(t *testing.T) {
	for _, batch := range []int{50_000, 1 << 20} {
		c := &eager{}
		e, _, push := lingering(t, c)
		e.cfg.BatchSize = batch
		push(1)
		e.step()
		enough := min(batch, e.streams[0].ring.Capacity()/4)
		for e.streams[0].waitingBytes() < enough {
			if e.step(); c.sent != 1 {
				t.Fatalf("%d handed over, and %d bytes of %d wait", c.sent, e.streams[0].waitingBytes(), enough)
			}
			push(50)
		}
		if e.step(); c.sent == 1 {
			t.Errorf("%d bytes wait still; %d are enough", e.streams[0].waitingBytes(), enough)
		}
	}
}

// TestUnderWayDoesNotCountAsWaiting: a batch that was handed over and not reported fills
// nothing up.
func TestUnderWayDoesNotCountAsWaiting(t *testing.T) {
	c := &eager{}
	e, _, push := lingering(t, c)
	e.cfg.BatchSize = 50_000
	push(600)
	e.step()
	push(1)
	if e.step(); c.sent != 600 || e.streams[0].ring.Used() < e.cfg.BatchSize {
		t.Errorf("%d handed over, want the first 600; %d bytes of the ring used", c.sent, e.streams[0].ring.Used())
	}
}

// TestFullWindowDoesNotWait: what a full window kept back goes as soon as there is
// room.
func TestFullWindowDoesNotWait(t *testing.T) {
	c := &eager{}
	e, _, push := lingering(t, c)
	e.cfg.WindowRecords = 3
	push(5)
	if rest := e.step(); c.sent != 3 || rest != gatherFor {
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
	e.streams[0].ring.Close()
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
		if got := o.milliseconds("linger.ms"); got != want {
			t.Errorf("%v: %v, want %v", properties, got, want)
		}
		if got := int(o.number("batch.size")); got != batchSize {
			t.Errorf("%v: batch.size %d", properties, got)
		}
		if got := o.librdkafkaProperties(topicState{}, 10)["linger.ms"]; got != "0" {
			t.Errorf("%v: librdkafka lingers for %s ms", properties, got)
		}
	}
	o := Options{Brokers: "h:1", MaxRecordBytes: 1_000_000, Properties: map[string]string{"batch.size": "70000"}}
	if got := int(o.number("batch.size")); got != 70_000 {
		t.Errorf("batch.size %d, want the user's", got)
	}
}

// TestLingerOnKafka: a lone record is not held back, by the engine or by librdkafka; the
// next one is, until the writer is to drain. A linger.ms of ten minutes is longer than any of
// it may take, on a busy machine too.
func TestLingerOnKafka(t *testing.T) { eachWriter(t, lingerOnKafka) }

func lingerOnKafka(t *testing.T, writes func(*Options)) {
	c := kafkatest.Start(t, kafkatest.Options{})
	const topic, long = "lingering", 10 * time.Minute
	c.CreateTopic(topic, shards, 1, nil)
	r := newRig(t, c.Bootstrap(), topic, "", 1<<20, writes, func(o *Options) {
		o.Properties = map[string]string{"linger.ms": "600000"}
	})
	begun := time.Now()
	r.push(3, 1, 100)
	for r.w.Stats().Delivered < 1 {
		if time.Since(begun) > long/2 {
			t.Fatal("a lone record waits for others")
		}
		time.Sleep(time.Millisecond)
	}
	r.push(3, 1, 100)
	r.push(4, 1, 100)
	time.Sleep(time.Second) // all that was on its way has come; the limit is far off
	if n := r.w.Stats().Delivered; n != 1 {
		t.Errorf("%d records delivered, want 1: the others wait for linger.ms", n)
	}
	r.drain()
	if n := r.w.Stats().Delivered; n != 3 || time.Since(begun) > long {
		t.Errorf("%d of 3 records delivered after the drain, %v after the first", n, time.Since(begun))
	}
}

// sleeper is a librdkafka that nothing but Wake makes return from a long Poll.
type sleeper struct {
	eager
	t     *testing.T
	polls chan struct{}
	woken chan struct{}
}

func (c *sleeper) Wake() {
	select {
	case c.woken <- struct{}{}:
	default:
	}
}

func (c *sleeper) Poll(ms int) {
	c.eager.Poll(0)
	if ms == 0 {
		return
	}
	select {
	case c.polls <- struct{}{}:
	default:
	}
	select {
	case <-c.woken:
	case <-time.After(time.Minute):
		c.t.Error("nobody wakes the engine")
	}
}

// TestRecordWakesTheEngine: an engine that has gone to sleep hears of a record.
func TestRecordWakesTheEngine(t *testing.T) {
	c := &sleeper{t: t, polls: make(chan struct{}, 1), woken: make(chan struct{}, 1)}
	e, ring := still(t, 0, c, &topicState{Refresh: 1, Limit: 1 << 20})
	go e.run()
	for range 3 {
		<-c.polls
		put(t, ring, 1, 100, nil)
	}
	<-c.polls
	ring.Close()
	<-e.done
	if n := e.stats.snapshot().Delivered; n != 3 {
		t.Errorf("%d of 3 records delivered", n)
	}
}
