package kafkatools

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/ringtail/ringtail/internal/config"
)

// refuse lets the broker refuse batches to a topic that hold text, as brokers do it that do not
// say which record it is.
func (b *broker) refuse(text string, code *kerr.Error) {
	b.fake.ControlKey(int16(kmsg.Produce), func(q kmsg.Request) (kmsg.Response, error, bool) {
		b.fake.KeepControl()
		r := q.(*kmsg.ProduceRequest)
		for _, t := range r.Topics {
			for _, p := range t.Partitions {
				if !bytes.Contains(p.Records, []byte(text)) {
					continue
				}
				answer := r.ResponseKind().(*kmsg.ProduceResponse)
				answer.Topics = append(answer.Topics, kmsg.ProduceResponseTopic{Topic: t.Topic, TopicID: t.TopicID, Partitions: []kmsg.ProduceResponseTopicPartition{
					{Partition: p.Partition, ErrorCode: code.Code, BaseOffset: -1, LogAppendTime: -1},
				}})
				return answer, nil, true
			}
		}
		return nil, nil, false
	})
}

// deadLetters reads topic dead.
func (b *broker) deadLetters() (deadLetters []struct {
	Key, Value *string
	Headers    map[string]string
}) {
	b.t.Helper()
	var out bytes.Buffer
	b.check(Consume(context.Background(), Cluster{Brokers: b.Brokers}, ConsumeOptions{
		Topics: config.List{"dead"}, From: "beginning", Partition: -1, Format: "json", UntilEnd: true,
	}, Streams{Out: &out, Err: &said{}}))
	for line := range strings.Lines(out.String()) {
		deadLetters = append(deadLetters, struct {
			Key, Value *string
			Headers    map[string]string
		}{})
		b.check(json.Unmarshal([]byte(line), &deadLetters[len(deadLetters)-1]))
	}
	return deadLetters
}

const badAt, batchOf = 7, 20

// badCases are records that give no result, for good: the value of the seventh of twenty.
var badCases = map[string]struct {
	value, why, reason string
	prepare            func(b *broker)
}{
	"no JSON":            {`{"n":`, "the record is no JSON", "bad_json", nil},
	"no object":          {`[7]`, "the record is no JSON object", "not_object", nil},
	"the expression":     {`{"n":"seven"}`, "--expr: ", "expression", nil},
	"too large":          {`{"n":7,"b":"` + strings.Repeat("x", 1200) + `"}`, "max.message.bytes=2000 of topic out", "too_large", func(b *broker) { b.set("out", 2000) }},
	"over -X":            {`{"n":7,"b":"` + strings.Repeat("x", 1200) + `"}`, "-X message.max.bytes=2000", "too_large", func(b *broker) { b.Properties = map[string]string{"message.max.bytes": "2000"} }},
	"a batch's overhead": {`{"n":7,"b":"` + strings.Repeat("x", 975) + `"}`, "max.message.bytes=2000 of topic out", "too_large", func(b *broker) { b.set("out", 2000) }},
	"too large, by the broker": {`{"n":7,"b":"` + strings.Repeat("x", 1200) + `"}`, "max.message.bytes=2000 of topic out", "too_large", func(b *broker) {
		b.set("out", 2000)
		b.Properties = map[string]string{"message.max.bytes": "1000000"}
	}},
	"refused": {`{"n":7,"b":"poison"}`, "topic out refuses it: ", "refused_by_kafka", func(b *broker) { b.refuse("poisonpoison", kerr.InvalidRecord) }},
}

// badRecords starts a broker with such records in t.
func badRecords(t *testing.T, name string) *broker {
	t.Helper()
	b := startBroker(t)
	c := badCases[name]
	if c.prepare != nil {
		c.prepare(b)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(b.Brokers), kgo.DefaultProduceTopic("t"))
	b.check(err)
	defer client.Close()
	for i := range batchOf {
		value := fmt.Sprintf(`{"n":%d,"b":"x"}`, i)
		if i == badAt {
			value = c.value
		}
		b.check(client.ProduceSync(context.Background(), &kgo.Record{Key: []byte("k"), Value: []byte(value), Headers: []kgo.RecordHeader{{Key: "trace", Value: []byte("1")}}}).FirstErr())
	}
	return b
}

// wantResults checks the results of all records but the bad one, or of those before it.
func (b *broker) wantResults(records int) {
	b.t.Helper()
	got := b.processed("value")
	for i, n := 0, 0; n < records; n++ {
		if n == badAt {
			continue
		}
		if want := fmt.Sprintf(`{"b":"xx","n":%d}`, n); i >= len(got) || got[i] != want {
			b.t.Fatalf("result %d is not %s: %v", i, want, got)
		}
		if i++; n == records-1 && i != len(got) {
			b.t.Errorf("%d results too many", len(got)-i)
		}
	}
}

const badExpr = `{n: n + 0, b: b + b}`

