package native

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/ringtail/ringtail/internal/kafkatest"
	"github.com/ringtail/ringtail/internal/leaktest"
	"github.com/ringtail/ringtail/internal/loopback"
	"github.com/ringtail/ringtail/producer/backend"
)

func TestMain(m *testing.M) { os.Exit(leaktest.Main(m)) }

const patience = time.Minute

// rig is a client of a Kafka that is embedded.
type rig struct {
	t       *testing.T
	cluster *kfake.Cluster
	c       *Client
}

func options() Options {
	return Options{
		Topic: "t", ClientID: "test", BatchBytes: 1_000_000, BatchRecords: 10_000,
		RequestTimeout: 30 * time.Second, SocketTimeout: 60 * time.Second,
		Backoff: 10 * time.Millisecond, BackoffMax: 100 * time.Millisecond, RefreshEvery: 2 * time.Second,
	}
}

func newRig(t *testing.T, o Options, streams int, more ...kfake.Opt) *rig {
	t.Helper()
	r := newKafka(t, more...)
	r.begin(o, streams)
	return r
}

// newKafka makes a rig without a client, for tests that tell its Kafka first what to say.
func newKafka(t *testing.T, more ...kfake.Opt) *rig {
	t.Helper()
	cluster, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1), kfake.SeedTopics(3, "t")}, more...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return &rig{t: t, cluster: cluster}
}

// begin makes the client.
func (r *rig) begin(o Options, streams int) {
	r.t.Helper()
	o.Brokers = r.cluster.ListenAddrs()
	c, err := New(o, make([]uint64, streams))
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(c.Destroy)
	r.c = c
}

// until polls until something is so.
func (r *rig) until(what string, so func() bool) {
	r.t.Helper()
	for end := time.Now().Add(patience); !so(); r.c.Poll(10) {
		if time.Now().After(end) {
			r.t.Fatalf("waited in vain for %s", what)
		}
	}
}

func (r *rig) acked(stream int, n uint64) func() bool {
	return func() bool {
		if t := r.c.Progress(stream); t.Failed != backend.None {
			r.t.Fatalf("stream %d failed: %v", stream, kerr.ErrorForCode(int16(t.Err)))
		}
		return r.c.Progress(stream).Acked == n
	}
}

// hand hands records of a stream over, from number 0, as the queue takes them.
func (r *rig) hand(stream int, records []backend.Record) { r.handWith(stream, records, nil) }

func (r *rig) handWith(stream int, records []backend.Record, headers []byte) {
	n := 0
	r.until("room", func() bool {
		taken, code := r.c.Produce(stream, int32(stream), uint64(n), records[n:], headers)
		if n += taken; n < len(records) && code != backend.ErrQueueFull {
			r.t.Fatalf("%d of %d records taken, code %d", n, len(records), code)
		}
		r.c.Send()
		return n == len(records)
	})
}

func records(n int) []backend.Record {
	out := make([]backend.Record, n)
	for i := range out {
		out[i].Value = fmt.Append(nil, i)
	}
	return out
}

func values(n int) (out []*kgo.Record) {
	for i := range n {
		out = append(out, kgo.StringRecord(fmt.Sprint(i)))
	}
	return out
}

// TestTriedAgain: an error that passes, or a connection that is cut, costs nothing but
// time.
func TestTriedAgain(t *testing.T) {
	for _, err := range []*kerr.Error{nil, kerr.NotLeaderForPartition, kerr.NotEnoughReplicas, kerr.RequestTimedOut, kerr.UnknownTopicOrPartition} {
		t.Run(fmt.Sprint(err), func(t *testing.T) {
			r := newRig(t, options(), 1)
			if err != nil {
				kafkatest.Refuse(r.cluster, err.Code)
			} else {
				r.cluster.ControlKey(produceKey, func(kmsg.Request) (kmsg.Response, error, bool) { return nil, errors.New("cut"), true })
			}
			r.hand(0, records(50))
			r.until("acks", r.acked(0, 50))
			if r.c.retries == 0 {
				t.Error("nothing was tried again")
			}
			if r.c.brokers[0].toldSilent {
				t.Error("it counts as silent, and the last request was answered")
			}
			r.compare(map[int32][]*kgo.Record{0: values(50)}, nil)
		})
	}
}

