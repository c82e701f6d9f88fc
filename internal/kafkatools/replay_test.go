package kafkatools

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// deadLetter writes a dead letter as the server does: a value, headers in turn name and value.
func (b *broker) deadLetter(value string, headers ...string) {
	b.t.Helper()
	r := &kgo.Record{Topic: "dead", Value: []byte(value)}
	for pair := range slices.Chunk(headers, 2) {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: pair[0], Value: []byte(pair[1])})
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(b.Brokers))
	b.check(err)
	defer client.Close()
	b.check(client.ProduceSync(b.t.Context(), r).FirstErr())
}

// replay replays dead to out, with so many shards as out has partitions.
func (b *broker) replay(o ReplayOptions) (told string, err error) {
	b.t.Helper()
	o.From, o.To = "dead", "out"
	if o.Field == "" {
		o.Field = "number"
	}
	if o.Shards == 0 {
		o.Shards = 10
	}
	var e said
	err = Replay(b.t.Context(), b.Cluster, o, Streams{Err: &e})
	return e.String(), err
}

func (b *broker) wantOut(want ...string) {
	b.t.Helper()
	got := b.processed("text")
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		b.t.Errorf("the topic has\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func replayBroker(t *testing.T) *broker {
	t.Helper()
	b := startBroker(t)
	_, err := b.admin.UpdatePartitions(t.Context(), 10, "out")
	b.check(err)
	return b
}

// TestReplay: what passes is written once, by its digit and with its key; what does not stays, by
// reason, and is tried again with other flags.
func TestReplay(t *testing.T) {
	b := replayBroker(t)
	b.deadLetter(`{"number":17,"user":"ada"}`, "reason", "too_large", "remote", "127.0.0.1:1")
	b.deadLetter(`{"n":{"m":23},"user":"b"}`, "reason", "missing_field")
	b.deadLetter(`{"number":4`, "reason", "truncated")                        // it could be whole by chance
	b.deadLetter(`{"number":4}`, "reason", "truncated")                       // as here
	b.deadLetter(`{"number":5}`, "reason", "too_large", "truncated", "99999") // the record had more
	b.deadLetter("no json", "reason", "bad_json")
	b.deadLetter(`{"number":30}`, "reason", "refused_by_kafka")
	left := "4 letters did not pass and stayed in dead: bad_json 1, cut_short 3"
	for i, want := range []string{"5 letters did not pass and stayed in dead: bad_json 1, cut_short 3, missing_field 1", "5 letters did not pass"} {
		told, err := b.replay(ReplayOptions{KeyField: "user"})
		if err == nil || !strings.HasPrefix(err.Error(), want) || !strings.Contains(told, fmt.Sprintf("replayed %s to out", plural(2-2*i, "record"))) {
			t.Errorf("replay %d says %q and ends with %v", i, told, err)
		}
	}
	want := []string{`out:7:0: key=ada value={"number":17,"user":"ada"}`, `out:0:0: key= value={"number":30}`}
	b.wantOut(want...)
	if told, err := b.replay(ReplayOptions{Field: "n.m"}); err == nil || !strings.Contains(err.Error(), "cut_short 3") || !strings.Contains(told, "replayed 1 record ") {
		t.Errorf("with another field it says %q and ends with %v", told, err)
	}
	want = append(want, `out:3:0: key= value={"n":{"m":23},"user":"b"}`)
	b.wantOut(want...)
	b.deadLetter(`{"number":9}`) // one that came since
	if told, err := b.replay(ReplayOptions{}); err == nil || err.Error() != left || !strings.Contains(told, "replayed 1 record ") {
		t.Errorf("after another letter it says %q and ends with %v", told, err)
	}
	b.wantOut(append(want, `out:9:0: key= value={"number":9}`)...)
	if n := b.end("dead", 0); n != 8 {
		t.Errorf("%d letters are in their topic, want 8", n)
	}
}

// end is where a partition ends.
func (b *broker) end(topic string, partition int32) int64 {
	b.t.Helper()
	ends, err := b.admin.ListEndOffsets(b.t.Context(), topic)
	b.check(err)
	end, _ := ends.Lookup(topic, partition)
	return end.Offset
}

// TestReplayRefused: a letter whose record Kafka refuses stays, and costs no other.
func TestReplayRefused(t *testing.T) {
	b := replayBroker(t)
	for n := range 20 {
		b.deadLetter(fmt.Sprintf(`{"number":%d,"x":"%s"}`, 10*n, strings.Repeat("poison", n/19)))
	}
	b.refuse("poison", kerr.InvalidRecord)
	if _, err := b.replay(ReplayOptions{}); err == nil || err.Error() != "1 letter did not pass and stayed in dead: refused_by_kafka 1" {
		t.Errorf("it ends with %v", err)
	}
	if n := len(b.processed("text")); n != 19 {
		t.Errorf("%d records are in the topic, want 19", n)
	}
}

// TestReplayRetention: letters that are gone are said, and those behind them replayed.
func TestReplayRetention(t *testing.T) {
	b := replayBroker(t)
	for _, text := range []string{`{"number":1}`, "bad", `{"number":2}`} {
		b.deadLetter(text)
	}
	if _, err := b.replay(ReplayOptions{}); err == nil {
		t.Error("a letter that does not pass is no error")
	}
	b.deadLetter(`{"number":3}`)
	b.deadLetter(`{"number":4}`)
	var gone kadm.Offsets
	gone.Add(kadm.Offset{Topic: "dead", Partition: 0, At: 4, LeaderEpoch: -1})
	_, err := b.admin.DeleteRecords(t.Context(), gone)
	b.check(err)
	if told, err := b.replay(ReplayOptions{}); err != nil || !strings.Contains(told, "2 letters of dead:0: gone") {
		t.Errorf("it says %q and ends with %v", told, err)
	}
	b.wantOut(`out:1:0: key= value={"number":1}`, `out:2:0: key= value={"number":2}`, `out:4:0: key= value={"number":4}`)
	_, err = b.admin.DeleteTopic(t.Context(), "dead")
	b.check(err)
	_, err = b.admin.CreateTopic(t.Context(), 1, 1, nil, "dead")
	b.check(err)
	b.deadLetter(`{"number":5}`)
	if told, err := b.replay(ReplayOptions{}); err != nil || !strings.Contains(told, "replayed 1 record ") {
		t.Errorf("of a topic that was made again it says %q and ends with %v", told, err)
	}
}

// TestReplayMistakes are told before anything is written.
func TestReplayMistakes(t *testing.T) {
	b := startBroker(t)
	for want, o := range map[string]ReplayOptions{
		"fewer than --shards 10; `ringtail topics alter out --partitions 10`": {},
		"--shards": {Shards: -1}, "--field": {Field: "\xff"},
	} {
		if _, err := b.replay(o); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "codec") {
			t.Errorf("%+v ends with %v, want %q", o, err, want)
		}
	}
	b.deadLetter(`{"number":17}`)
	if _, err := b.replay(ReplayOptions{FoldPartitions: true}); err != nil {
		t.Error(err)
	}
	b.wantOut(`out:0:0: key= value={"number":17}`)
	for _, o := range []ReplayOptions{{From: "dead"}, {To: "out"}, {From: "dead", To: "dead"}} {
		if err := Replay(t.Context(), b.Cluster, o, Streams{Err: &said{}}); err == nil || !strings.Contains(err.Error(), "--from and --to") {
			t.Errorf("%+v ends with %v", o, err)
		}
	}
}

