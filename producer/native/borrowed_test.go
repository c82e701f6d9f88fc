package native

import (
	"bufio"
	"bytes"
	"errors"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/ringtail/ringtail/producer/backend"
)

// borrowing is a client of two streams, and of a partition each, that knows its leaders.
func borrowing(o Options) (*post, *Client) {
	k := &post{}
	c := newClient(o, []uint64{0, 0}, k, func() time.Duration { return time.Second })
	c.id.Store(&producerID{})
	c.newestMetadata.Store(&metadata{brokers: map[int32]string{0: "a:1"}, leaders: make([]leader, 2)})
	c.Poll(0)
	return k, c
}

// TestBorrowedIsTaken: only what would be sent at once.
func TestBorrowedIsTaken(t *testing.T) {
	const full = backend.ErrQueueFull
	nobody := &metadata{leaders: []leader{{-1, -1}, {-1, -1}}}
	throttled := &brokerState{throttledUntil: time.Minute}
	for _, c := range []struct {
		name   string
		change func(*Client)
		code   int // of ProduceBatch, which looks at less
	}{
		{"nothing is in its way", func(*Client) {}, 0},
		{"another stream's records wait", func(c *Client) { c.Produce(1, 1, 0, records(1), nil) }, 0},
		{"its records wait", func(c *Client) { c.Produce(0, 0, 0, records(1), nil) }, full},
		{"it waits already", func(c *Client) { c.ProduceBatch(0, 0, 0, wholeBatch(1)) }, full},
		{"no producer id", func(c *Client) { c.id.Store(nil) }, 0},
		{"no metadata", func(c *Client) { c.metadata = nil }, 0},
		{"nobody leads", func(c *Client) { c.metadata = nobody }, 0},
		{
			"the broker has a request",
			func(c *Client) { c.Produce(1, 1, 0, records(1), nil); c.Send() }, 0,
		},
		{"its partition's batch waits", func(c *Client) { c.partitionFor(0).batch = &batch{} }, 0},
		{"the broker asked for time", func(c *Client) { c.brokers[0] = throttled }, 0},
		{"purged", func(c *Client) { c.Purge(false) }, backend.ErrFatal},
	} {
		_, client := borrowing(options())
		c.change(client)
		want := c.name == "nothing is in its way" || c.name == "another stream's records wait"
		if got := client.TakesBatch(0, 0); got != want {
			t.Errorf("%s: takes a batch %v", c.name, got)
		}
		if code := client.ProduceBatch(0, 0, 0, wholeBatch(2)); code != c.code {
			t.Errorf("%s: code %d, want %d", c.name, code, c.code)
		}
	}
}

// TestBorrowedIsPurged: a batch that waits is reported as failed, once, and is not sent.
func TestBorrowedIsPurged(t *testing.T) {
	k, c := borrowing(options())
	c.ProduceBatch(0, 0, 0, wholeBatch(3))
	for range 2 {
		c.Purge(false)
		p := c.Progress(0)
		if p.Reports != 3 || p.Failed != 0 || p.Err != backend.ErrPurged || p.Maybe != 0 {
			t.Errorf("%+v, want 3 reports, none of a record that may be in the log", p)
		}
	}
	if c.Send(); len(k.all) != 0 {
		t.Errorf("%d requests", len(k.all))
	}
}

// TestBorrowedFillsARequest: a batch counts for its request's size before it is sealed, and none is
// larger than batch.size with its header.
func TestBorrowedFillsARequest(t *testing.T) {
	o := options()
	o.BatchBytes = 20_000
	k, c := borrowing(o)
	if most, records := c.BatchMost(); most+headerBytes != o.BatchBytes || records != o.BatchRecords {
		t.Errorf("at most %d bytes, %d records", most, records)
	}
	c.sizes = sizeBounds{1, 7000, 7000}
	for i := range 2 {
		c.ProduceBatch(i, int32(i), 0, wholeBatch(5))
	}
	for i := range 2 {
		if c.Send(); len(k.all) != i+1 || len(k.all[i].request.batches) != 1 {
			t.Fatalf("%d requests, want one with a batch each", len(k.all))
		}
		k.all[i].answer(0)
		c.Poll(0)
	}
}