// TestRefused: what a broker refuses for good is reported, with the records it marked, and
// nothing of that stream or another is sent behind it.
func TestRefused(t *testing.T) {
	for _, c := range []struct {
		err   *kerr.Error
		marks []int32
		want  backend.Progress
	}{
		{kerr.TopicAuthorizationFailed, nil, backend.Progress{}},
		{kerr.OutOfOrderSequenceNumber, nil, backend.Progress{Maybe: 50}},
		{kerr.MessageTooLarge, nil, backend.Progress{}},
		{kerr.InvalidRecord, []int32{3, 7}, backend.Progress{Invalids: 2, Different: 48, Invalid: []uint64{3, 7}}},
		{kerr.InvalidRecord, nil, backend.Progress{Invalids: 50}},
	} {
		t.Run(c.err.Message, func(t *testing.T) {
			r := newRig(t, options(), 2)
			kafkatest.Refuse(r.cluster, c.err.Code, c.marks...)
			r.hand(0, records(50))
			r.until("the refusal", func() bool { return r.c.Progress(0).Failed != backend.None })
			want := c.want
			want.Err, want.Reports = int(c.err.Code), 50
			if got := r.c.Progress(0); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("got %+v, want %+v", got, want)
			}
			for stream := range 2 {
				if taken, code := r.c.Produce(stream, int32(stream), 50*uint64(1-stream), records(1), nil); taken != 0 || code == 0 {
					t.Errorf("stream %d: %d records taken behind a failure", stream, taken)
				}
			}
		})
	}
}

// TestQueueIsFull: a batch fills while the one before it is under way, and no more is taken.
func TestQueueIsFull(t *testing.T) {
	o := options()
	o.BatchRecords = 10
	r := newRig(t, o, 1)
	r.until("a producer id", func() bool { return r.c.Ready() == nil })
	release := make(chan struct{})
	r.cluster.ControlKey(produceKey, func(kmsg.Request) (kmsg.Response, error, bool) {
		r.cluster.SleepControl(func() { <-release })
		return nil, nil, false
	})
	taken, code := r.c.Produce(0, 0, 0, records(100), nil)
	if taken != 10 || code != backend.ErrQueueFull {
		t.Fatalf("%d taken, code %d", taken, code)
	}
	r.c.Send()
	if taken, code = r.c.Produce(0, 0, 10, records(100)[10:], nil); taken != 10 || code != backend.ErrQueueFull {
		t.Fatalf("%d taken while a batch is under way, code %d", taken, code)
	}
	close(release)
	r.until("acks", r.acked(0, 20))
}

// TestNewConnection: where a connection was idle for too long, or SASL wants to be done
// again, the next request goes over another.
func TestNewConnection(t *testing.T) {
	for name, age := range map[string]func(*conn){
		"idle":    func(c *conn) { c.used = time.Now().Add(-idleLimit) },
		"expired": func(c *conn) { c.sessionEnd = time.Now().Add(-time.Second) },
		"moved":   func(c *conn) { c.address = "elsewhere:1" },
		"control": func(*conn) {},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, options(), 1)
			r.hand(0, records(1))
			r.until("an ack", r.acked(0, 1))
			n := r.c.wire.(*network)
			c := n.slots[0].c
			age(c)
			before := c.used
			r.c.Produce(0, 0, 1, records(1), nil)
			r.c.Send()
			r.until("an ack", r.acked(0, 2))
			if other := n.slots[0].c != c; other != (name != "control") || r.c.retries > 0 {
				t.Errorf("another connection: %v, after %d retries", other, r.c.retries)
			} else if !other && !c.used.After(before) {
				t.Error("a connection in use counts as idle")
			}
		})
	}
}

// TestSilentBroker: one that takes requests and never answers does not keep anybody: what is
// under way is given up by a purge, and Destroy returns.
func TestSilentBroker(t *testing.T) {
	r := newRig(t, options(), 1)
	r.until("a producer id", func() bool { return r.c.Ready() == nil })
	asked, release := make(chan struct{}), make(chan struct{})
	defer close(release)
	r.cluster.ControlKey(produceKey, func(kmsg.Request) (kmsg.Response, error, bool) {
		r.cluster.SleepControl(func() { close(asked); <-release })
		return nil, nil, false
	})
	r.hand(0, records(50))
	<-asked
	r.c.Purge(false)
	if got := r.c.Progress(0); got.Reports != 0 {
		t.Errorf("reported while under way: %+v", got)
	}
	r.c.Purge(true)
	if got := r.c.Progress(0); got.Reports != 50 || got.Maybe != 50 || got.Failed != 0 {
		t.Errorf("given up: %+v", got)
	}
	r.until("the request's end", func() bool { return r.c.brokers[0].request == nil })
}

