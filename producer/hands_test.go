package producer

import (
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/ringtail/ringtail/producer/backend"
	"github.com/ringtail/ringtail/shard"
)

// reporting is a writer's instance that reports what a test tells it to.
type reporting struct {
	eager
	progress   []backend.Progress // by stream
	first      []uint64           // by stream: number of the first record handed over
	next       []uint64           // and of the next one
	most       int                // records that it takes at a time
	code       int                // why it takes no more
	fatal      int
	purges     []bool // with inflight or without
	polls      []int  // timeouts
	sends      int
	wakes      int
	values     [][]byte           // of all that it took
	headers    []string           // of all that it took
	deadLetter backend.DeadLetter // the newest
	room       *backend.Room      // nil: any
	asked      int                // records that it was offered
	share      float64            // BrokerShare
	told       bool
}

func (c *reporting) Produce(stream int, _ int32, first uint64, records []backend.Record, headers []byte) (taken, code int) {
	n := min(len(records), c.most)
	c.asked += len(records)
	for _, r := range records[:n] {
		c.values, c.headers = append(c.values, r.Value), append(c.headers, string(headers))
	}
	if c.next[stream] = first + uint64(n); n < len(records) {
		code = c.code
	}
	return n, code
}

func (c *reporting) ProduceDeadLetter(stream int, partition int32, number uint64, value []byte, l backend.DeadLetter) int {
	c.deadLetter = l
	_, code := c.Produce(stream, partition, number, []backend.Record{{Value: value}}, nil)
	return code
}

func (c *reporting) Room(stream int) backend.Room {
	if c.room == nil {
		return c.eager.Room(stream)
	}
	return *c.room
}

func (c *reporting) BrokerShare() (float64, bool)         { return c.share, c.told }
func (c *reporting) Send()                                { c.sends++ }
func (c *reporting) Poll(timeout int)                     { c.polls = append(c.polls, timeout) }
func (c *reporting) Wake()                                { c.wakes++ }
func (c *reporting) Fatal() int                           { return c.fatal }
func (c *reporting) Purge(inflight bool)                  { c.purges = append(c.purges, inflight) }
func (c *reporting) Progress(stream int) backend.Progress { return c.progress[stream] }

// fails reports that all of a stream's records failed.
func (c *reporting) fails(stream, code int, more backend.Progress) {
	more.Acked, more.Failed, more.Err = c.first[stream], c.first[stream], code
	more.Reports = c.next[stream] - c.first[stream]
	c.progress[stream] = more
}

// hands is an engine in a test's hands: its clock, its topic, its instances.
type hands struct {
	t         *testing.T
	e         *engine
	rings     []*shard.Ring
	clock     time.Duration
	topic     topicState
	c         *reporting   // the newest instance
	opened    []topicState // for which instances were made
	refreshes int
	gone      chan struct{} // of the instance that is being destroyed
	refused   []uint64      // ordinals
}

// newHands makes an engine of some shards, all in partition 0, that is running. Where there are
// none, it is that of the dead letters.
func newHands(t *testing.T, shards int) *hands {
	t.Helper()
	h := &hands{t: t, topic: topicState{Refresh: 1, Limit: 100_000}, gone: make(chan struct{})}
	close(h.gone)
	var streams []*stream
	for i := range max(shards, 1) {
		h.rings = append(h.rings, anyRing(t, 1<<20))
		streams = append(streams, &stream{id: i, shard: min(i, shards-1), ring: h.rings[i]})
	}
	h.e = newEngine(engineConfig{Traits: backend.Traits{ErrorText: backend.ErrorText}, WindowRecords: 10_000, WindowBytes: 1 << 20, SettleTimeout: time.Minute,
		OnRefused: func(_, ordinal uint64) { h.refused = append(h.refused, ordinal) },
		Logger:    slog.New(slog.DiscardHandler)}, seams{
		open: func(s topicState, first []uint64) (backend.Client, error) {
			h.opened = append(h.opened, s)
			h.c = &reporting{first: first, next: slices.Clone(first), most: 1 << 20}
			for _, n := range first {
				h.c.progress = append(h.c.progress, backend.Progress{Acked: n, Failed: backend.None})
			}
			return h.c, nil
		},
		destroy:      func(backend.Client) <-chan struct{} { return h.gone },
		topic:        func() topicState { return h.topic },
		refreshTopic: func() { h.refreshes++ },
		now:          func() time.Duration { return h.clock },
		die:          func(err error) { t.Error(err) },
	}, streams, newStats(max(shards, 1)))
	h.until(stateRunning)
	return h
}

func anyRing(t *testing.T, bytes int) *shard.Ring {
	t.Helper()
	ring, err := shard.New(shard.Options{Name: "0", Bytes: bytes})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ring.Release() })
	return ring
}

// until steps, and looks at the topic, until the engine is in that state.
func (h *hands) until(s state) {
	h.t.Helper()
	for range 1000 {
		if h.e.state == s {
			return
		}
		h.e.step()
		h.topic.Refresh++
		h.clock += 10 * time.Millisecond
	}
	h.t.Fatalf("%v, want %v", h.e.state, s)
}

// renewed steps until another instance runs, and has what was not acked.
func (h *hands) renewed() {
	h.t.Helper()
	n := len(h.opened)
	for range 1000 {
		if h.e.step(); len(h.opened) > n {
			h.e.step()
			return
		}
		h.topic.Refresh++
		h.clock += 10 * time.Millisecond
	}
	h.t.Fatalf("%v, and no other instance", h.e.state)
}

// push puts records into a shard and has them handed over.
func (h *hands) push(i, count int) {
	h.t.Helper()
	put(h.t, h.rings[i], count, 100, nil)
	before := h.c.next[i]
	if h.e.step(); h.c.next[i] != before+uint64(count) {
		h.t.Fatalf("%d of %d records handed over", h.c.next[i]-before, count)
	}
}

func (h *hands) stats() Stats { return h.e.stats.snapshot() }

// acks reports that all of a stream's records are in Kafka.
func (c *reporting) acks(stream int) {
	c.progress[stream].Acked, c.progress[stream].Reports = c.next[stream], c.next[stream]-c.first[stream]
}
