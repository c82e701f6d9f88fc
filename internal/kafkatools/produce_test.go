package kafkatools

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// produce writes an input to topic out.
func (b *broker) produce(o ProduceOptions, input string) (told string, err error) {
	var s said
	o.Topic, o.Partition = "out", -1
	err = Produce(context.Background(), b.Cluster, o, Streams{In: strings.NewReader(input), Err: &s})
	return s.String(), err
}

// TestProduceNamesTheRecord: what Kafka refuses, or is no JSON, is named by its line, with
// the limit that would help.
func TestProduceNamesTheRecord(t *testing.T) {
	large := func(size int) string {
		return "{\"n\":1}\n\n{\"n\":\"" + strings.Repeat("x", size-8) + "\"}\n{\"n\":3}\n"
	}
	for name, c := range map[string]struct {
		prepare  func(b *broker)
		o        ProduceOptions
		in, want string
	}{
		"2 MB":                       {nil, ProduceOptions{}, large(2_000_000), "standard input, line 3: its 2000000 bytes, with what a batch adds to them, are over max.message.bytes=1048588 of topic out"},
		"over the topic's limit":     {func(b *broker) { b.set("out", 2000) }, ProduceOptions{}, large(3000), "line 3: its 3000 bytes, with what a batch adds to them, are over max.message.bytes=2000 of topic out"},
		"by what a batch adds":       {func(b *broker) { b.set("out", 2000) }, ProduceOptions{}, large(1990), "line 3: its 1990 bytes, with what a batch adds to them, are over max.message.bytes=2000"},
		"over the user's limit":      {func(b *broker) { b.Properties = map[string]string{"message.max.bytes": "2000"} }, ProduceOptions{}, large(3000), "line 3: its 3000 bytes are over -X message.max.bytes=2000"},
		"over both, by the broker":   {func(b *broker) { b.set("out", 2000); b.Properties = map[string]string{"message.max.bytes": "9000"} }, ProduceOptions{}, large(3000), "line 3: its 3000 bytes, with"},
		"in a pretty array":          {func(b *broker) { b.set("out", 2000) }, ProduceOptions{}, "[{},\n{\n\"n\":\"" + strings.Repeat("x", 3000) + "\"}]", "line 2: its 3008 bytes"},
		"refused":                    {func(b *broker) { b.refuse("poison", kerr.InvalidRecord) }, ProduceOptions{}, "{}\n{\"n\":\"poison and more\"}\n{}", "line 2: topic out refuses it: "},
		"made up":                    {func(b *broker) { b.refuse("\"id\"", kerr.PolicyViolation) }, ProduceOptions{Generate: "stream", Count: 1}, "", "record 1: topic out refuses it: "},
		"not permitted, no record's": {func(b *broker) { b.refuse("n", kerr.TopicAuthorizationFailed) }, ProduceOptions{}, "{\"n\":1}", "topic out: "},
		"no JSON":                    {nil, ProduceOptions{}, "{\"n\":1}\nhello\n", "standard input, line 2 is no JSON: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startBroker(t)
			if c.prepare != nil {
				c.prepare(b)
			}
			if told, err := b.produce(c.o, c.in); err == nil || !strings.HasPrefix(strings.TrimPrefix(err.Error(), "standard input, "), strings.TrimPrefix(c.want, "standard input, ")) {
				t.Errorf("it ends with %.300v, and says %q", err, told)
			}
		})
	}
}

// TestBatchesFitTheTopic: a topic that takes little takes many records.
func TestBatchesFitTheTopic(t *testing.T) {
	b := startBroker(t)
	b.set("out", 500)
	if _, err := b.produce(ProduceOptions{Generate: "stream", Count: 1000}, ""); err != nil {
		t.Error(err)
	}
	if got := len(b.processed("value")); got != 1000 {
		t.Errorf("%d records are in the topic", got)
	}
}

