package kafkatools

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/ringtail/ringtail/internal/config"
)

// broker is a fake Kafka with one topic, t.
type broker struct {
	t     *testing.T
	fake  *kfake.Cluster
	admin *kadm.Client
	Cluster
}

func startBroker(t *testing.T) *broker {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "t", "out", "dead"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	b := &broker{t: t, fake: cluster, Cluster: Cluster{Brokers: cluster.ListenAddrs()[0]}}
	client, err := kgo.NewClient(kgo.SeedBrokers(b.Brokers))
	b.check(err)
	t.Cleanup(client.Close)
	b.admin = kadm.NewClient(client)
	return b
}

func (b *broker) check(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// write writes records {"n":0}, {"n":1} … to a partition of t, in small batches. Its client
// is new, and knows the topic as it is.
func (b *broker) write(partition, count int) {
	b.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(b.Brokers), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchMaxBytes(1000))
	b.check(err)
	defer client.Close()
	var records []*kgo.Record
	for i := range count {
		records = append(records, &kgo.Record{Topic: "t", Partition: int32(partition), Value: fmt.Appendf(nil, `{"n":%d}`, i)})
	}
	b.check(client.ProduceSync(context.Background(), records...).FirstErr())
}

// set sets a topic's max.message.bytes.
func (b *broker) set(topic string, bytes int) {
	b.t.Helper()
	answer, err := b.admin.AlterTopicConfigs(context.Background(), []kadm.AlterConfig{{Name: "max.message.bytes", Value: kadm.StringPtr(fmt.Sprint(bytes))}}, topic)
	b.check(err)
	_, err = answer.On(topic, nil)
	b.check(err)
}

// forget removes the records of partition 0 of t below an offset, as retention does.
func (b *broker) forget(below int64) {
	b.t.Helper()
	var o kadm.Offsets
	o.Add(kadm.Offset{Topic: "t", At: below})
	answer, err := b.admin.DeleteRecords(context.Background(), o)
	b.check(err)
	b.check(answer.Error())
}

func (b *broker) remake() {
	b.t.Helper()
	_, err := b.admin.DeleteTopic(context.Background(), "t")
	b.check(err)
	_, err = b.admin.CreateTopic(context.Background(), 1, 1, nil, "t")
	b.check(err)
}

func (b *broker) commit(group string, offset int64) {
	b.t.Helper()
	var o kadm.Offsets
	o.Add(kadm.Offset{Topic: "t", At: offset, LeaderEpoch: -1})
	b.check(b.admin.CommitAllOffsets(context.Background(), group, o))
}

func (b *broker) committed(group string) int64 {
	b.t.Helper()
	o, err := b.admin.FetchOffsets(context.Background(), group)
	at, ok := o.Lookup("t", 0)
	if err != nil || !ok {
		return -1 // there is no such group
	}
	return at.At
}

// consume reads t, and returns what it showed and said.
func (b *broker) consume(o ConsumeOptions) (shown []string, told string, err error) {
	var out bytes.Buffer
	var s said
	o.Topics, o.Partition, o.Format = config.List{"t"}, -1, "value"
	err = Consume(context.Background(), b.Cluster, o, Streams{Out: &out, Err: &s})
	return strings.Fields(out.String()), s.String(), err
}

// TestGone: what is gone before it was read is said, with numbers, and everything that
// is there is shown, whatever --from says.
func TestGone(t *testing.T) {
	const told = "55 records are gone: t:0 offsets 5 to 59; reading goes on at offset 60\n"
	for name, c := range map[string]struct {
		o           ConsumeOptions
		first, next int64
		committed   int64 // −1: nothing
		shown       int
		told, err   string
	}{
		"a group, by default":          {ConsumeOptions{Group: "g", From: "end"}, 60, 100, 5, 40, told, "55 records gone"},
		"a group, from the beginning":  {ConsumeOptions{Group: "g", From: "beginning"}, 60, 100, 5, 40, told, "55 records gone"},
		"a group, all is gone":         {ConsumeOptions{Group: "g", From: "end"}, 100, 100, 5, 0, "95 records are gone: t:0 offsets 5 to 99;", "95 records gone"},
		"a group, one is gone":         {ConsumeOptions{Group: "g", From: "end"}, 60, 100, 59, 40, "1 record is gone: t:0 offset 59;", "1 record gone"},
		"a group, nothing is gone":     {ConsumeOptions{Group: "g", From: "end"}, 60, 100, 60, 40, "", ""},
		"a new group, from the end":    {ConsumeOptions{Group: "g", From: "end"}, 60, 100, -1, 0, "", ""},
		"no group, from an offset":     {ConsumeOptions{From: "5"}, 60, 100, -1, 40, told, "55 records gone"},
		"no group, from the beginning": {ConsumeOptions{From: "beginning"}, 60, 100, -1, 40, "", ""},
		"no group, behind the end":     {ConsumeOptions{From: "105"}, 60, 100, -1, 0, "t:0: --from 105 is behind the partition's end; reading begins there, at 100\n", ""},
		"so many":                      {ConsumeOptions{Group: "g", From: "end", Count: 3}, 60, 100, 5, 3, told, "55 records gone"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startBroker(t)
			b.write(0, int(c.next))
			b.forget(c.first)
			if c.committed >= 0 {
				b.commit("g", c.committed)
			}
			c.o.UntilEnd = true
			shown, told, err := b.consume(c.o)
			if len(shown) != c.shown || c.shown > 0 && shown[0] != fmt.Sprintf(`{"n":%d}`, c.first) {
				t.Errorf("%d records are shown, want %d: %v", len(shown), c.shown, shown)
			}
			if !strings.Contains(told, c.told) || c.told == "" && told != "" {
				t.Errorf("it says %q, want %q", told, c.told)
			}
			if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("it ends with %v, want %q", err, c.err)
			}
			if want := c.first + int64(c.shown); c.o.Group != "" && c.committed >= 0 && b.committed("g") != want {
				t.Errorf("%d is committed, want %d", b.committed("g"), want)
			}
			if c.o.Group == "" || c.o.Count > 0 {
				return
			}
			if shown, told, err = b.consume(c.o); err != nil || told != "" || len(shown) != 0 {
				t.Errorf("the second time it shows %d, says %q, and ends with %v", len(shown), told, err)
			}
		})
	}
}

