package producer

import (
	"hash/crc32"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/ringtail/ringtail/producer/backend"
	"github.com/ringtail/ringtail/shard"
)

// batching is reporting that takes whole batches too.
type batching struct {
	*reporting
	bytes, records int // BatchMost
	busy           bool
	batchCode      int // why it takes no batch
	batches        []handed
}

// handed is a batch that was handed over.
type handed struct {
	first         uint64
	count, claims int
	right         bool // it is what it says
}

func (c *batching) BatchMost() (bytes, records int)     { return c.bytes, c.records }
func (c *batching) TakesBatch(stream int, _ int32) bool { return !c.busy }

func (c *batching) ProduceBatch(stream int, _ int32, first uint64, b backend.Batch) int {
	if c.batchCode != 0 {
		return c.batchCode
	}
	all := slices.Concat(b.Pieces...)
	sum := crc32.Checksum(all, crc32.MakeTable(crc32.Castagnoli))
	right := len(all) == b.Bytes && sum == b.Sum
	c.batches = append(c.batches, handed{first, b.Count, len(b.Pieces), right})
	c.next[stream] = first + uint64(b.Count)
	return 0
}

// batchHands are hands with instances that take whole batches.
type batchHands struct {
	*hands
	w      *batching
	shard  int
	config engineConfig
}

func newBatchHands(t *testing.T, change func(*batchHands)) *batchHands {
	t.Helper()
	h := &batchHands{hands: newHands(t, 1), config: engineConfig{
		Traits:        backend.Traits{ErrorText: backend.ErrorText, WholeBatches: true},
		WindowRecords: 10_000, WindowBytes: 1 << 20, BatchSize: 1 << 18, BatchRecords: 1000,
		SettleTimeout: time.Minute, Logger: slog.New(slog.DiscardHandler),
	}}
	h.config.OnRefused = h.e.cfg.OnRefused
	ring, seams := anyRing(t, 1<<20), h.e.seams
	open := seams.open
	seams.open = func(s topicState, first []uint64) (backend.Client, error) {
		if _, err := open(s, first); err != nil {
			return nil, err
		}
		h.w = &batching{reporting: h.c, bytes: 1 << 18, records: 1000}
		return h.w, nil
	}
	if change != nil {
		change(h)
	}
	h.rings = []*shard.Ring{ring}
	h.e = newEngine(h.config, seams, []*stream{{shard: h.shard, ring: ring}}, newStats(1))
	return h
}

// run is batchHands whose engine runs.
func runBatchHands(t *testing.T) *batchHands {
	t.Helper()
	h := newBatchHands(t, nil)
	h.until(stateRunning)
	return h
}

// wants tells what was handed over since the last look: whole batches, and records one by one.
func (h *batchHands) wants(what string, records int, batches ...handed) {
	h.t.Helper()
	if got := h.w.batches; !slices.Equal(got, batches) || len(h.w.values) != records {
		h.t.Errorf("%s: %+v and %d records handed over, want %+v and %d",
			what, got, len(h.w.values), batches, records)
	}
	h.w.batches, h.w.values = nil, nil
}

// puts puts claims into the ring, of so many records of 100 bytes.
func (h *batchHands) puts(counts ...int) {
	for _, n := range counts {
		put(h.t, h.rings[0], n, 100, nil)
	}
}

// TestKafkaBatchIsHandedOver: the claims that are there are one, and those that come later another.
func TestKafkaBatchIsHandedOver(t *testing.T) {
	h := runBatchHands(t)
	h.puts(3, 10, 1)
	h.e.step()
	h.wants("three claims", 0, handed{0, 14, 3, true})
	h.puts(2)
	h.e.step()
	h.wants("one claim", 0, handed{14, 2, 1, true})
	h.puts(600, 600, 300)
	h.e.step()
	h.wants("more than a batch takes", 0, handed{16, 600, 1, true}, handed{616, 900, 2, true})
	h.c.acks(0)
	if h.e.step(); h.rings[0].Used() != 0 {
		t.Errorf("%d bytes used, and all is in Kafka", h.rings[0].Used())
	}
}