// TestBorrowedMemory: the client's own is used again, the lists of pieces too, and they point into
// no ring any more.
func TestBorrowedMemory(t *testing.T) {
	k, c := borrowing(options())
	for i, pieces := range []int{1, 2, 300, 2} {
		first := uint64(2 * i)
		b := wholeBatch(2)
		all := slices.Concat(b.Pieces...)
		b.Pieces = nil
		for n := range pieces {
			piece := make([]byte, 0, firstBytes) // as large as one of the client's
			piece = append(piece, all[n*len(all)/pieces:(n+1)*len(all)/pieces]...)
			b.Pieces = append(b.Pieces, piece)
		}
		if code := c.ProduceBatch(0, 0, first, b); code != 0 {
			t.Fatalf("code %d", code)
		}
		c.Send()
		if _, got := decode(t, k.all[i].bytes); len(got) != 2 {
			t.Errorf("%d pieces: %d records", pieces, len(got))
		}
		k.all[i].request.written.Store(true)
		k.all[i].answer(0)
		if c.Poll(0); c.Progress(0).Acked != first+2 {
			t.Fatalf("%d acked", c.Progress(0).Acked)
		}
		if own := len(c.pool.first.free); own != 1 || len(c.pool.rest.free) != 0 {
			t.Errorf("%d small pieces are free, and %d others; want the header's",
				own, len(c.pool.rest.free))
		}
		if len(c.pool.lists) == 0 {
			t.Error("no list is free")
		}
		for _, list := range c.pool.lists {
			if slices.ContainsFunc(list[:cap(list)], func(b []byte) bool { return b != nil }) {
				t.Error("a list that is free points somewhere")
			}
		}
	}
}

// TestBorrowedByAPurgedRequest: what a request may still read is not used again, what it has read
// is.
func TestBorrowedByAPurgedRequest(t *testing.T) {
	for _, written := range []bool{false, true} {
		k, c := borrowing(options())
		c.Produce(0, 0, 0, records(3), nil)
		c.Send()
		k.all[0].request.written.Store(written)
		c.Purge(true)
		if free := len(c.pool.first.free); (free == 1) != written {
			t.Errorf("written %v: %d pieces are free", written, free)
		}
	}
}

// TestEarlierRefusalSaysNothing: what a former leader refuses the next one may take.
func TestEarlierRefusalSaysNothing(t *testing.T) {
	k, c := movedBatch(t)
	k.all[1].request.written.Store(true)
	k.all[0].answer(kerr.RecordListTooLarge.Code)
	if c.Poll(0); c.Progress(0).Reports != 0 {
		t.Errorf("%+v after a former leader's refusal", c.Progress(0))
	}
	k.all[1].answer(0)
	if c.Poll(0); c.Progress(0).Acked != 3 {
		t.Errorf("%+v, want 3 acked", c.Progress(0))
	}
}

// watching is a connection that looks at each byte that is written, and at what is known of it
// then.
type watching struct {
	net.Conn
	q     *produceRequest
	early bool // the request counted as written before all of it was
	sent  bytes.Buffer
}

var errWatched = errors.New("no response")

func (w *watching) SetDeadline(time.Time) error { return nil }
func (w *watching) Read([]byte) (int, error)    { return 0, errWatched }
func (w *watching) Write(b []byte) (int, error) {
	w.early = w.early || w.q.written.Load()
	return w.sent.Write(b)
}

// TestWrittenIsReadNoMore: a request's batches are being read until the network has all of it, and
// no longer, whatever comes for a response.
func TestWrittenIsReadNoMore(t *testing.T) {
	pieces := chunks{[]byte("ba"), []byte("tch")}
	q := &produceRequest{topic: "t", batches: []requestBatch{{0, pieces, 5}}}
	w := &watching{q: q}
	c := &conn{nc: w, r: bufio.NewReader(w), version: produceMax}
	if _, err := c.produce(t.Context(), q, options()); !errors.Is(err, errWatched) {
		t.Fatal(err)
	}
	if w.early || !q.written.Load() || !bytes.Contains(w.sent.Bytes(), []byte("batch")) {
		t.Errorf("written %v, before it was %v; %q", q.written.Load(), w.early, w.sent.Bytes())
	}
}
