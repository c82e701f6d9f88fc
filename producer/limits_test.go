package producer

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/ringtail/ringtail/internal/kafkatest"
	"github.com/ringtail/ringtail/producer/backend"
)

// logText is a log that may be read while it is written.
type logText struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// secretSettings lets nobody read a topic's settings.
func secretSettings(c *kfake.Cluster) {
	c.ControlKey(int16(kmsg.DescribeConfigs), func(q kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		p := q.(*kmsg.DescribeConfigsRequest)
		a := p.ResponseKind().(*kmsg.DescribeConfigsResponse)
		for _, r := range p.Resources {
			x := kmsg.NewDescribeConfigsResponseResource()
			x.ResourceType, x.ResourceName, x.ErrorCode = r.ResourceType, r.ResourceName, kerr.TopicAuthorizationFailed.Code
			a.Resources = append(a.Resources, x)
		}
		return a, nil, true
	})
}

// TestLimitThatNobodyTells: the topic takes less than may be known. Records over that are set
// aside, those beside them go in, and it does not take an instance a record.
func TestLimitThatNobodyTells(t *testing.T) {
	for _, writer := range writers() {
		t.Run(writer, func(t *testing.T) {
			const shards, rounds = 4, 400
			w, c, rings := fakeWriter(t, Options{Writer: writer}, shards, kfake.BrokerConfigs(map[string]string{"message.max.bytes": "100000"}))
			secretSettings(c)
			if err := w.Check(minute(t)); err != nil {
				t.Fatal(err)
			}
			w.Start()
			begun := time.Now()
			large := uint64(0)
			put(t, rings[0], 1, 200_000, nil)
			large++
			for i := range rounds {
				for k := range shards {
					put(t, rings[k], 1, 100, nil)
				}
				if i%100 == 50 { // of the same size, or larger: nobody has to try those
					put(t, rings[0], 1, 200_000+i, nil)
					large++
				}
				time.Sleep(5 * time.Millisecond)
			}
			until(t, "everything", func() bool {
				s := w.Stats()
				return s.Delivered == shards*rounds && s.Refused == large
			})
			// After recordRefusedFor a size is tried again.
			if n := w.Stats().Rebuilds; n > 8+2*uint64(time.Since(begun)/recordRefusedFor) {
				t.Errorf("%d instances were needed", n)
			}
			until(t, "readiness", func() bool { ready, _ := w.Ready(); return ready })
		})
	}
}

// TestBatchThatNeverPasses: something between closes connections at a size below batch.size.
// Batches become smaller, and nothing is set aside for it.
func TestBatchThatNeverPasses(t *testing.T) {
	link, listen := kafkatest.Front(t)
	link.Refuse(300_000)
	w, _, rings := fakeWriter(t, Options{Writer: WriterNative}, 2, kfake.ListenFn(listen))
	rings[0].SetKafkaBatch(900_000, 10_000) // as Start does
	for range 900 {                         // before there is anybody to take them, so that a batch is full
		put(t, rings[0], 1, 1000, nil)
	}
	if err := w.Check(minute(t)); err != nil {
		t.Fatal(err)
	}
	w.Start()
	until(t, "everything", func() bool { return w.Stats().Delivered == 900 })
	if s := w.Stats(); s.Refused > 0 || s.Rebuilds == 0 || s.Rebuilds > 4 || link.Refused() == 0 {
		t.Errorf("%+v, %d connections closed", s, link.Refused())
	}
}

// refusing takes everything of stream 0 until it comes to a record, which it refuses, and acks
// everything of stream 1 at once.
type refusing struct {
	eager
	at    uint64
	code  int
	first []uint64
	sent  [2]uint64
}

func (c *refusing) Produce(stream int, _ int32, first uint64, records []backend.Record, _ []byte) (int, int) {
	c.sent[stream] = first + uint64(len(records))
	return len(records), 0
}

func (c *refusing) Progress(stream int) backend.Progress {
	p := backend.Progress{Acked: c.sent[stream], Failed: backend.None, Reports: c.sent[stream] - c.first[stream]}
	if stream == 0 && c.sent[0] > c.at {
		p.Acked, p.Failed, p.Err = c.at, c.at, c.code
	}
	return p
}