// TestClaimsBeforeTheFirstClient: they are numbered by the limits that are known before it.
func TestClaimsBeforeTheFirstClient(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*engineConfig)
		want   []int
	}{
		{"roomy", func(*engineConfig) {}, []int{0, 10}},
		{"batch.size", func(c *engineConfig) { c.BatchSize = 2000 }, []int{0, 0}},
		{"batch.num.messages", func(c *engineConfig) { c.BatchRecords = 15 }, []int{0, 0}},
		{"a window of bytes", func(c *engineConfig) { c.WindowBytes = 2000 }, []int{0, 0}},
		{"a window of records", func(c *engineConfig) { c.WindowRecords = 15 }, []int{0, 0}},
	} {
		h := newBatchHands(t, func(h *batchHands) { c.change(&h.config) })
		h.puts(10, 10)
		var got []int
		for b, ok := h.rings[0].Next(); ok; b, ok = h.rings[0].Next() {
			got = append(got, b.Number)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// TestClaimThatIsNotPublished: a Kafka batch waits for the last of its claims, and the engine looks
// for it again soon.
func TestClaimThatIsNotPublished(t *testing.T) {
	h := runBatchHands(t)
	h.puts(3)
	c, err := h.rings[0].Claim(1, 100)
	if err != nil {
		t.Fatal(err)
	}
	h.puts(2)
	for range 5 {
		if idle := h.e.step(); idle > gatherFor {
			t.Errorf("looks again after %v", idle)
		}
	}
	h.wants("a claim is not published", 0)
	c.Append(make([]byte, 100), nil, 0)
	c.Publish()
	h.e.step()
	h.wants("it is published", 0, handed{0, 6, 3, true})
}

// TestBusyClient: a client that takes no batch now gets more records in it later. The engine looks
// again, at longer and longer intervals, and notes since when the records wait for the client.
func TestBusyClient(t *testing.T) {
	h := runBatchHands(t)
	h.w.busy = true
	h.puts(3)
	since := h.clock
	for i := range 15 {
		want := min(time.Duration(i+1)*gatherFor, lingerCheckEvery)
		if idle := h.e.step(); idle != want {
			t.Errorf("round %d: looks again after %v, want %v", i, idle, want)
		}
		h.clock += time.Millisecond
	}
	h.puts(2)
	h.w.busy = false
	h.e.step()
	h.wants("it takes batches again", 0, handed{0, 5, 2, true})
	for i, b := range h.e.streams[0].inflight {
		if b.refused != int64(since) || b.handed != int64(h.clock) {
			t.Errorf("claim %d waits for the client since %d, want %d", i, b.refused, since)
		}
	}
	h.clock += time.Millisecond
	h.puts(1)
	h.e.step()
	if b := h.e.streams[0].inflight[2]; b.refused != int64(h.clock) {
		t.Errorf("what did not wait waits since %d, now %d", b.refused, h.clock)
	}
	h.w.busy = true
	h.puts(1)
	if idle := h.e.step(); idle != gatherFor {
		t.Errorf("looks again after %v, want %v", idle, gatherFor)
	}
}

// TestBatchThatIsTooLarge: by now. It goes record by record, and the next one whole.
func TestBatchThatIsTooLarge(t *testing.T) {
	for _, c := range []struct {
		name  string
		fall  func(*batchHands)
		whole bool
	}{
		{"as large as may be", func(h *batchHands) { h.w.records, h.w.bytes = 20, 20*109 }, true},
		{"bytes", func(h *batchHands) { h.w.bytes = 20*109 - 1 }, false},
		{"records", func(h *batchHands) { h.w.records = 19 }, false},
		{"the window's bytes", func(h *batchHands) { h.e.cfg.WindowBytes = 20*109 - 1 }, false},
		{"the window's records", func(h *batchHands) { h.e.cfg.WindowRecords = 19 }, false},
	} {
		h := runBatchHands(t)
		h.puts(10, 10)
		if n := shard.KafkaBytes(1, 100); n < 109 {
			t.Fatalf("a record takes %d bytes", n)
		}
		c.fall(h)
		for range 3 {
			h.e.step()
			h.c.acks(0)
		}
		want := []handed(nil)
		if c.whole {
			want = []handed{{0, 20, 2, true}}
		}
		h.wants(c.name, 20-20*len(want), want...)
		h.puts(5)
		h.e.step()
		h.wants(c.name+", the next one", 0, handed{20, 5, 1, true})
	}
}

// TestWindowOfBatches: what is over it waits until something is in Kafka; a batch by itself never
// is.
func TestWindowOfBatches(t *testing.T) {
	for _, c := range []struct {
		name string
		set  func(*engineConfig)
	}{
		{"records", func(c *engineConfig) { c.WindowRecords = 19 }},
		{"bytes", func(c *engineConfig) { c.WindowBytes = 20*109 - 1 }},
	} {
		h := runBatchHands(t)
		c.set(&h.e.cfg)
		h.puts(10)
		h.e.step()
		h.puts(10)
		h.e.step()
		h.wants(c.name, 0, handed{0, 10, 1, true})
		if !h.e.windowFull {
			t.Errorf("%s: the window is not full", c.name)
		}
		h.c.acks(0)
		h.e.step()
		h.wants(c.name+", the first is acked", 0, handed{10, 10, 1, true})
	}
}

// TestBatchThatIsNotTaken: it is handed over again, whole; what cannot be taken any more is a
// failure.
func TestBatchThatIsNotTaken(t *testing.T) {
	h := runBatchHands(t)
	h.puts(3, 2)
	h.w.batchCode = backend.ErrQueueFull
	if h.e.step(); h.e.streams[0].sent != 0 || !h.e.windowFull {
		t.Errorf("%d records count as handed over; window full: %v", h.e.streams[0].sent, h.e.windowFull)
	}
	h.wants("not taken", 0)
	h.w.batchCode = 0
	h.e.step()
	h.wants("taken", 0, handed{0, 5, 2, true})
	h.puts(1)
	h.w.batchCode = backend.ErrFatal
	if h.e.step(); h.e.state == stateRunning {
		t.Error("a client that can take nothing goes on")
	}
}
