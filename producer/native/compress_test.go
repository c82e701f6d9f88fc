package native

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringtail/ringtail/internal/crc32c"
	"github.com/ringtail/ringtail/producer/backend"
)

// gate compresses once it is let.
type gate struct {
	kgo.Compressor
	begun, open chan struct{}
}

func (g *gate) Compress(dst *bytes.Buffer, src []byte, flags ...kgo.CompressFlag) ([]byte, kgo.CompressionCodecType) {
	g.begun <- struct{}{}
	<-g.open
	return g.Compressor.Compress(dst, src, flags...)
}

// gated makes a client of two partitions whose compressor waits at a gate.
func gated(t *testing.T) (*Client, *post, *gate) {
	t.Helper()
	snappy, err := kgo.DefaultCompressor(kgo.SnappyCompression())
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{snappy, make(chan struct{}, 9), make(chan struct{})}
	o := options()
	o.Compressor = g
	k := &post{}
	c := newClient(o, []uint64{0, 0}, k, func() time.Duration { return 0 })
	c.id.Store(&producerID{})
	c.newestMetadata.Store(&metadata{brokers: map[int32]string{0: "a:1"}, leaders: make([]leader, 2)})
	c.Poll(0)
	return c, k, g
}

// wholeBatch is a batch of so many records of 1,000 bytes, in two pieces.
func wholeBatch(count int) backend.Batch {
	e := encoder{pool: &pool{}}
	for range count {
		e.add(bytes.Repeat([]byte("x"), 1000), nil, nil)
	}
	r := e.take()
	all := slices.Concat(r.data...)[headerBytes:]
	return backend.Batch{Count: count, Bytes: len(all), Sum: crc32c.Sum(all), Pieces: [][]byte{all[:700], all[700:]}}
}

// TestCompressionIsApart: the engine goes on while batches are compressed, all at the same time,
// and they go in one request once the last of them is.
func TestCompressionIsApart(t *testing.T) {
	c, k, g := gated(t)
	for i := range 2 {
		if !c.TakesBatch(i, int32(i)) || c.ProduceBatch(i, int32(i), 0, wholeBatch(5+i)) != 0 {
			t.Fatal("no room for a batch")
		}
		<-g.begun
	}
	c.Send()
	if taken, code := c.Produce(0, 0, 5, records(1), nil); taken != 0 || code != backend.ErrQueueFull || c.TakesBatch(0, 0) {
		t.Errorf("%d records are taken behind a batch, %d", taken, code)
	}
	if len(k.all) != 0 {
		t.Fatalf("%d requests before anything is compressed", len(k.all))
	}
	close(g.open)
	for len(k.all) == 0 {
		c.Poll(1000)
	}
	if len(k.all) != 1 || len(k.all[0].request.batches) != 2 {
		t.Fatalf("%d requests, want one with both batches", len(k.all))
	}
	for i, b := range k.all[0].request.batches {
		raw := slices.Concat(b.data...)
		if h, got := decode(t, raw); len(raw) != b.bytes || h.Attributes != 2 || len(got) != 5+i || len(got[0].value) != 1000 || len(raw) > 1000 {
			t.Errorf("batch %d: %d bytes, codec %d, %d records", i, len(raw), h.Attributes, len(got))
		}
	}
	k.all[0].answer(0)
	if c.Poll(0); c.Progress(0).Acked != 5 || c.Progress(1).Acked != 6 {
		t.Errorf("acked %d and %d", c.Progress(0).Acked, c.Progress(1).Acked)
	}
	c.Destroy()
}

// TestPurgeWhileCompressing: what is being compressed is given up, and its memory is left alone
// until Destroy returns.
func TestPurgeWhileCompressing(t *testing.T) {
	c, k, g := gated(t)
	b := wholeBatch(5)
	c.ProduceBatch(0, 0, 0, b)
	<-g.begun
	c.Purge(true)
	if p := c.Progress(0); p.Reports != 5 || p.Failed != 0 || p.Maybe != 0 {
		t.Errorf("%+v", p)
	}
	destroyed := make(chan struct{})
	go func() {
		c.Destroy()
		close(destroyed)
	}()
	select {
	case <-destroyed:
		t.Error("destroyed while a goroutine reads a ring")
	default:
	}
	close(g.open)
	<-destroyed
	if len(k.all) != 0 {
		t.Errorf("%d requests", len(k.all))
	}
}