// TestNobodyThere: that no broker can be reached is told once, not every tenth of a second.
func TestNobodyThere(t *testing.T) {
	l, err := net.Listen("tcp", loopback.Any())
	if err != nil {
		t.Fatal(err)
	}
	o := options()
	o.Brokers = []string{l.Addr().String()}
	_ = l.Close()
	c, err := New(o, []uint64{0})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Destroy()
	r := &rig{t: t, c: c}
	told := 0
	count := func() {
		events, _ := c.Events()
		for _, e := range events {
			if e.Code == backend.ErrAllBrokersDown && strings.Contains(e.Text, "refused") {
				told++
			}
		}
	}
	r.until("to be told", func() bool { count(); return told > 0 })
	time.Sleep(5 * refreshAgain) // more refreshes
	if count(); told != 1 || c.Ready() == nil {
		t.Errorf("told %d times; ready: %v", told, c.Ready())
	}
}

// TestOneFrozen: a broker that does not answer for the metadata is not all of them: the next one is
// asked, at once, and nobody is told that none can be reached.
func TestOneFrozen(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(3), kfake.SeedTopics(1, "t"))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	o := options()
	o.Brokers, o.RefreshEvery = cluster.ListenAddrs()[1:2], refreshAgain
	c, err := New(o, []uint64{0})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Destroy()
	r := &rig{t: t, c: c}
	r.until("metadata", func() bool { return c.Ready() == nil })
	var silent, asked atomic.Int32
	thaw := make(chan struct{})
	defer close(thaw)
	cluster.ControlKey(int16(kmsg.Metadata), func(kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		switch {
		case silent.Load() > 0:
			asked.Add(1)
		case cluster.CurrentNode() == 0:
			silent.Add(1)
			cluster.SleepControl(func() { <-thaw })
		}
		return nil, nil, false
	})
	r.until("others to be asked after it", func() bool { return asked.Load() > 2 })
	events, _ := c.Events()
	for _, e := range events {
		if e.Code == backend.ErrAllBrokersDown {
			t.Errorf("told: %s", e.Text)
		}
	}
}

// TestNoProducerID: a refusal for good ends the client.
func TestNoProducerID(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "t"))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	cluster.ControlKey(int16(kmsg.InitProducerID), func(q kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		a := q.ResponseKind().(*kmsg.InitProducerIDResponse)
		a.ErrorCode = kerr.ClusterAuthorizationFailed.Code
		return a, nil, true
	})
	o := options()
	o.Brokers = cluster.ListenAddrs()
	c, err := New(o, []uint64{0})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Destroy()
	(&rig{t: t, c: c}).until("the refusal", func() bool { return c.Fatal() == int(kerr.ClusterAuthorizationFailed.Code) })
}

// TestNotSent: what no broker can have got is not said to be possibly written.
func TestNotSent(t *testing.T) {
	r := newRig(t, options(), 1)
	r.until("a producer id", func() bool { return r.c.Ready() == nil })
	r.cluster.Close()
	r.hand(0, records(50))
	r.until("a try", func() bool { return r.c.retries > 0 })
	events, _ := r.c.Events()
	aloud := 0
	for _, e := range events {
		if e.Level == levelError && strings.Contains(e.Text, "refused") {
			aloud++
		}
	}
	if aloud != 1 {
		t.Errorf("said aloud %d times: %v", aloud, events)
	}
	r.c.Purge(false)
	if got := r.c.Progress(0); got.Reports != 50 || got.Maybe != 0 {
		t.Errorf("%+v", got)
	}
}

// TestPollEndsForARetry: nobody else wakes the engine for one.
func TestPollEndsForARetry(t *testing.T) {
	begun := time.Now()
	c := newClient(options(), []uint64{0}, nil, func() time.Duration { return time.Since(begun) })
	c.retryAt = 20 * time.Millisecond
	if c.Poll(60_000); time.Since(begun) > 30*time.Second {
		t.Error("it slept on")
	}
}