// TestBackoffIsTheFailedStreams: the acks of other shards do not end the back-off of one whose
// record is refused for good; its own, past that record, do.
func TestBackoffIsTheFailedStreams(t *testing.T) {
	topic := topicState{Refresh: 1, Limit: 5000}
	e, ring := still(t, 0, nil, &topic)
	_, other := still(t, 0, nil, &topic)
	e.streams = append(e.streams, &stream{id: 1, shard: 0, ring: other, partition: 1})
	var now time.Duration
	at := uint64(5)
	e.seams.now = func() time.Duration { return now }
	e.seams.refreshTopic = func() { topic.Refresh++ }
	e.seams.open = func(_ topicState, first []uint64) (backend.Client, error) {
		return &refusing{at: at, code: 44, first: first, sent: [2]uint64(first)}, nil
	}
	run := func(d time.Duration) (instances uint64) {
		before := e.stats.rebuilds.Load()
		for end := now + d; now < end; now += 10 * time.Millisecond {
			put(t, other, 1, 10, nil)
			e.step()
		}
		return e.stats.rebuilds.Load() - before
	}
	put(t, ring, 10, 100, nil)
	if n := run(time.Minute); n < 5 || n > 11 {
		t.Errorf("%d instances in a minute", n)
	}
	if e.backoff != backoffMax || e.streams[1].acked < 1000 {
		t.Errorf("back-off %v, and the other shard has %d acks", e.backoff, e.streams[1].acked)
	}
	at = 1 << 40
	until(t, "the record", func() bool { run(time.Second); return e.streams[0].acked == 10 })
	if e.backoff != 0 {
		t.Errorf("back-off %v after the record is in", e.backoff)
	}
	if n := run(time.Minute); n != 0 {
		t.Errorf("%d instances with nothing wrong", n)
	}
}

// TestTooLargeAlone: who is at fault when a batch is too large.
func TestTooLargeAlone(t *testing.T) {
	for name, c := range map[string]struct {
		track   backend.Progress
		batch   int
		refused int // of limits
		aside   bool
	}{
		"among others":             {backend.Progress{Failed: 1}, 1_000_000, 900, false},
		"among others, of a batch": {backend.Progress{Failed: 1}, 800, 800, false}, // was more than a batch
		"as large as a batch":      {backend.Progress{Failed: 1}, 100, 0, true},
		"alone, says the client":   {backend.Progress{Failed: 1, Alone: true}, 1_000_000, 0, true},
		"the last":                 {backend.Progress{Failed: 9}, 1_000_000, 0, true},
	} {
		topic := topicState{Refresh: 1, Limit: 1_000_000, Assumed: true}
		e, ring := still(t, 0, &silent{}, &topic)
		put(t, ring, 10, 100, nil)
		steps(e, 3)
		var s limits
		s.resetFor(topic)
		s.tooLarge(topic, e.streams[0], c.track, c.batch, false, 0)
		refused := max(c.refused, 2*batchFloor)
		if c.aside {
			refused = 0
		}
		if (s.oversized != nil) != c.aside || s.batchRefused != refused || c.aside && (s.number != c.track.Failed || s.record(topic, recordRefusedFor-1) != 99 || s.record(topic, recordRefusedFor) < 1<<30) {
			t.Errorf("%s: %+v", name, s)
		}
		if c.aside {
			continue
		}
		if got := s.batch(topic); got != s.batchRefused/2 {
			t.Errorf("%s: batches of %d", name, got)
		}
		topic.Limit = 700_000
		if got := s.batch(topic); got != 700_000 || s.record(topic, 0) < 1<<30 {
			t.Errorf("%s: batches of %d once the topic's limit is another", name, got)
		}
	}
}

