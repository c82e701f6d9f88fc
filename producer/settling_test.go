package producer

import (
	"log/slog"
	"math"
	"testing"
	"time"

	"github.com/ringtail/ringtail/producer/backend"
	"github.com/ringtail/ringtail/shard"
)

// eager takes everything and acks it at the next poll.
type eager struct{ sent, acked uint64 }

func (c *eager) Produce(_ int, _ int32, first uint64, records []backend.Record, _ []byte) (int, int) {
	c.sent = first + uint64(len(records))
	return len(records), 0
}
func (c *eager) Room(int) backend.Room {
	return backend.Room{Records: backend.BatchMax, Bytes: math.MaxInt}
}
func (c *eager) ProduceDeadLetter(int, int32, uint64, []byte, backend.DeadLetter) int { return 0 }
func (c *eager) Poll(int)                                                             { c.acked = c.sent }
func (c *eager) Wake()                                                                {}
func (c *eager) Progress(int) backend.Progress {
	return backend.Progress{Acked: c.acked, Failed: backend.None, Reports: c.acked}
}
func (c *eager) Purge(bool)                     {}
func (c *eager) Fatal() int                     { return 0 }
func (c *eager) Events() ([]backend.Event, int) { return nil, 0 }
func (c *eager) Send()                          {}
func (c *eager) Ready() error                   { return nil }
func (c *eager) Relief()                        {}
func (c *eager) Trouble(int) string             { return "" }
func (c *eager) Retries() uint64                { return 0 }
func (c *eager) BrokerShare() (float64, bool)   { return 0, false }
func (c *eager) Destroy()                       {}

// silent takes everything and reports nothing, like a librdkafka whose brokers do
// not answer; a purge of requests under way reports it all as failed.
type silent struct {
	eager
	values      [][]byte
	deadLetters []backend.DeadLetter
	purged      bool
}

func (c *silent) Produce(_ int, _ int32, first uint64, records []backend.Record, _ []byte) (int, int) {
	for _, r := range records {
		c.values = append(c.values, r.Value)
	}
	c.sent = first + uint64(len(records))
	return len(records), 0
}

func (c *silent) ProduceDeadLetter(_ int, _ int32, number uint64, value []byte, l backend.DeadLetter) int {
	c.values, c.deadLetters, c.sent = append(c.values, value), append(c.deadLetters, l), number+1
	return 0
}

func (c *silent) Poll(int)            {}
func (c *silent) Purge(inflight bool) { c.purged = c.purged || inflight }
func (c *silent) Progress(int) backend.Progress {
	if c.purged && c.sent > 0 {
		return backend.Progress{Failed: 0, Err: errPurgeInflight, Reports: c.sent, Maybe: c.sent}
	}
	return backend.Progress{Failed: backend.None}
}

// still is an engine with one ring, a clock that stands and a topic that the test sets.
func still(t *testing.T, shardNo int, c backend.Client, topic *topicState) (*engine, *shard.Ring) {
	ring, err := shard.New(shard.Options{Name: "0", Bytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ring.Release() })
	gone := make(chan struct{})
	close(gone)
	e := newEngine(engineConfig{Traits: adversaryTraits, WindowRecords: 1000, WindowBytes: 1 << 20, SettleTimeout: time.Minute,
		Logger: slog.New(slog.DiscardHandler)}, seams{
		open:         func(topicState, []uint64) (backend.Client, error) { return c, nil },
		destroy:      func(backend.Client) <-chan struct{} { return gone },
		topic:        func() topicState { return *topic },
		refreshTopic: func() {},
		now:          func() time.Duration { return 0 },
		die:          func(err error) { t.Error(err) },
	}, []*stream{{shard: shardNo, ring: ring}}, newStats(1))
	return e, ring
}

func put(t *testing.T, r *shard.Ring, count, size int, meta []byte) {
	t.Helper()
	c, err := r.Claim(count, count*(size+len(meta)))
	if err != nil {
		t.Fatal(err)
	}
	for i := range count {
		c.Append(make([]byte, size), meta, uint32(i))
	}
	c.Publish()
}

func steps(e *engine, n int) {
	for range n {
		e.step()
	}
}