// TestLargeTopic: what the topic takes is written, over librdkafka's own limit, too.
func TestLargeTopic(t *testing.T) {
	b := startBroker(t)
	b.set("out", 5_000_000)
	if _, err := b.produce(ProduceOptions{}, fmt.Sprintf(`{"n":"%s"}`, strings.Repeat("x", 3_000_000))); err != nil {
		t.Error(err)
	}
}

// TestStall: told once when records have waited and none has moved, and again for the
// next time.
func TestStall(t *testing.T) {
	var w stall
	begin := time.Unix(1e9, 0)
	for i, c := range []struct {
		handed, delivered int64
		after             time.Duration
		want              bool
	}{
		{9, 0, 0, false}, {9, 0, sayEvery - 1, false}, {9, 0, sayEvery, true}, {9, 0, 2 * sayEvery, false},
		{9, 7, 3 * sayEvery, false}, {9, 7, 4*sayEvery - 1, false}, {9, 8, 4 * sayEvery, false}, {9, 8, 5 * sayEvery, true},
		{9, 9, 6 * sayEvery, false}, {9, 9, 8 * sayEvery, false}, {10, 9, 8*sayEvery + 1, false}, {10, 9, 9 * sayEvery, true},
	} {
		if got := w.lasts(c.handed, c.delivered, begin.Add(c.after)); got != c.want {
			t.Errorf("step %d: %v, want %v", i, got, c.want)
		}
	}
}

// TestCompressed: it is the compressed size that a topic limits, so Kafka decides.
func TestCompressed(t *testing.T) {
	b := startBroker(t)
	b.set("out", 100_000)
	b.Properties = map[string]string{"compression.type": "zstd"}
	if _, err := b.produce(ProduceOptions{}, fmt.Sprintf(`{"n":"%s"}`, strings.Repeat("x", 3_000_000))); err != nil {
		t.Error(err)
	}
	var noise strings.Builder
	for rng := rand.New(rand.NewPCG(1, 2)); noise.Len() < 300_000; {
		fmt.Fprintf(&noise, "%x", rng.Uint64())
	}
	if _, err := b.produce(ProduceOptions{}, fmt.Sprintf("{}\n{\"n\":\"%s\"}", noise.String())); err == nil || !strings.Contains(err.Error(), "line 2: its 3000") ||
		!strings.Contains(err.Error(), "max.message.bytes=100000 of topic out") {
		t.Errorf("it ends with %v", err)
	}
}

// TestTombstones: keys without values, of one key or of the input's records.
func TestTombstones(t *testing.T) {
	b := startBroker(t)
	key := "a b"
	for _, c := range []struct {
		o       ProduceOptions
		in, err string
	}{
		{ProduceOptions{Tombstone: true, Key: &key}, "", ""},
		{ProduceOptions{Tombstone: true, KeyField: "id"}, "{\"id\":1}\n{\"id\":\"two\",\"n\":2}\n", ""},
		{ProduceOptions{Tombstone: true, KeyField: "id"}, "{\"id\":3}\n{\"n\":4}\n", "standard input, line 2: it has no field id"},
		{ProduceOptions{Tombstone: true}, "{}", "--tombstone: "},
		{ProduceOptions{Tombstone: true, Key: &key, File: "x"}, "", "--tombstone with --key"},
	} {
		if _, err := b.produce(c.o, c.in); (err == nil) != (c.err == "") || err != nil && !strings.HasPrefix(err.Error(), c.err) {
			t.Errorf("%+v: %v", c.o, err)
		}
	}
	want := "out:0:0: key=a b value=null\nout:0:1: key=1 value=null\nout:0:2: key=two value=null\nout:0:3: key=3 value=null"
	if got := strings.Join(b.processed("text"), "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := b.processed("json")[0]; !strings.Contains(got, `"key":"a b","value":null,`) {
		t.Errorf("as JSON it is %s", got)
	}
}
