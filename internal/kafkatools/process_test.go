package kafkatools

import (
	"bytes"
	"context"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringtail/ringtail/internal/config"
)

// processed reads topic out of a broker.
func (b *broker) processed(format string) []string {
	b.t.Helper()
	var out bytes.Buffer
	b.check(Consume(context.Background(), Cluster{Brokers: b.Brokers}, ConsumeOptions{
		Topics: config.List{"out"}, From: "beginning", Partition: -1, Format: format, UntilEnd: true,
	}, Streams{Out: &out, Err: &said{}}))
	return strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
}

// process runs process from t to out in group g until done, or until it ends by itself.
func (b *broker) process(o ProcessOptions, done func(told string) bool) (told string, err error) {
	b.t.Helper()
	o.From, o.To, o.Group = "t", "out", "g"
	var s said
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- Process(ctx, b.Cluster, o, Streams{Err: &s}) }()
	eventually(b.t, "process is done", func() bool {
		select {
		case err := <-ended:
			ended <- err
			return true
		default:
			return done(s.String())
		}
	})
	cancel()
	err = <-ended
	return s.String(), err
}

// TestProcessSaysWhatIsGone: process goes on at the first record that is there, aloud.
func TestProcessSaysWhatIsGone(t *testing.T) {
	for name, c := range map[string]struct {
		remade                 bool
		first, next, committed int64
		told, err              string
	}{
		"gone":       {false, 60, 100, 5, "55 records are gone: t:0 offsets 5 to 59; reading goes on at offset 60\n", "topic t: 55 records gone"},
		"all gone":   {false, 100, 100, 5, "95 records are gone: t:0 offsets 5 to 99;", "topic t: 95 records gone"},
		"made again": {true, 0, 40, 100, "t:0: the position 100 is behind the partition's end", "topic t: 1 position"},
		"control":    {false, 60, 100, 60, "", ""},
		"a new one":  {false, 60, 100, -1, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startBroker(t)
			if c.remade {
				b.remake()
			}
			b.write(0, int(c.next))
			b.forget(c.first)
			if c.committed >= 0 {
				b.commit("g", c.committed)
			}
			told, err := b.process(ProcessOptions{Expr: "n"}, func(string) bool { return b.committed("g") == c.next })
			if c.told == "" && strings.Count(told, "\n") > 1 || !strings.Contains(told, c.told) {
				t.Errorf("it says %q, want %q", told, c.told)
			}
			if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("it ends with %v, want %q", err, c.err)
			}
			if got := b.processed("value"); c.first < c.next && (len(got) != int(c.next-c.first) || got[0] != fmt.Sprint(c.first)) {
				t.Errorf("the results are %v", got)
			}
		})
	}
}

// TestProcessKeeps: a result has its record's key, headers and timestamp, and a tombstone gives one.
func TestProcessKeeps(t *testing.T) {
	b := startBroker(t)
	client, err := kgo.NewClient(kgo.SeedBrokers(b.Brokers))
	b.check(err)
	defer client.Close()
	want := []*kgo.Record{
		{Key: []byte("k"), Value: []byte("1"), Timestamp: time.UnixMilli(1_000_000_000_123), Headers: []kgo.RecordHeader{
			{Key: "trace", Value: []byte("a")}, {Key: "trace", Value: []byte("b")}, {Key: "empty", Value: []byte{}}, {Key: "null"}, {Key: "日本", Value: []byte{0, 255}},
		}},
		{Key: []byte{}, Value: []byte("2"), Timestamp: time.UnixMilli(1)},
		{Value: []byte("3"), Timestamp: time.UnixMilli(2)},
		{Key: []byte("gone"), Timestamp: time.UnixMilli(3)}, // a tombstone
	}
	for _, r := range want {
		in := *r
		if in.Topic = "t"; r.Value != nil {
			in.Value = fmt.Appendf(nil, `{"n":%s}`, r.Value)
		}
		b.check(client.ProduceSync(context.Background(), &in).FirstErr())
	}
	if _, err := b.process(ProcessOptions{Expr: "n"}, func(string) bool { return b.committed("g") == int64(len(want)) }); err != nil {
		t.Error(err)
	}
	client.AddConsumeTopics("out")
	var got []*kgo.Record
	for len(got) < len(want) {
		fetches := client.PollFetches(t.Context())
		b.check(fetches.Err())
		got = append(got, fetches.Records()...)
	}
	for i, r := range want {
		g := got[i]
		if !reflect.DeepEqual(g.Key, r.Key) || !reflect.DeepEqual(g.Value, r.Value) || !g.Timestamp.Equal(r.Timestamp) || len(g.Headers) != len(r.Headers) {
			t.Errorf("of %+v the result is %+v", r, g)
			continue
		}
		for j, h := range r.Headers {
			if !reflect.DeepEqual(g.Headers[j], h) {
				t.Errorf("header %d is %+v, want %+v", j, g.Headers[j], h)
			}
		}
	}
}
