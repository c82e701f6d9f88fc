package rdc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringtail/ringtail/internal/embedded"
)

// TestDeclarations compiles testdata/declared.c against the header that comes with
// the linked library.
func TestDeclarations(t *testing.T) {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/confluentinc/confluent-kafka-go/v2").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	cc := os.Getenv("CC")
	if cc == "" {
		cc = "cc"
	}
	include := filepath.Join(strings.TrimSpace(string(dir)), "kafka", "librdkafka_vendor")
	if out, err := exec.Command(cc, "-std=c11", "-fsyntax-only", "-Werror", "-I", include, "testdata/declared.c").CombinedOutput(); err != nil {
		t.Errorf("rdc.h and rdkafka.h differ:\n%s", out)
	}
	header, err := os.ReadFile("rdc.h")
	if err != nil {
		t.Fatal(err)
	}
	checked, err := os.ReadFile("testdata/declared.c")
	if err != nil {
		t.Fatal(err)
	}
	functions := regexp.MustCompile(`\b(rd_kafka_\w+)\(`).FindAllSubmatch(header, -1)
	if len(functions) != 39 {
		t.Errorf("%d functions found in rdc.h, want 39", len(functions))
	}
	for _, f := range functions {
		if !bytes.Contains(checked, append([]byte("= "), append(f[1], ';')...)) {
			t.Errorf("%s is not compared in testdata/declared.c", f[1])
		}
	}
}

// rig is a topic of two partitions and a reader of it from the beginning.
func rig(t *testing.T, headers bool, records ...*kgo.Record) *Reader {
	t.Helper()
	return rigOn(t, broker(t), headers, records...)
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

func rigOn(t *testing.T, b *embedded.Broker, headers bool, records ...*kgo.Record) *Reader {
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
	r, err := Open(map[string]string{
		"bootstrap.servers": b.Address(), "group.id": "g", "enable.auto.commit": "false", "enable.partition.eof": "true", "enable.metrics.push": "false",
	}, headers)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	if err := r.Assign("t", []Position{{0, int64(kafka.OffsetBeginning)}, {1, int64(kafka.OffsetBeginning)}}); err != nil {
		t.Fatal(err)
	}
	return r
}

// readAll reads to the ends of both partitions. The records are copies.
func readAll(t *testing.T, r *Reader) []Record {
	t.Helper()
	var out []Record
	ends := map[int32]bool{}
	for deadline := time.Now().Add(time.Minute); len(ends) < 2; {
		if time.Now().After(deadline) {
			t.Fatalf("the ends did not come; read so far: %d", len(out))
		}
		if _, err := r.Fetch(100, func(rec *Record) error {
			switch rec.Err {
			case kafka.ErrNoError:
				c := *rec
				c.Key, c.Value = bytes.Clone(rec.Key), bytes.Clone(rec.Value)
				c.Headers = nil
				for _, h := range rec.Headers {
					c.Headers = append(c.Headers, kafka.Header{Key: h.Key, Value: bytes.Clone(h.Value)})
				}
				out = append(out, c)
			case kafka.ErrPartitionEOF:
				ends[rec.Partition] = true
			default:
				t.Errorf("%v: %s", rec.Err, rec.Value)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func TestRecordsAreWhole(t *testing.T) {
	large := bytes.Repeat([]byte("x"), bufferBytes+1) // does not fit the first buffer
	var sent []*kgo.Record
	for i := range 3000 { // more than a batch
		sent = append(sent, &kgo.Record{Key: fmt.Appendf(nil, "key %d", i), Value: bytes.Repeat([]byte{byte(i)}, i%50)})
	}
	sent = append(sent,
		&kgo.Record{Value: large},
		&kgo.Record{Key: []byte{}, Value: nil, Headers: []kgo.RecordHeader{{Key: "a", Value: []byte("1")}, {Key: "", Value: []byte{}}, {Key: "none"}}},
		&kgo.Record{Key: nil, Value: []byte{}, Timestamp: time.UnixMilli(1_700_000_000_123)},
	)
	got := readAll(t, rig(t, true, sent...))
	if len(got) != len(sent) {
		t.Fatalf("%d records, want %d", len(got), len(sent))
	}
	for i, r := range got {
		s := sent[i]
		if r.Offset != int64(i) || r.Partition != 0 || !bytes.Equal(r.Key, s.Key) || !bytes.Equal(r.Value, s.Value) ||
			(r.Key == nil) != (s.Key == nil) || (r.Value == nil) != (s.Value == nil) || len(r.Headers) != len(s.Headers) || r.Timestamp != s.Timestamp.UnixMilli() {
			t.Fatalf("record %d is partition %d, offset %d, key %q, %d bytes, %d headers, time %d", i, r.Partition, r.Offset, r.Key, len(r.Value), len(r.Headers), r.Timestamp)
		}
		for j, h := range r.Headers {
			if h.Key != s.Headers[j].Key || !bytes.Equal(h.Value, s.Headers[j].Value) || (h.Value == nil) != (s.Headers[j].Value == nil) {
				t.Errorf("record %d, header %d is %v", i, j, h)
			}
		}
	}
}

func TestHeadersOnlyWhenAsked(t *testing.T) {
	got := readAll(t, rig(t, false, &kgo.Record{Value: []byte("v"), Partition: 1, Headers: []kgo.RecordHeader{{Key: "a"}}}))
	if len(got) != 1 || got[0].Partition != 1 || len(got[0].Headers) != 0 || got[0].Timestamp != 0 {
		t.Errorf("got %+v", got)
	}
}

func TestFetchStopsAtAnError(t *testing.T) {
	r := rig(t, false, &kgo.Record{Value: []byte("v")})
	enough := errors.New("enough")
	var err error
	for deadline := time.Now().Add(time.Minute); err == nil && time.Now().Before(deadline); {
		_, err = r.Fetch(100, func(*Record) error { return enough })
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
	r := rigOn(t, b, false, &kgo.Record{Value: []byte("v")})
	readAll(t, r)
	b.Close()
	said := ""
	for deadline := time.Now().Add(time.Minute); said == "" && time.Now().Before(deadline); {
		if _, err := r.Fetch(100, func(rec *Record) error {
			if rec.Err != kafka.ErrNoError && rec.Err != kafka.ErrPartitionEOF && rec.Partition == -1 {
				said = string(rec.Value)
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

func TestOpenRefuses(t *testing.T) {
	for name, value := range map[string]string{"no.such": "1", "session.timeout.ms": "soon"} {
		if r, err := Open(map[string]string{name: value}, false); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s=%s: %v, %v", name, value, r, err)
		}
	}
}