// TestOrderToStopEndsQuietSettling: the topic's limit falls, so the instance is to be
// replaced without a failure, and then no broker answers any more. The clock stands,
// so only the order can end it.
func TestOrderToStopEndsQuietSettling(t *testing.T) {
	topic := topicState{Refresh: 1, Limit: 5000}
	c := &silent{}
	e, ring := still(t, 0, c, &topic)
	put(t, ring, 10, 100, nil)
	steps(e, 3)
	topic.Limit = 4000
	steps(e, 20)
	if e.state != stateSettling || c.purged {
		t.Fatalf("%v, purged %v; want to be settling, waiting for reports", e.state, c.purged)
	}
	e.abort.Store(true)
	steps(e, 20)
	if e.state != stateEnded {
		t.Errorf("%v after the order to stop", e.state)
	}
}

// TestReadyWhenSetAside: an engine that is sick over records that are then set
// aside, and has nothing else to prove itself with, is well again.
func TestReadyWhenSetAside(t *testing.T) {
	topic := topicState{Refresh: 1, Limit: 2000}
	e, ring := still(t, 0, &silent{}, &topic)
	steps(e, 3)
	e.setUnhealthy("a batch was refused")
	put(t, ring, 3, 1800, nil)
	steps(e, 5)
	if why := e.health.Load(); why != nil || e.stats.snapshot().Refused != 3 || ring.Used() != 0 {
		t.Errorf("health %v, %d refused, %d bytes used", why, e.stats.snapshot().Refused, ring.Used())
	}
}

// TestTooManyInARow: after a hundred records set aside in a row no more are, and the
// engine is not ready; once the topic takes them, the others go in.
func TestTooManyInARow(t *testing.T) {
	topic := topicState{Refresh: 1, Limit: 2000}
	c := &eager{}
	e, ring := still(t, 0, c, &topic)
	put(t, ring, 150, 1800, nil)
	steps(e, 20)
	if n := e.stats.snapshot().Refused; n != asideStreakMax || e.health.Load() == nil {
		t.Fatalf("%d set aside, healthy %v; want %d and not ready", n, e.health.Load() == nil, asideStreakMax)
	}
	topic.Limit = 10_000
	for range 10 {
		e.step()
		c.Poll(0)
	}
	if s := e.stats.snapshot(); s.Delivered != 50 || s.Refused != asideStreakMax || e.health.Load() != nil {
		t.Errorf("%+v, healthy %v; want 50 delivered and ready", s, e.health.Load() == nil)
	}
}

// TestDeadLetterIsCutNotRefused: the dead-letter topic's limit falls while a dead letter waits.
// Acks wait for it, so it goes in, cut, and says how long it was.
func TestDeadLetterIsCutNotRefused(t *testing.T) {
	topic := topicState{Refresh: 1, Limit: 2000}
	c := &silent{}
	e, ring := still(t, -1, c, &topic)
	put(t, ring, 1, 5000, shard.AppendDeadLetterMeta(nil, "bad_json", "127.0.0.1:1", 0))
	steps(e, 3)
	if len(c.deadLetters) != 1 || c.deadLetters[0].Truncated != 5000 || len(c.values[0]) != 2000-recordSlack {
		t.Errorf("dead letters %+v", c.deadLetters)
	}
}

// TestReliefAfterStall: a record that waits for longer than a stall takes, and is
// acked, is told as relief once; ordinary waiting is not.
func TestReliefAfterStall(t *testing.T) {
	ring, err := shard.New(shard.Options{Name: "0", Bytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer ring.Release()
	c := &eager{}
	now, reliefs := time.Duration(shard.Now()), 0
	e := newEngine(engineConfig{
		WindowRecords: 10, WindowBytes: 1 << 20, Logger: slog.New(slog.DiscardHandler), OnRelief: func() { reliefs++ },
	}, seams{
		open:         func(topicState, []uint64) (backend.Client, error) { return c, nil },
		topic:        func() topicState { return topicState{Refresh: 1} },
		refreshTopic: func() {},
		now:          func() time.Duration { return now },
	}, []*stream{{ring: ring}}, newStats(1))
	for round, wait := range []time.Duration{time.Second, stalledAfter + time.Second, time.Second} {
		claim, err := ring.Claim(1, 1)
		if err != nil {
			t.Fatal(err)
		}
		claim.SetTaken(int64(now))
		claim.Append([]byte("x"), nil, 1)
		claim.Publish()
		for range 3 { // handed over, not acked
			e.step()
		}
		now += wait
		e.step()
		c.Poll(0)
		e.step()
		if want := min(round, 1); reliefs != want || ring.Used() > 0 {
			t.Errorf("after waiting for %v: %d reliefs, want %d; %d bytes in the ring", wait, reliefs, want, ring.Used())
		}
	}
}
