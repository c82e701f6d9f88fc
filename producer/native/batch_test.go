package native

import (
	"bytes"
	"context"
	"encoding/binary"
	"hash/crc32"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/ringtail/ringtail/producer/backend"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

type given struct {
	value, key []byte
	headers    []string
}

// decode reads a batch with franz-go's own code and checks what holds of every batch.
func decode(t testing.TB, raw []byte) (kmsg.RecordBatch, []given) {
	t.Helper()
	var b kmsg.RecordBatch
	if err := b.ReadFrom(raw); err != nil {
		t.Fatal(err)
	}
	if int(b.Length) != len(raw)-12 || b.Magic != 2 || b.PartitionLeaderEpoch != -1 || b.FirstOffset != 0 {
		t.Fatalf("header: %+v", b)
	}
	if sum := int32(crc32.Checksum(raw[21:], crc32.MakeTable(crc32.Castagnoli))); b.CRC != sum {
		t.Fatalf("checksum %x, want %x", b.CRC, sum)
	}
	if b.LastOffsetDelta != b.NumRecords-1 || b.FirstTimestamp != b.MaxTimestamp {
		t.Fatalf("header: %+v", b)
	}
	rest, err := kgo.DefaultDecompressor().Decompress(b.Records, kgo.CompressionCodecType(b.Attributes&7))
	if err != nil {
		t.Fatal(err)
	}
	var out []given
	for i := range b.NumRecords {
		length, n := binary.Varint(rest)
		var r kmsg.Record
		if n <= 0 || n+int(length) > len(rest) {
			t.Fatalf("record %d: length %d of %d bytes", i, length, len(rest))
		}
		if err := r.ReadFrom(rest[:n+int(length)]); err != nil {
			t.Fatalf("record %d: %v", i, err)
		}
		if r.OffsetDelta != i || r.TimestampDelta64 != 0 || r.Attributes != 0 {
			t.Fatalf("record %d: %+v", i, r)
		}
		g := given{value: r.Value, key: r.Key}
		for _, h := range r.Headers {
			g.headers = append(g.headers, h.Key, string(h.Value))
		}
		out = append(out, g)
		rest = rest[n+int(length):]
	}
	if len(rest) > 0 {
		t.Fatalf("%d bytes behind the last record", len(rest))
	}
	return b, out
}

// TestBatch: what is put into a batch comes out, whichever way records lie across pieces.
func TestBatch(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	random := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte('a' + rng.IntN(4)) // may be compressed
		}
		return b
	}
	lz4, err := kgo.DefaultCompressor(kgo.Lz4Compression())
	if err != nil {
		t.Fatal(err)
	}
	p := &pool{}
	e := encoder{pool: p}
	for round := range 60 {
		var want []given
		most := []int{20, 300, 40_000, 200_000}[rng.IntN(4)]
		for range 1 + rng.IntN(200_000/most+20) {
			g := given{value: random(rng.IntN(most))}
			if rng.IntN(3) == 0 {
				g.key = random(rng.IntN(100))
			}
			if rng.IntN(5) == 0 {
				g.headers = []string{"reason", string(random(rng.IntN(20))), "remote", "", "name", string(random(rng.IntN(most)))}
			}
			before := e.size()
			var headers []byte
			if g.headers != nil {
				headers = appendHeaders(nil, g.headers...)
			}
			e.add(g.value, g.key, headers)
			if extra := len(g.value) + len(g.key) + len(headers) + backend.RecordExtra; e.size() > before+extra {
				t.Fatalf("%d bytes more than is said", e.size()-before-extra)
			}
			want = append(want, g)
		}
		var c kgo.Compressor
		if round%3 == 0 {
			c = lz4
		}
		size := e.size()
		now := time.UnixMilli(rng.Int64N(1 << 40))
		sealed := e.take()
		if c != nil {
			small, codec := compress(c, sealed.data, sealed.bytes)
			sealed.replace(small, codec, p)
		}
		sealed.seal(producerID{1 << 40, 3}, 1<<30, now)
		data, n := sealed.data, sealed.bytes
		raw := slices.Concat(data...)
		if len(raw) != n || c == nil && n != size || c != nil && n > size {
			t.Fatalf("%d bytes, said to be %d, before %d", len(raw), n, size)
		}
		b, got := decode(t, raw)
		if b.ProducerID != 1<<40 || b.ProducerEpoch != 3 || b.FirstSequence != 1<<30 || b.FirstTimestamp != now.UnixMilli() {
			t.Fatalf("header: %+v", b)
		}
		if !slices.EqualFunc(got, want, func(a, b given) bool {
			return bytes.Equal(a.value, b.value) && bytes.Equal(a.key, b.key) && (a.key == nil) == (b.key == nil) && slices.Equal(a.headers, b.headers)
		}) {
			t.Fatal("what comes out is not what went in")
		}
		p.put(data)
		for _, piece := range slices.Concat(p.first.free, p.rest.free) {
			clear(piece[:cap(piece)])
		}
	}
}

// Within its memory a batch allocates nothing.
func TestBatchAllocatesNothing(t *testing.T) {
	p := &pool{}
	e := encoder{pool: p}
	value := make([]byte, 220)
	fill := func() {
		for range 4000 {
			e.add(value, nil, nil)
		}
		e.discard()
	}
	fill()
	if n := testing.AllocsPerRun(20, fill); n > 8 { // the list of pieces grows
		t.Errorf("%.0f allocations for 4000 records", n)
	}
}