// TestLeftText: what is left comes back from its text, and the newest of it where it is too much.
func TestLeftText(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 50 {
		r := replayed{next: 1 << 40}
		for at, n := rng.Int64N(1<<rng.IntN(40)), rng.IntN(60_000>>rng.IntN(16)); n > 0; n-- {
			r.left = append(r.left, at)
			at += 1 + rng.Int64N(1<<rng.IntN(3))
		}
		all := r.left
		text, forgotten := r.remember()
		got, err := parseLeft(text)
		if err != nil || !slices.Equal(got, all[forgotten:]) || !slices.Equal(r.left, all[forgotten:]) || len(text) > leftBytes {
			t.Fatalf("seed %d: %d offsets, %d forgotten, come back as %d, %v, from %d bytes", seed, len(all), forgotten, len(got), err, len(text))
		}
		if forgotten > 0 && len(got) < 5000 {
			t.Errorf("seed %d: only %d of %d are remembered", seed, len(got), len(all))
		}
	}
	if _, err := parseLeft("somebody else's"); err == nil {
		t.Error("text that is no list is taken for one")
	}
}

// TestReplayLargerThanABatch: what did not pass in one batch is left when the next is committed.
func TestReplayLargerThanABatch(t *testing.T) {
	b := replayBroker(t)
	client, err := kgo.NewClient(kgo.SeedBrokers(b.Brokers))
	b.check(err)
	defer client.Close()
	const sent = 3*batchRecords + 7
	var batch []*kgo.Record
	for n := range sent {
		batch = append(batch, &kgo.Record{Topic: "dead", Value: fmt.Appendf(nil, `{"n":%d}`, n)})
	}
	b.check(client.ProduceSync(t.Context(), batch...).FirstErr())
	want := fmt.Sprintf("%d letters did not pass and stayed in dead: missing_field %d", sent, sent)
	for range 2 {
		if _, err := b.replay(ReplayOptions{}); err == nil || err.Error() != want {
			t.Fatalf("it ends with %v, want %s", err, want)
		}
	}
	for _, more := range []int{sent, 0} {
		if told, err := b.replay(ReplayOptions{Field: "n"}); err != nil || !strings.Contains(told, fmt.Sprintf("replayed %s to out", plural(more, "record"))) {
			t.Errorf("it says %q and ends with %v", told, err)
		}
	}
	if n := len(b.processed("value")); n != sent {
		t.Errorf("%d records are in the topic, want %d", n, sent)
	}
}