// TestTopicMadeAgain: a position behind the end is said, and the new topic is read.
func TestTopicMadeAgain(t *testing.T) {
	for _, records := range []int{40, 0} {
		b := startBroker(t)
		b.write(0, 100)
		b.remake()
		b.write(0, records)
		b.commit("g", 100) // the broker forgets it with the topic, unless a reader commits it again
		shown, told, err := b.consume(ConsumeOptions{Group: "g", From: "end", UntilEnd: true})
		if len(shown) != records || !strings.Contains(told, "t:0: the position 100 is behind the partition's end") ||
			err == nil || !strings.Contains(err.Error(), "topic t: 1 position behind the end") {
			t.Errorf("%d of %d records are shown, it says %q and ends with %v", len(shown), records, told, err)
		}
		if got := b.committed("g"); got != int64(records) {
			t.Errorf("%d is committed, want %d", got, records)
		}
	}
}

// TestTopicMadeAgainMeanwhile: offsets of the old topic are not committed in the new one,
// where they would go past its first records.
func TestTopicMadeAgainMeanwhile(t *testing.T) {
	b := startBroker(t)
	b.write(0, 100)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	out := &stopping{lines: 100, cancel: func() {
		b.remake()
		b.write(0, 200)
		cancel()
	}}
	err := Consume(ctx, b.Cluster, ConsumeOptions{Topics: config.List{"t"}, Group: "g", From: "beginning", Partition: -1, Format: "value"}, Streams{Out: out, Err: &said{}})
	if err == nil || !strings.Contains(err.Error(), "topic t was deleted while it was read; offsets of group g are not committed") {
		t.Errorf("it ends with %v", err)
	}
	if got := b.committed("g"); got > 0 {
		t.Errorf("%d is committed", got)
	}
	if shown, _, err := b.consume(ConsumeOptions{Group: "g", From: "beginning", UntilEnd: true}); err != nil || len(shown) != 200 {
		t.Errorf("%d of the new topic's 200 records are shown: %v", len(shown), err)
	}
}

// stopping calls cancel, in the middle of writing, once it has so many lines.
type stopping struct {
	lines  int
	cancel func()
}

func (s *stopping) Write(p []byte) (int, error) {
	if s.lines -= bytes.Count(p, []byte("\n")); s.lines <= 0 && s.cancel != nil {
		s.cancel()
		s.cancel = nil
	}
	return len(p), nil
}

// TestRetentionMeanwhile: the reader is slower than retention.
func TestRetentionMeanwhile(t *testing.T) {
	b := startBroker(t)
	const total = 20_000
	b.write(0, total)
	b.Properties = map[string]string{"queued.min.messages": "1", "max.partition.fetch.bytes": "1000", "fetch.queue.backoff.ms": "1"}
	reader, writer := io.Pipe()
	var told said
	ended := make(chan error, 1)
	go func() {
		ended <- Consume(context.Background(), b.Cluster, ConsumeOptions{Topics: config.List{"t"}, From: "beginning", Partition: -1, Format: "value", UntilEnd: true},
			Streams{Out: writer, Err: &told})
		_ = writer.Close()
	}()
	_, err := io.ReadFull(reader, make([]byte, len("{\"n\":0}\n"))) // now it writes, and waits
	b.check(err)
	b.forget(total - 10)
	rest, err := io.ReadAll(reader)
	b.check(err)
	shown, gone := 1+bytes.Count(rest, []byte("\n")), 0
	_, after, _ := strings.Cut(told.String(), "ringtail: ")
	if _, err := fmt.Sscan(after, &gone); err != nil || !strings.Contains(told.String(), fmt.Sprintf("records are gone: t:0 offsets %d to %d; reading goes on at offset %d\n", shown-10, total-11, total-10)) {
		t.Errorf("%d records are shown, and it says %q", shown, told.String())
	}
	if shown+gone != total {
		t.Errorf("%d records are shown and %d gone, of %d", shown, gone, total)
	}
	if err := <-ended; err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%d records gone", gone)) {
		t.Errorf("it ends with %v", err)
	}
}

