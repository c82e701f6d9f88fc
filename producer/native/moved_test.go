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
	answered func(*kmsg.ProduceResponse, error)
}

// post is a Kafka whose answers a test sends.
type post struct{ all []*posted }

func (k *post) produce(broker int32, _ string, q *produceRequest, answered func(*kmsg.ProduceResponse, error)) func() {
	p := &posted{broker: broker, request: q, answered: answered}
	p.bytes = p.now()
	k.all = append(k.all, p)
	return func() {}
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

// TestMovedBatch: a batch whose leader has not answered goes to the next one. The first request may
// write it yet, so it counts where the second is refused; and it may still be read, so its memory
// is nobody else's.
func TestMovedBatch(t *testing.T) {
	for _, code := range []int16{0, kerr.RecordListTooLarge.Code} {
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
		c.Send()
		if len(k.all) != 2 || k.all[1].broker != 1 || !bytes.Equal(k.all[1].bytes, k.all[0].bytes) {
			t.Fatalf("%d requests; the second is not the first one's batch for the next leader", len(k.all))
		}
		k.all[1].answer(code)
		c.Poll(0)
		acked, maybe := uint64(3), uint64(0)
		if code != 0 {
			acked, maybe = 0, 3
		}
		if got := c.Progress(0); got.Acked != acked || got.Maybe != maybe || got.Reports != 3 {
			t.Errorf("code %d: %+v, want %d acked and %d that may be written", code, got, acked, maybe)
		}
		c.Produce(0, 0, 3, records(500), nil)
		c.Send()
		if !bytes.Equal(k.all[0].now(), k.all[0].bytes) {
			t.Errorf("code %d: the first request would read something else now", code)
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
	data, n := e.seal(producerID{}, 0, time.Now(), lz4)
	b, got := decode(t, slices.Concat(data...))
	if n != plain || b.Attributes&7 != 0 || !bytes.Equal(got[0].value, value) {
		t.Errorf("%d bytes, %d before, codec %d", n, plain, b.Attributes&7)
	}
}
