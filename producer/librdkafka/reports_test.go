//go:build cgo

package librdkafka

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/ringtail/ringtail/internal/kafkatest"
	"github.com/ringtail/ringtail/producer/backend"
)

const patience = time.Minute

// reports is a client of a Kafka that is embedded.
type reports struct {
	t       *testing.T
	cluster *kfake.Cluster
	c       *Client
}

func newReports(t *testing.T, first []uint64, more map[string]string) *reports {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2, "t"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	p := map[string]string{
		"bootstrap.servers": cluster.ListenAddrs()[0], "enable.idempotence": "true", "max.in.flight": "1", "log.queue": "true",
		"enable.gapless.guarantee": "true", "linger.ms": "0", "debug": "eos",
	}
	maps.Copy(p, more)
	c, err := New(p, "t", first)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Destroy)
	return &reports{t, cluster, c}
}

func (r *reports) until(what string, so func() bool) {
	r.t.Helper()
	for end := time.Now().Add(patience); !so(); r.c.Poll(10) {
		if time.Now().After(end) {
			r.t.Fatalf("waited in vain for %s", what)
		}
	}
}

// values lie outside of Go's heap only in the server; here nothing moves them, and they are kept.
func values(n, size int) []backend.Record {
	out := make([]backend.Record, n)
	for i := range out {
		out[i].Value = bytes.Repeat([]byte{'v'}, size)
	}
	return out
}