// prompt is a Kafka that has written everything before it is asked.
type prompt struct {
	connected
	parts int
}

func (k *prompt) produce(_ int32, _ string, q *produceRequest, answered func(*kmsg.ProduceResponse, error)) func() {
	r, t := kmsg.NewPtrProduceResponse(), kmsg.NewProduceResponseTopic()
	for _, p := range q.batches {
		a := kmsg.NewProduceResponseTopicPartition()
		a.Partition = p.partition
		t.Partitions = append(t.Partitions, a)
	}
	r.Topics = append(r.Topics, t)
	k.parts += len(q.batches)
	answered(r, nil)
	return func() {}
}

// connected is the part of a wire that is about connections, where there are none.
type connected struct{}

func (connected) connect(context.Context, int32, string) error { return nil }
func (connected) closeIdle()                                   {}

// TestNoAllocationARecord: from hand-over to ack a request costs a few allocations, however
// many records are in it.
func TestNoAllocationARecord(t *testing.T) {
	const parts, each = 10, 1000
	k := &prompt{}
	c := newClient(options(), make([]uint64, parts), k, func() time.Duration { return 0 })
	c.id.Store(&producerID{})
	c.newestMetadata.Store(&metadata{brokers: map[int32]string{0: "a:1"}, leaders: make([]leader, parts)})
	records := make([]backend.Record, each)
	for i := range records {
		records[i].Value = make([]byte, 220)
	}
	next := uint64(0)
	turn := func() {
		for stream := range parts {
			if taken, _ := c.Produce(stream, int32(stream), next, records, nil); taken != each {
				t.Fatalf("%d of %d records taken", taken, each)
			}
		}
		next += each
		for c.Send(); c.Progress(parts-1).Acked < next || c.Progress(0).Acked < next; {
			c.Poll(0)
		}
	}
	turn()
	if n := testing.AllocsPerRun(50, turn); n > parts*each/50 {
		t.Errorf("%.0f allocations for %d records", n, parts*each)
	}
	if got := c.Progress(parts - 1).Acked; got != next || k.parts == 0 {
		t.Errorf("%d of %d acked", got, next)
	}
}

// TestHeadersCountInABatch: with them, a batch is no larger than batch.size.
func TestHeadersCountInABatch(t *testing.T) {
	o := options()
	o.BatchBytes = 10_000
	c := newClient(o, []uint64{0}, &prompt{}, func() time.Duration { return 0 })
	records := make([]backend.Record, 100)
	for i := range records {
		records[i].Value = make([]byte, 10)
	}
	taken, code := c.Produce(0, 0, 0, records, appendHeaders(nil, "name", string(make([]byte, 500))))
	size := c.streams[0].open.size()
	if code != backend.ErrQueueFull || size > o.BatchBytes || size < o.BatchBytes-600 || taken != c.streams[0].open.count {
		t.Errorf("%d taken, code %d, and the batch has %d of %d bytes", taken, code, size, o.BatchBytes)
	}
}

// TestRoomIsTrue: of what has room by Room, Produce takes every record, whatever their sizes, keys
// and headers; of what has none, room comes with the response.
func TestRoomIsTrue(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		o := options()
		o.BatchBytes, o.BatchRecords = 100+rng.IntN(20_000), 1+rng.IntN(200)
		c := newClient(o, []uint64{0}, &prompt{}, func() time.Duration { return 0 })
		next := uint64(0)
		for range 100 {
			room := c.Room(0)
			if room.Empty != (next == 0) {
				t.Fatalf("%+v with %d records", room, next)
			}
			var headers []byte
			if rng.IntN(2) == 0 {
				headers = appendHeaders(nil, "name", string(make([]byte, rng.IntN(300))))
			}
			var records []backend.Record
			for range 1 + rng.IntN(20) {
				r := backend.Record{Value: make([]byte, rng.IntN(2000))}
				if rng.IntN(2) == 0 {
					r.Key = make([]byte, rng.IntN(200))
				}
				if !room.Take(len(r.Value) + len(r.Key) + len(headers)) {
					break
				}
				records = append(records, r)
			}
			taken, code := c.Produce(0, 0, next, records, headers)
			if taken != len(records) || code != 0 {
				t.Fatalf("%d of %d records taken, code %d, into %d bytes", taken, len(records), code, o.BatchBytes)
			}
			next += uint64(taken)
		}
		open := &c.streams[0].open
		if open.count > o.BatchRecords || open.count > 1 && open.size() > o.BatchBytes {
			t.Fatalf("%d records, %d bytes, in a batch of %d, %d", open.count, open.size(), o.BatchRecords, o.BatchBytes)
		}
		if next == 0 {
			t.Fatal("not one record")
		}
	}
}

func BenchmarkAdd(b *testing.B) {
	p := &pool{}
	e := encoder{pool: p}
	value := make([]byte, 220)
	b.SetBytes(int64(len(value)))
	for i := range b.N {
		e.add(value, nil, nil)
		if i%1000 == 999 {
			sealed := e.take()
			sealed.seal(producerID{}, 0, time.Time{})
			sealed.release(p)
		}
	}
}
