package native

import (
	"slices"
	"testing"
	"time"

	"github.com/ringtail/ringtail/producer/backend"
)

// TestWholeBatch: a batch that came whole is sent from where it lies, with a header before it, at once
// or not at all.
func TestWholeBatch(t *testing.T) {
	k, clock := &post{}, time.Second
	c := newClient(options(), []uint64{7, 0}, k, func() time.Duration { return clock })
	c.id.Store(&producerID{})
	led := func(by int32) {
		c.newestMetadata.Store(&metadata{brokers: map[int32]string{0: "a:1"}, leaders: []leader{{by, -1}, {by, -1}}})
		c.Poll(0)
	}
	led(-1)
	if c.TakesBatch(0, 0) || c.Trouble(0) != "partition 0: nobody leads it" {
		t.Errorf("nobody leads the partition, and it is %q", c.Trouble(0))
	}
	led(0)
	b := wholeBatch(5)
	if !c.TakesBatch(0, 0) || c.ProduceBatch(0, 0, 7, b) != 0 {
		t.Fatal("it is not taken")
	}
	if c.TakesBatch(0, 0) || c.ProduceBatch(0, 0, 12, b) != backend.ErrQueueFull || c.Room(0) != (backend.Room{}) {
		t.Error("another one is taken while it waits")
	}
	if taken, code := c.Produce(0, 0, 12, records(1), nil); taken != 0 || code != backend.ErrQueueFull {
		t.Errorf("%d records are taken behind it, %d", taken, code)
	}
	c.Send()
	data := k.all[0].request.batches[0].data
	if len(data) != 3 || &data[1][0] != &b.Pieces[0][0] || &data[2][0] != &b.Pieces[1][0] {
		t.Error("it was copied")
	}
	if _, got := decode(t, slices.Concat(data...)); len(got) != 5 {
		t.Errorf("%d records", len(got))
	}
	if c.TakesBatch(0, 0) || c.TakesBatch(1, 1) {
		t.Error("a batch is taken that has to wait for a response")
	}
	k.all[0].answer(0)
	if c.Poll(0); c.Progress(0).Acked != 12 {
		t.Errorf("acked %d, want 12", c.Progress(0).Acked)
	}
	for _, piece := range slices.Concat(c.pool.first.free, c.pool.rest.free) {
		if &piece[:1][0] == &b.Pieces[0][0] || &piece[:1][0] == &b.Pieces[1][0] {
			t.Error("a ring's memory is taken for the client's own")
		}
	}
	if !c.TakesBatch(0, 0) {
		t.Error("no batch is taken any more")
	}
}
