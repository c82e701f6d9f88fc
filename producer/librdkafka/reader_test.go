package librdkafka

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringtail/ringtail/internal/embedded"
)

// rig is a topic of two partitions and a reader of it from the beginning.
func rig(t *testing.T, records ...*kgo.Record) *Reader {
	t.Helper()
	return rigOn(t, broker(t), records...)
}

func broker(t *testing.T) *embedded.Broker {
	t.Helper()
	b, err := embedded.Start(0, map[string]int{"t": 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

func rigOn(t *testing.T, b *embedded.Broker, records ...*kgo.Record) *Reader {
	t.Helper()
	c, err := kgo.NewClient(kgo.SeedBrokers(b.Address()), kgo.DefaultProduceTopic("t"), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchMaxBytes(4<<20), kgo.ProducerBatchCompression(kgo.NoCompression()))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.ProduceSync(context.Background(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	r, err := NewReader(map[string]string{
		"bootstrap.servers": b.Address(), "group.id": "g", "enable.auto.commit": "false", "enable.partition.eof": "true", "enable.metrics.push": "false",
	}, "t")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	if err := r.Assign([]Position{{Partition{0, 0}, int64(kafka.OffsetBeginning)}, {Partition{0, 1}, int64(kafka.OffsetBeginning)}}); err != nil {
		t.Fatal(err)
	}
	return r
}

// copied is a record that outlives its Fetch.
type copied struct {
	partition         Partition
	offset, timestamp int64
	key, value        []byte
	headers           []kafka.Header
}

func copyOf(m *Message) copied {
	c := copied{m.Partition, m.Offset, m.Timestamp(), bytes.Clone(m.Key), bytes.Clone(m.Value), nil}
	for _, h := range m.Headers() {
		c.headers = append(c.headers, kafka.Header{Key: h.Key, Value: bytes.Clone(h.Value)})
	}
	return c
}

// readAll reads to the ends of both partitions.
func readAll(t *testing.T, r *Reader) []copied {
	t.Helper()
	var out []copied
	ends := map[Partition]bool{}
	for deadline := time.Now().Add(time.Minute); len(ends) < 2; {
		if time.Now().After(deadline) {
			t.Fatalf("the ends did not come; read so far: %d", len(out))
		}
		if _, err := r.Fetch(100, func(m *Message) error {
			switch m.Err {
			case kafka.ErrNoError:
				out = append(out, copyOf(m))
			case kafka.ErrPartitionEOF:
				ends[m.Partition] = true
			default:
				t.Errorf("%v: %s", m.Err, m.Value)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func TestRecordsAreWhole(t *testing.T) {
	large := bytes.Repeat([]byte("x"), 600_000)
	var sent []*kgo.Record
	for i := range 3000 { // more than a batch
		sent = append(sent, &kgo.Record{Key: fmt.Appendf(nil, "key %d", i), Value: bytes.Repeat([]byte{byte(i)}, i%50)})
	}
	sent = append(sent,
		&kgo.Record{Value: large},
		&kgo.Record{Key: []byte{}, Value: nil, Headers: []kgo.RecordHeader{{Key: "a", Value: []byte("1")}, {Key: "", Value: []byte{}}, {Key: "none"}}},
		&kgo.Record{Key: nil, Value: []byte{}, Timestamp: time.UnixMilli(1_700_000_000_123)},
	)
	got := readAll(t, rig(t, sent...))
	if len(got) != len(sent) {
		t.Fatalf("%d records, want %d", len(got), len(sent))
	}
	for i, r := range got {
		s := sent[i]
		if r.offset != int64(i) || r.partition != (Partition{}) || !bytes.Equal(r.key, s.Key) || !bytes.Equal(r.value, s.Value) ||
			(r.key == nil) != (s.Key == nil) || (r.value == nil) != (s.Value == nil) || len(r.headers) != len(s.Headers) || r.timestamp != s.Timestamp.UnixMilli() {
			t.Fatalf("record %d is partition %v, offset %d, key %q, %d bytes, %d headers, time %d", i, r.partition, r.offset, r.key, len(r.value), len(r.headers), r.timestamp)
		}
		for j, h := range r.headers {
			if h.Key != s.Headers[j].Key || !bytes.Equal(h.Value, s.Headers[j].Value) || (h.Value == nil) != (s.Headers[j].Value == nil) {
				t.Errorf("record %d, header %d is %v", i, j, h)
			}
		}
	}
}

func TestFetchStopsAtAnError(t *testing.T) {
	r := rig(t, &kgo.Record{Value: []byte("v")})
	enough := errors.New("enough")
	var err error
	for deadline := time.Now().Add(time.Minute); err == nil && time.Now().Before(deadline); {
		_, err = r.Fetch(100, func(*Message) error { return enough })
	}
	if !errors.Is(err, enough) {
		t.Errorf("got %v", err)
	}
}

// TestTroubleIsSaid: the broker goes away, and librdkafka's word of it comes among
// the records.
func TestTroubleIsSaid(t *testing.T) {
	b, err := embedded.Start(0, map[string]int{"t": 2})
	if err != nil {
		t.Fatal(err)
	}
	r := rigOn(t, b, &kgo.Record{Value: []byte("v")})
	readAll(t, r)
	b.Close()
	said := ""
	for deadline := time.Now().Add(time.Minute); said == "" && time.Now().Before(deadline); {
		if _, err := r.Fetch(100, func(m *Message) error {
			if m.Err != kafka.ErrNoError && m.Err != kafka.ErrPartitionEOF && m.Partition.ID == -1 {
				said = string(m.Value)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	if said == "" {
		t.Error("nothing was said")
	}
}

func TestNewReaderRefuses(t *testing.T) {
	for name, value := range map[string]string{"no.such": "1", "session.timeout.ms": "soon", "fetch.max.bytes": "1"} {
		if r, err := NewReader(map[string]string{"group.id": "g", name: value}, "t"); err == nil || !strings.Contains(err.Error(), "--kafka-property") || !strings.Contains(err.Error(), name) {
			t.Errorf("%s=%s: %v, %v", name, value, r, err)
		}
	}
}

// TestEndsWhileClosing: whoever asks for the ends of partitions meanwhile never reaches what Close
// has freed.
func TestEndsWhileClosing(t *testing.T) {
	b := broker(t)
	for range 20 {
		r, err := NewReader(map[string]string{"bootstrap.servers": b.Address(), "group.id": "g", "enable.metrics.push": "false"}, "t")
		if err != nil {
			t.Fatal(err)
		}
		var asking sync.WaitGroup
		var asked atomic.Int64
		for range 4 {
			asking.Go(func() {
				for closed := false; !closed; asked.Add(1) {
					r.mu.RLock()
					closed = r.c == nil
					r.mu.RUnlock()
					if first, next := r.Ends(Partition{0, 1}); first >= 0 || next >= 0 {
						t.Errorf("nothing was fetched, and the ends are %d and %d", first, next)
					}
				}
			})
		}
		for asked.Load() < 100 {
			runtime.Gosched()
		}
		r.Close()
		asking.Wait()
	}
}
