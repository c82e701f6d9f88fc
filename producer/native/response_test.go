package native

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// scriptedCodes is a Kafka that answers every request with the same code, and nothing by itself.
type scriptedCodes struct {
	code     int16
	marks    []int32 // records that it says are invalid
	requests int
	under    *produceRequest
	answered func(*kmsg.ProduceResponse, error)
}

func (k *scriptedCodes) produce(_ int32, _ string, q *produceRequest, answered func(*kmsg.ProduceResponse, error)) func() {
	k.requests++
	k.under, k.answered = q, answered
	return func() {}
}

func (k *scriptedCodes) connect(context.Context, int32, string) error { return nil }
func (k *scriptedCodes) closeIdle()                                   {}

func (k *scriptedCodes) answer() {
	r, t := kmsg.NewPtrProduceResponse(), kmsg.NewProduceResponseTopic()
	for _, p := range k.under.batches {
		a := kmsg.NewProduceResponseTopicPartition()
		a.Partition, a.ErrorCode = p.partition, k.code
		for _, m := range k.marks {
			e := kmsg.NewProduceResponseTopicPartitionErrorRecord()
			e.RelativeOffset = m
			a.ErrorRecords = append(a.ErrorRecords, e)
		}
		t.Partitions = append(t.Partitions, a)
	}
	r.Topics = append(r.Topics, t)
	k.answered(r, nil)
}

// newScriptedCodes is a client of one stream that has handed one record over, and of which a
// request is under way.
func newScriptedCodes(o Options, code int16, clock *time.Duration) (*Client, *scriptedCodes) {
	k := &scriptedCodes{code: code}
	c := newClient(o, []uint64{0}, k, func() time.Duration { return *clock })
	c.id.Store(&producerID{})
	c.newestMetadata.Store(&metadata{brokers: map[int32]string{0: "a:1"}, leaders: []leader{{0, -1}}})
	c.Produce(0, 0, 0, records(1), nil)
	c.Send()
	return c, k
}

// TestMaybeWritten: where an error leaves open whether the batch is in the log, and it is given up
// then, it counts as possibly written. A leader that loses its office, or its topic, says so also
// of what it had appended.
func TestMaybeWritten(t *testing.T) {
	for _, e := range []*kerr.Error{
		kerr.UnknownTopicOrPartition, kerr.NotLeaderForPartition, kerr.RequestTimedOut, kerr.NetworkException,
		kerr.NotEnoughReplicasAfterAppend, kerr.KafkaStorageError,
	} {
		var clock time.Duration
		c, k := newScriptedCodes(options(), e.Code, &clock)
		k.answer()
		c.Poll(0)
		if got := c.Progress(0); got.Reports != 0 {
			t.Errorf("%s: given up at once: %+v", e.Message, got)
		}
		c.Purge(true)
		if got := c.Progress(0); got.Reports != 1 || got.Maybe != 1 || got.Acked != 0 {
			t.Errorf("%s: %+v, want one record that may be written", e.Message, got)
		}
	}
}

// TestBackoff: a batch waits longer from try to try, from retry.backoff.ms up to
// retry.backoff.max.ms and no longer, and from the beginning once one was written.
func TestBackoff(t *testing.T) {
	o := options()
	o.Backoff, o.BackoffMax = 10*time.Millisecond, 100*time.Millisecond
	clock := time.Duration(1)
	c, k := newScriptedCodes(o, kerr.NotEnoughReplicas.Code, &clock)
	next := func() (waited time.Duration) { // until the next request
		k.answer()
		for begun, n := clock, k.requests; ; clock += time.Millisecond {
			if c.Poll(0); k.requests > n || clock-begun > time.Minute {
				return clock - begun
			}
		}
	}
	for round := range 2 {
		for i, want := range []time.Duration{10, 20, 40, 80, 100, 100, 100} {
			if got := next(); got != want*time.Millisecond {
				t.Errorf("round %d, try %d: after %v, want %d ms", round, i+1, got, want)
			}
		}
		k.code = 0
		k.answer()
		c.Poll(0)
		if got := c.Progress(0).Acked; got != uint64(round+1) {
			t.Fatalf("%d acked", got)
		}
		k.code = kerr.NotEnoughReplicas.Code
		c.Produce(0, 0, uint64(round+1), records(1), nil)
		c.Send()
	}
}

// TestMarks: a broker's mark is of a record of the batch, or of none.
func TestMarks(t *testing.T) {
	for _, c := range []struct {
		marks []int32
		want  []uint64
	}{{[]int32{0}, []uint64{0}}, {[]int32{1, -1}, nil}, {[]int32{-2147483648, 2147483647, 0}, []uint64{0}}} {
		var clock time.Duration
		client, k := newScriptedCodes(options(), kerr.InvalidRecord.Code, &clock)
		k.marks = c.marks
		k.answer()
		client.Poll(0)
		if got := client.Progress(0); !slices.Equal(got.Invalid, c.want) || got.Failed != 0 || got.Reports != 1 {
			t.Errorf("marks %v: %+v, want %v", c.marks, got, c.want)
		}
	}
}
