package native

import (
	"bytes"
	"context"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// posted is a request that has left, to be answered when a test wants.
type posted struct {
	broker   int32
	request  *produceRequest
	bytes    []byte // of its batches, as they were
	canceled int
	answered func(*kmsg.ProduceResponse, error)
}

// post is a Kafka whose answers a test sends.
type post struct{ all []*posted }

func (k *post) produce(broker int32, _ string, q *produceRequest, answered func(*kmsg.ProduceResponse, error)) func() {
	p := &posted{broker: broker, request: q, answered: answered}
	p.bytes = p.now()
	k.all = append(k.all, p)
	return func() { p.canceled++ }
}

func (k *post) connect(context.Context, int32, string) error { return nil }
func (k *post) closeIdle()                                   {}

// now is what the network would read now.
func (p *posted) now() []byte {
	var b []byte
	for _, batch := range p.request.batches {
		b = append(b, slices.Concat(batch.data...)...)
	}
	return b
}

func (p *posted) answer(code int16) {
	k := &scriptedCodes{code: code, under: p.request, answered: p.answered}
	k.answer()
}

// TestMovedBatch: a batch whose leader has not answered goes to the next one, once the first
// request reads it no more: else that one is given up. The first request may write it yet, so it
// counts where the second is refused.
func TestMovedBatch(t *testing.T) {
	for _, code := range []int16{0, kerr.RecordListTooLarge.Code} {
		k, c := movedBatch(t)
		k.all[1].answer(code)
		c.Poll(0)
		acked, maybe := uint64(3), uint64(0)
		if code != 0 {
			acked, maybe = 0, 3
		}
		if got := c.Progress(0); got.Acked != acked || got.Maybe != maybe || got.Reports != 3 {
			t.Errorf("code %d: %+v, want %d acked and %d that may be written", code, got, acked, maybe)
		}
	}
}

// movedBatch is a client whose batch of three records is in a request to a former leader, which has
// read it, and in one to the next leader.
func movedBatch(t *testing.T) (*post, *Client) {
	t.Helper()
	k, clock := &post{}, time.Second
	c := newClient(options(), []uint64{0}, k, func() time.Duration { return clock })
	c.id.Store(&producerID{})
	led := func(by int32) {
		c.newestMetadata.Store(&metadata{brokers: map[int32]string{0: "a:1", 1: "b:1"}, leaders: []leader{{by, -1}}})
	}
	led(0)
	c.Produce(0, 0, 0, records(3), nil)
	c.Send()
	led(1)
	clock += moveAfter
	if c.Send(); len(k.all) != 1 || k.all[0].canceled != 1 {
		t.Fatalf("%d requests while the first still reads the batch; given up %d times", len(k.all), k.all[0].canceled)
	}
	k.all[0].request.written.Store(true)
	if c.Send(); len(k.all) != 2 || k.all[1].broker != 1 || !bytes.Equal(k.all[1].bytes, k.all[0].bytes) {
		t.Fatalf("%d requests; the second is not the first one's batch for the next leader", len(k.all))
	}
	return k, c
}

// TestAckWhileItIsRead: the former leader says that it has the batch while the request to the next
// one still reads it. Its memory would be free with the ack, so the ack waits for that request.
func TestAckWhileItIsRead(t *testing.T) {
	for _, written := range []bool{true, false} {
		k, c := movedBatch(t)
		k.all[1].request.written.Store(written)
		k.all[0].answer(0)
		c.Poll(0)
		if got := c.Progress(0).Acked; (got == 3) != written {
			t.Errorf("read %v: %d acked", written, got)
		}
		k.all[1].answer(kerr.DuplicateSequenceNumber.Code)
		c.Poll(0)
		if got := c.Progress(0); got.Acked != 3 || got.Reports != 3 {
			t.Errorf("read %v: %+v in the end", written, got)
		}
	}
}

// TestCompressionThatDoesNotPay: what does not get smaller stays as it was, and so within its
// limit.
func TestCompressionThatDoesNotPay(t *testing.T) {
	lz4, err := kgo.DefaultCompressor(kgo.Lz4Compression())
	if err != nil {
		t.Fatal(err)
	}
	value := make([]byte, 300)
	for i, x := 0, uint32(1); i < len(value); i++ { // noise
		x = x*1664525 + 1013904223
		value[i] = byte(x >> 24)
	}
	e := encoder{pool: &pool{}}
	e.add(value, nil, nil)
	plain := e.size()
	sealed := e.take()
	small, codec := compress(lz4, sealed.data, sealed.bytes)
	sealed.replace(small, codec, e.pool)
	sealed.seal(producerID{}, 0, time.Now())
	n := sealed.bytes
	b, got := decode(t, slices.Concat(sealed.data...))
	if n != plain || b.Attributes&7 != 0 || !bytes.Equal(got[0].value, value) {
		t.Errorf("%d bytes, %d before, codec %d", n, plain, b.Attributes&7)
	}
}