// TestTooLargeIsHeardLate: with librdkafka a batch that is too large ends the instance, and what is
// said first may be that, or that other streams' records are given up. What it was is in the
// stream's reports.
func TestTooLargeIsHeardLate(t *testing.T) {
	for name, first := range map[string]func(c *reporting){
		"the instance ends":          func(c *reporting) { c.fatal = backend.ErrFatal },
		"another stream is given up": func(c *reporting) { c.fails(0, -152, backend.Progress{}) }, // _PURGE_QUEUE
		"it is said at once":         func(c *reporting) { c.fails(1, backend.ErrMessageTooLarge, backend.Progress{}) },
		"it is said of two at once": func(c *reporting) {
			c.fails(0, backend.ErrMessageTooLarge, backend.Progress{})
			c.fails(1, backend.ErrMessageTooLarge, backend.Progress{})
		},
	} {
		h := newHands(t, 2)
		h.topic.Assumed = true
		h.push(0, 100)
		h.push(1, 100)
		first(h.c)
		h.e.step()
		h.c.fails(0, h.c.progress[0].Err, backend.Progress{})
		h.c.fails(1, backend.ErrMessageTooLarge, backend.Progress{})
		was := h.opened[0].Limit
		if h.renewed(); h.opened[1].Limit >= was/2 {
			t.Errorf("%s: batches of %d bytes, then of %d", name, was, h.opened[1].Limit)
		}
		if h.e.streams[1].failedEnd == 0 {
			t.Errorf("%s: the stream is not in trouble", name)
		}
	}
}

// TestOneWordIsNotEnough: of a topic whose limit is known nobody is set aside on a broker's word,
// and what is compressed teaches nothing of others.
func TestOneWordIsNotEnough(t *testing.T) {
	for _, c := range []struct{ assumed, compressed, aside bool }{{false, false, false}, {true, true, true}} {
		topic := topicState{Refresh: 1, Limit: 1_000_000, Assumed: c.assumed}
		e, ring := still(t, 0, &silent{}, &topic)
		put(t, ring, 10, 100, nil)
		steps(e, 3)
		var s limits
		s.resetFor(topic)
		if s.tooLarge(topic, e.streams[0], backend.Progress{Failed: 1, Alone: true}, 1_000_000, c.compressed, 0); (s.oversized != nil) != c.aside || s.record(topic, 0) < 1<<30 {
			t.Errorf("%+v: %+v", c, s)
		}
	}
}

// TestInstancesAreApart: whatever fails, and whatever comes between, there is no more than an
// instance a second.
func TestInstancesAreApart(t *testing.T) {
	topic := topicState{Refresh: 1, Limit: 5000}
	e, ring := still(t, 0, nil, &topic)
	var now time.Duration
	e.seams.now = func() time.Duration { return now }
	e.seams.refreshTopic = func() { topic.Refresh++ }
	e.seams.open = func(_ topicState, first []uint64) (backend.Client, error) { // each writes one record, and fails at the next
		return &refusing{at: first[0] + 1, code: 44, first: []uint64{first[0], 0}, sent: [2]uint64{first[0], 0}}, nil
	}
	put(t, ring, 100, 10, nil)
	for ; now < 20*time.Second; now += 10 * time.Millisecond {
		e.step()
	}
	if n := e.stats.rebuilds.Load(); n < 15 || n > 20 {
		t.Errorf("%d instances in 20 seconds", n)
	}
}

// TestStallSaysWhy: a record that waits long for Kafka says what for.
func TestStallSaysWhy(t *testing.T) {
	topic := topicState{Refresh: 1, Limit: 5000}
	c := &troubled{trouble: "partition 0: wait and see"}
	e, ring := still(t, 0, c, &topic)
	steps(e, 2)
	put(t, ring, 1, 10, nil)
	e.step()
	e.seams.now = func() time.Duration { return time.Duration(e.oldest.Load()) + stalledAfter + time.Second }
	steps(e, 2)
	want := func(what string) {
		t.Helper()
		if why := e.cause.Load(); why == nil || *why != what {
			t.Errorf("%v, want %q", why, what)
		}
	}
	want("partition 0: wait and see")
	c.trouble = ""
	e.lastWarning, e.lastWarningAt = "broker is down", time.Duration(e.oldest.Load())-1
	e.step()
	want("") // that was before
	e.lastWarningAt++
	e.step()
	want("broker is down")
}

type troubled struct {
	silent
	trouble string
}

func (c *troubled) Trouble(int) string { return c.trouble }