// TestReports: a report is of the stream and the number that its record was handed over as; keys,
// values and headers are in the topic as they were.
func TestReports(t *testing.T) {
	r := newReports(t, []uint64{100, 7}, nil)
	records := values(3, 10)
	records[1].Key, records[2].Key = []byte("key"), []byte{}
	if n, code := r.c.Produce(0, 0, 100, records, nil); n != 3 || code != 0 {
		t.Fatalf("%d taken, code %d", n, code)
	}
	headers := append([]byte("\x04\x02a\x00\x04bc\x90\x03"), bytes.Repeat([]byte{'n'}, 200)...)
	if n, code := r.c.Produce(0, 0, 103, records, headers); n != 3 || code != 0 {
		t.Fatalf("%d with headers taken, code %d", n, code)
	}
	clear(headers) // they have been copied
	deadLetter := values(1, 20)
	if code := r.c.ProduceDeadLetter(1, 1, 7, deadLetter[0].Value, backend.DeadLetter{Reason: "too_large", Remote: "1.2.3.4:5", Truncated: 70_000}); code != 0 {
		t.Fatal(ErrorText(code))
	}
	r.until("the reports", func() bool { return r.c.Progress(0).Reports == 6 && r.c.Progress(1).Reports == 1 })
	for stream, acked := range []uint64{106, 8} {
		if got := r.c.Progress(stream); got.Acked != acked || got.Failed != backend.None || got.Beyond != 0 {
			t.Errorf("stream %d: %+v, want acked %d", stream, got, acked)
		}
	}
	r.until("the producer id", func() bool { r.c.Events(); return r.c.Ready() == nil })
	reader, err := kgo.NewClient(kgo.SeedBrokers(r.cluster.ListenAddrs()...), kgo.ConsumeTopics("t"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var got [2][]string
	for n := 0; n < 7; {
		f := reader.PollFetches(ctx)
		if err := f.Err(); err != nil {
			t.Fatal(err)
		}
		f.EachRecord(func(rec *kgo.Record) {
			n++
			got[rec.Partition] = append(got[rec.Partition], fmt.Sprintf("%q %v %d %s", rec.Key, rec.Key == nil, len(rec.Value), rec.Headers))
		})
	}
	many := "[{a } {bc " + strings.Repeat("n", 200) + "}]"
	want := [2][]string{{`"" true 10 []`, `"key" false 10 []`, `"" false 10 []`,
		`"" true 10 ` + many, `"key" false 10 ` + many, `"" false 10 ` + many},
		{`"" true 20 [{reason too_large} {remote 1.2.3.4:5} {truncated 70000}]`}}
	if !slices.Equal(got[0], want[0]) || !slices.Equal(got[1], want[1]) {
		t.Errorf("in the topic: %v, want %v", got, want)
	}
}

// TestMarkedRecords: which records a broker marked, that it cleared the others, and how many it
// were where there is no room for all. Other streams' progress lie behind. Of a single mark
// librdkafka 2.15 makes one of every record of the batch.
func TestMarkedRecords(t *testing.T) {
	const batch = 2 * backend.InvalidMax
	all := make([]int32, batch)
	first := make([]uint64, backend.InvalidMax)
	for i := range all {
		all[i] = int32(i)
	}
	for i := range first {
		first[i] = 5 + uint64(i)
	}
	for _, c := range []struct {
		marks []int32
		want  backend.Progress
	}{
		{[]int32{1, 100}, backend.Progress{Different: batch - 2, Invalids: 2, Invalid: []uint64{6, 105}}},
		{all, backend.Progress{Invalids: batch, Invalid: first}},
		{all[3:4], backend.Progress{Invalids: batch, Invalid: first}},
	} {
		r := newReports(t, []uint64{5, 11}, nil)
		kafkatest.Refuse(r.cluster, kerr.InvalidRecord.Code, c.marks...)
		records := values(batch, 10)
		r.c.Produce(0, 0, 5, records, nil)
		r.until("the refusal", func() bool { return r.c.Progress(0).Reports == batch })
		got := r.c.Progress(0)
		if got.Acked != 5 || got.Failed != 5 || got.Maybe != 0 || got.Different != c.want.Different || got.Invalids != c.want.Invalids || !slices.Equal(got.Invalid, c.want.Invalid) {
			t.Errorf("%d marks: %+v, want %+v", len(c.marks), got, c.want)
		}
		if other := r.c.Progress(1); other.Acked != 11 || other.Failed != backend.None || other.Reports != 0 {
			t.Errorf("%d marks: the next stream has %+v", len(c.marks), other)
		}
	}
}

// TestUnderWay: a request under way is left alone by a purge, unless that is asked for; its records
// may be in Kafka then.
func TestUnderWay(t *testing.T) {
	for _, inflight := range []bool{false, true} {
		r := newReports(t, []uint64{0}, nil)
		asked, release := make(chan struct{}), make(chan struct{})
		r.cluster.ControlKey(0, func(kmsg.Request) (kmsg.Response, error, bool) {
			r.cluster.SleepControl(func() { close(asked); <-release })
			return nil, nil, false
		})
		records := values(5, 10)
		r.c.Produce(0, 0, 0, records[:3], nil)
		r.until("a request", func() bool {
			select {
			case <-asked:
				return true
			default:
				return false
			}
		})
		r.c.Produce(0, 0, 3, records[3:], nil) // these wait
		r.c.Purge(inflight)
		if !inflight {
			r.until("reports of what waited", func() bool { return r.c.Progress(0).Reports >= 2 })
			close(release)
		}
		r.until("all reports", func() bool { return r.c.Progress(0).Reports == 5 })
		want := backend.Progress{Acked: 3, Failed: 3, Reports: 5}
		if inflight {
			close(release)
			want = backend.Progress{Maybe: 3, Reports: 5}
		}
		if got := r.c.Progress(0); got.Acked != want.Acked || got.Failed != want.Failed || got.Maybe != want.Maybe {
			t.Errorf("in flight %v: %+v, want %+v", inflight, got, want)
		}
	}
}

// TestTakenIsAPrefix: behind a record that is not taken none is counted, though librdkafka takes
// those that are smaller; and the next call is told of its own.
func TestTakenIsAPrefix(t *testing.T) {
	const tooLarge = 10
	for _, headers := range []string{"", "\x02\x02a\x02b"} {
		r := newReports(t, []uint64{0}, map[string]string{"message.max.bytes": "2000"})
		for _, at := range []int{1, 3, 0} {
			records := values(5, 10)
			records[at].Value = make([]byte, 5000)
			if n, code := r.c.Produce(0, 0, 0, records, []byte(headers)); n != at || code != tooLarge {
				t.Errorf("headers %q, the one at %d is too large: %d taken, code %d", headers, at, n, code)
			}
		}
		r = newReports(t, []uint64{0}, map[string]string{"queue.buffering.max.messages": "2", "linger.ms": "60000"})
		if n, code := r.c.Produce(0, 0, 0, values(5, 10), []byte(headers)); n != 2 || code != backend.ErrQueueFull {
			t.Errorf("headers %q, with room for 2 of 5: %d taken, code %d", headers, n, code)
		}
	}
}

// TestEvents: what is said is told once, the first of it if it is too much, and how much else there
// was.
func TestEvents(t *testing.T) {
	c, err := New(map[string]string{"bootstrap.servers": "127.0.0.1:1", "log.queue": "true", "debug": "all"}, "t", []uint64{0})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Destroy()
	c.InjectFatal(47, strings.Repeat("long ", 1000))
	for end := time.Now().Add(patience); c.c.events_lost == 0; c.Poll(10) {
		if time.Now().After(end) {
			t.Fatal("it says too little")
		}
	}
	events, lost := c.Events()
	if len(events) == 0 || lost == 0 {
		t.Errorf("%d events, %d more", len(events), lost)
	}
	for _, e := range events {
		if len(e.Text) > 511 {
			t.Errorf("a text of %d bytes", len(e.Text))
		}
	}
	if again, lost := c.Events(); len(again) != 0 || lost != 0 {
		t.Errorf("%d events again, %d more", len(again), lost)
	}
}

// TestStreams: a tag tells so many apart.
func TestStreams(t *testing.T) {
	for streams, ok := range map[int]bool{backend.StreamsMax: true, backend.StreamsMax + 1: false} {
		c, err := New(map[string]string{"log.queue": "true"}, "t", make([]uint64, streams))
		if (err == nil) != ok {
			t.Errorf("%d streams: %v", streams, err)
		}
		if err == nil {
			c.Destroy()
		}
	}
}