// TestLargeRecordsInSmallTransactions: a thousand large records are more than a transaction has time
// for. It is the same for letters and for what is processed.
func TestLargeRecordsInSmallTransactions(t *testing.T) {
	b := replayBroker(t)
	client, err := kgo.NewClient(kgo.SeedBrokers(b.Brokers), kgo.ProducerBatchCompression(kgo.GzipCompression()))
	b.check(err)
	defer client.Close()
	const sent = 2 * batchBytes / 900_000
	var records []*kgo.Record
	for range sent {
		records = append(records, &kgo.Record{Value: fmt.Appendf(nil, `{"number":1,"x":"%s"}`, strings.Repeat("x", 900_000))})
	}
	var commits atomic.Int32
	b.fake.ControlKey(int16(kmsg.EndTxn), func(kmsg.Request) (kmsg.Response, error, bool) {
		b.fake.KeepControl()
		commits.Add(1)
		return nil, nil, false
	})
	for topic, verb := range map[string]func() (string, error){
		"dead": func() (string, error) { return b.replay(ReplayOptions{}) },
		"t": func() (string, error) {
			return b.process(ProcessOptions{Expr: "number"}, func(string) bool { return b.committed("g") == sent })
		},
	} {
		for _, r := range records {
			r.Topic = topic
		}
		b.check(client.ProduceSync(t.Context(), records...).FirstErr())
		commits.Store(0)
		if told, err := verb(); err != nil || commits.Load() < 2 {
			t.Errorf("of topic %s there were %d transactions; it says %q and ends with %v", topic, commits.Load(), told, err)
		}
	}
	if n := len(b.processed("value")); n != 2*sent {
		t.Errorf("%d records are in the topic, want %d", n, 2*sent)
	}
}