// TestOnErrorStop: by default the first record that gives no result ends the processing,
// behind the results before it, and is named, each time.
func TestOnErrorStop(t *testing.T) {
	for name, c := range badCases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := badRecords(t, name)
			for range 2 {
				_, err := b.process(ProcessOptions{Expr: badExpr}, func(string) bool { return false })
				if err == nil || !strings.Contains(err.Error(), "t:0:7: ") || !strings.Contains(err.Error(), c.why) || !strings.Contains(err.Error(), "--on-error") {
					t.Errorf("it ends with %v", err)
				}
				b.wantResults(badAt)
				if got := b.committed("g"); got != badAt {
					t.Errorf("%d is committed, want %d", got, badAt)
				}
			}
		})
	}
}

// TestOnErrorSkip: all others have their results, and the bad one is named.
func TestOnErrorSkip(t *testing.T) {
	for name, c := range badCases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := badRecords(t, name)
			told, err := b.process(ProcessOptions{Expr: badExpr, OnError: onErrorSkip}, func(string) bool { return b.committed("g") == batchOf })
			if err != nil || !strings.Contains(told, "t:0:7: ") || !strings.Contains(told, c.why) || !strings.Contains(told, "1 record gave no result; skipped") {
				t.Errorf("it says %q and ends with %v", told, err)
			}
			b.wantResults(batchOf)
		})
	}
}

// TestOnErrorDeadLetter: all others have their results, and the bad one is in the dead-letter
// topic, with the reason.
func TestOnErrorDeadLetter(t *testing.T) {
	for name, c := range badCases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := badRecords(t, name)
			told, err := b.process(ProcessOptions{Expr: badExpr, DeadLetters: "dead"}, func(string) bool { return b.committed("g") == batchOf })
			if err != nil || !strings.Contains(told, "1 record gave no result; now in dead") {
				t.Errorf("it says %q and ends with %v", told, err)
			}
			b.wantResults(batchOf)
			deadLetters := b.deadLetters()
			if len(deadLetters) != 1 {
				t.Fatalf("%d deadLetters", len(deadLetters))
			}
			l := deadLetters[0]
			if *l.Key != "k" || *l.Value != c.value || l.Headers["reason"] != c.reason || l.Headers["remote"] != "t:0:7" || l.Headers["trace"] != "1" ||
				!strings.Contains(l.Headers["error"], c.why) {
				t.Errorf("the letter is %q %q %v", *l.Key, *l.Value, l.Headers)
			}
		})
	}
}

// TestDeadLetterIsCut: a dead letter has what its topic takes of the record.
func TestDeadLetterIsCut(t *testing.T) {
	b := startBroker(t)
	b.set("dead", 1000)
	client, err := kgo.NewClient(kgo.SeedBrokers(b.Brokers), kgo.DefaultProduceTopic("t"))
	b.check(err)
	defer client.Close()
	value := strings.Repeat("x", 5000)
	b.check(client.ProduceSync(context.Background(), kgo.StringRecord(value)).FirstErr())
	if _, err := b.process(ProcessOptions{Expr: "n", DeadLetters: "dead"}, func(string) bool { return b.committed("g") == 1 }); err != nil {
		t.Error(err)
	}
	l := b.deadLetters()
	if len(l) != 1 || l[0].Headers["truncated"] != "5000" || len(*l[0].Value) < 500 || !strings.HasPrefix(value, *l[0].Value) {
		t.Errorf("the letter is %+v", l)
	}
}

// TestNoDeadLetter: where the dead letter is refused, too, the processing ends, and the record is
// not gone past.
func TestNoDeadLetter(t *testing.T) {
	b := badRecords(t, "the expression")
	b.refuse("seven", kerr.PolicyViolation)
	_, err := b.process(ProcessOptions{Expr: badExpr, DeadLetters: "dead"}, func(string) bool { return false })
	if err == nil || !strings.Contains(err.Error(), "t:0:7: its dead letter is refused: topic dead") {
		t.Errorf("it ends with %v", err)
	}
	if got := b.committed("g"); got > badAt {
		t.Errorf("%d is committed", got)
	}
}

// TestNotPermitted: what no repetition makes better ends it, and is no record's fault.
func TestNotPermitted(t *testing.T) {
	b := startBroker(t)
	b.write(0, 3)
	b.refuse(`"k`, kerr.TopicAuthorizationFailed)
	_, err := b.process(ProcessOptions{Expr: `{k: n}`}, func(string) bool { return false })
	if err == nil || !strings.Contains(err.Error(), "topic out: ") || strings.Contains(err.Error(), "t:0:") {
		t.Errorf("it ends with %v", err)
	}
	if got := b.committed("g"); got > 0 {
		t.Errorf("%d is committed", got)
	}
}

func TestOnErrorIsChecked(t *testing.T) {
	for _, o := range []ProcessOptions{
		{OnError: "ignore"}, {OnError: "letter"}, {OnError: "skip", DeadLetters: "dead"}, {OnError: "stop", DeadLetters: "dead"},
		{DeadLetters: "t"}, {DeadLetters: "out"},
	} {
		o.From, o.To, o.Group, o.Expr = "t", "out", "g", "n"
		var usage *config.UsageError
		if err := Process(context.Background(), Cluster{Brokers: "127.0.0.1:1"}, o, Streams{}); !errors.As(err, &usage) {
			t.Errorf("%+v: %v", o, err)
		}
	}
}