// TestPartitionsAdded: a reader sees partitions that are added, from their first record.
func TestPartitionsAdded(t *testing.T) {
	for _, group := range []string{"", "g"} {
		t.Run("group "+group, func(t *testing.T) {
			t.Parallel()
			b := startBroker(t)
			var out, told said
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			ended := make(chan error, 1)
			go func() {
				ended <- Consume(ctx, b.Cluster, ConsumeOptions{Topics: config.List{"t"}, Group: group, From: "end", Partition: -1, Format: "text"}, Streams{Out: &out, Err: &told})
			}()
			eventually(t, "it reads", func() bool { b.write(0, 1); return strings.Contains(out.String(), "t:0:") })
			_, err := b.admin.UpdatePartitions(context.Background(), 3, "t")
			b.check(err)
			b.write(2, 5)
			eventually(t, "the new partition is read", func() bool { return strings.Contains(out.String(), "t:2:4: ") })
			if !strings.Contains(out.String(), "t:2:0: ") {
				t.Errorf("the first record is missing in %s", out.String())
			}
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
			if group == "" && !strings.Contains(told.String(), "partitions that are new, [1 2]") {
				t.Errorf("it says %q", told.String())
			}
		})
	}
}

// eventually waits until done, or fails.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("still not true: %s", what)
		}
	}
}

func TestResetIsRefused(t *testing.T) {
	c := Cluster{Brokers: "127.0.0.1:1", Properties: map[string]string{"auto.offset.reset": "latest"}}
	var usage *config.UsageError
	if err := Consume(context.Background(), c, ConsumeOptions{Topics: config.List{"t"}, From: "end", Partition: -1, Format: "text"}, Streams{}); !errors.As(err, &usage) {
		t.Errorf("consume: %v", err)
	}
	if err := Process(context.Background(), c, ProcessOptions{From: "t", To: "out", Group: "g", Expr: "n"}, Streams{}); !errors.As(err, &usage) {
		t.Errorf("process: %v", err)
	}
}

// TestMarkerThatWasSkipped: a transaction's marker that comes when its place has been skipped is no
// sign that the topic was truncated; a record there is.
func TestMarkerThatWasSkipped(t *testing.T) {
	const at = 1000
	r := &consumption{standing: newStanding(ConsumeOptions{Topics: config.List{"t"}}), progress: newProgress(Streams{Err: io.Discard}, "consumed", endless)}
	p := r.standing.take(partitionID{"t", 0}, at)
	p.next.Store(at + 1) // skipped has been there
	marker := kmsg.Record{Key: []byte{0, 0, 0, 1}, Value: make([]byte, 6)}
	marker.Length = int32(len(marker.AppendTo(nil)) - 1)
	batch := kmsg.RecordBatch{FirstOffset: at, Magic: 2, Attributes: 0x30, NumRecords: 1, Records: marker.AppendTo(nil)}
	batch.Length = int32(len(batch.AppendTo(nil)) - 12)
	come, _ := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{KeepControlRecords: true, DisableCRCValidation: true, Offset: at, Topic: "t"},
		&kmsg.FetchResponseTopicPartition{RecordBatches: batch.AppendTo(nil)}, nil, nil)
	if len(come.Records) != 1 || !come.Records[0].Attrs.IsControl() {
		t.Fatalf("%+v", come)
	}
	if err := r.partition(t.Context(), "t", &come); err != nil || p.next.Load() != at+1 || p.topic.losses.err() != nil {
		t.Errorf("%v, goes on at %d, %v", err, p.next.Load(), p.topic.losses.err())
	}
	come.Records[0].Attrs = kgo.RecordAttrs{}
	r.sink = &nothing{}
	if err := r.partition(t.Context(), "t", &come); err != nil || p.topic.losses.err() == nil {
		t.Errorf("%v, and nothing is said", err)
	}
}

// nothing is a sink that shows nothing.
type nothing struct{}

func (nothing) record(*kgo.Record) error { return nil }
func (nothing) idle()                    {}
func (nothing) end() error               { return nil }
