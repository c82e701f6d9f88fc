package native

import (
	"encoding/binary"
	"math"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/ringtail/ringtail/producer/backend"
)

// late is a wire whose brokers have written whatever they are asked to, and say so after a while.
type late struct {
	connected
	clock *time.Duration
	after time.Duration
	under []lateRequest
	sent  map[uint32]int // by sequence
}

type lateRequest struct {
	at       time.Duration
	request  *produceRequest
	answered func(*kmsg.ProduceResponse, error)
}

func (w *late) produce(_ int32, _ string, q *produceRequest, answered func(*kmsg.ProduceResponse, error)) func() {
	for _, p := range q.batches {
		w.sent[binary.BigEndian.Uint32(p.data[0][atSequence:])]++
	}
	w.under = append(w.under, lateRequest{*w.clock + w.after, q, answered})
	return func() {}
}

func (w *late) answer() {
	w.under = slices.DeleteFunc(w.under, func(u lateRequest) bool {
		if u.at > *w.clock {
			return false
		}
		r, t := kmsg.NewPtrProduceResponse(), kmsg.NewProduceResponseTopic()
		for _, p := range u.request.batches {
			a := kmsg.NewProduceResponseTopicPartition()
			a.Partition = p.partition
			t.Partitions = append(t.Partitions, a)
		}
		r.Topics = append(r.Topics, t)
		u.answered(r, nil)
		return true
	})
}

// TestLeadersThatFlap: where every look tells another leader, what was written is acked all the
// same, and as a rule it is sent once.
func TestLeadersThatFlap(t *testing.T) {
	for _, c := range []struct {
		after time.Duration
		tries int // of a batch, at most
	}{{500 * time.Millisecond, 1}, {1900 * time.Millisecond, 1}, {2500 * time.Millisecond, 1}, {7 * time.Second, 2}} {
		var clock time.Duration
		w := &late{clock: &clock, after: c.after, sent: map[uint32]int{}}
		client := newClient(options(), []uint64{0}, w, func() time.Duration { return clock })
		client.id.Store(&producerID{7, 0})
		broker, next := int32(0), uint64(0)
		for ; clock < 10*time.Minute; clock += 10 * time.Millisecond {
			if clock%(2*time.Second) == 0 {
				broker = 1 - broker
				client.newestMetadata.Store(&metadata{brokers: map[int32]string{0: "a:1", 1: "b:1"}, leaders: []leader{{broker, -1}}})
			}
			if taken, _ := client.Produce(0, 0, next, records(1), nil); taken == 1 {
				next++
			}
			w.answer()
			client.Send()
			client.Poll(0)
		}
		tries := 0
		for _, n := range w.sent {
			tries = max(tries, n)
		}
		if acked := client.Progress(0).Acked; acked < next/2 || tries > c.tries {
			t.Errorf("answers after %v: %d of %d records acked, a batch was sent %d times", c.after, acked, next, tries)
		}
	}
}

// TestOlderLeaders: a broker that tells leaders of old is not believed, unless it goes on and on,
// or the topic is another one.
func TestOlderLeaders(t *testing.T) {
	at := func(topic byte, l ...leader) *metadata {
		return &metadata{brokers: map[int32]string{0: "a:1", 1: "b:1"}, leaders: l, topic: [16]byte{topic}}
	}
	for name, c := range map[string]struct {
		old, new *metadata
		want     leader
	}{
		"newer":              {at(1, leader{0, 3}), at(1, leader{1, 4}), leader{1, 4}},
		"older":              {at(1, leader{0, 3}), at(1, leader{1, 2}), leader{0, 3}},
		"of the same epoch":  {at(1, leader{0, 3}), at(1, leader{-1, 3}), leader{-1, 3}},
		"no epoch":           {at(1, leader{0, 3}), at(1, leader{1, -1}), leader{1, -1}},
		"of another topic":   {at(1, leader{0, 3}), at(2, leader{1, 0}), leader{1, 0}},
		"the first":          {nil, at(1, leader{1, 0}), leader{1, 0}},
		"a partition is new": {at(1), at(1, leader{1, 0}), leader{1, 0}},
	} {
		older := c.new.retainNewerLeaders(c.old)
		if got := c.new.leaders[0]; got != c.want || older != (name == "older") {
			t.Errorf("%s: %+v, older %v", name, got, older)
		}
	}
	gone := at(1, leader{1, 2})
	delete(gone.brokers, 0)
	if gone.retainNewerLeaders(at(1, leader{0, 3})); gone.brokers[0] != "a:1" {
		t.Error("the newer leader has no address")
	}
}

// metadata lets the cluster tell what change makes of its metadata.
func (r *rig) metadata(change func(*kmsg.MetadataResponse)) {
	r.cluster.ControlKey(int16(kmsg.Metadata), func(q kmsg.Request) (kmsg.Response, error, bool) {
		r.cluster.KeepControl()
		a := q.ResponseKind().(*kmsg.MetadataResponse)
		b := kmsg.NewMetadataResponseBroker()
		address := r.cluster.ListenAddrs()[0]
		host, port, _ := net.SplitHostPort(address)
		b.Host, b.Port = host, int32(number(port))
		a.Brokers = append(a.Brokers, b)
		topic := kmsg.NewMetadataResponseTopic()
		topic.Topic = kmsg.StringPtr("t")
		a.Topics = append(a.Topics, topic)
		change(a)
		return a, nil, true
	})
}

func number(s string) (n int) {
	for _, c := range s {
		n = 10*n + int(c-'0')
	}
	return n
}

// TestStaleMetadata: after staleMax refreshes that tell an older leader it is the leader.
func TestStaleMetadata(t *testing.T) {
	o := options()
	o.Partitions = []int32{0}
	r := newRig(t, o, 1)
	r.until("ready", func() bool { return r.c.Ready() == nil })
	var refreshes atomic.Int32
	r.metadata(func(a *kmsg.MetadataResponse) {
		p := kmsg.NewMetadataResponseTopicPartition()
		p.LeaderEpoch = 9
		if refreshes.Add(1) > 1 {
			p.LeaderEpoch, p.Leader = 8, 5
		}
		a.Topics[0].Partitions = append(a.Topics[0].Partitions, p)
	})
	r.until("the older leader", func() bool {
		r.c.wantMetadata()
		r.c.adoptMetadata()
		return r.c.metadata.leader(0) == 5
	})
	if n := refreshes.Load(); n <= staleMax {
		t.Errorf("believed after %d refreshes", n)
	}
}

// TestNoTopicID: brokers that know produce requests by topic id, and metadata that tells none.
func TestNoTopicID(t *testing.T) {
	v := kversion.Stable()
	v.SetMaxKeyVersion(int16(kmsg.Metadata), 9)
	r := newRig(t, options(), 1, kfake.MaxVersions(v))
	r.hand(0, records(10))
	r.until("acks", r.acked(0, 10))
	if r.c.retries > 0 {
		t.Errorf("%d tries too many", r.c.retries)
	}
}

// TestBounds: what cannot be true of partitions is left out.
func TestBounds(t *testing.T) {
	r := kmsg.NewPtrMetadataResponse()
	r.Version = 12
	other, topic := kmsg.NewMetadataResponseTopic(), kmsg.NewMetadataResponseTopic()
	other.Topic, topic.Topic = kmsg.StringPtr("other"), kmsg.StringPtr("t")
	for _, n := range []int32{-1, math.MinInt32, partitionsMax, math.MaxInt32, 2} {
		p := kmsg.NewMetadataResponseTopicPartition()
		p.Partition, p.Leader = n, 7
		topic.Partitions = append(topic.Partitions, p)
	}
	p := kmsg.NewMetadataResponseTopicPartition()
	p.Partition, p.Leader = 2, 8
	other.Partitions = append(other.Partitions, p)
	r.Topics = append(r.Topics, topic, other, kmsg.NewMetadataResponseTopic())
	md := newMetadata(r, "t")
	if len(md.leaders) != 3 || md.leader(2) != 7 || md.leader(0) != -1 || md.leader(math.MaxInt32) != -1 {
		t.Errorf("%+v", md)
	}
}

// TestReady: a client is ready once every leader of what will be written has let it in, and says
// before that what is in the way.
func TestReady(t *testing.T) {
	o := options()
	o.Partitions = []int32{0, 1}
	r := newKafka(t)
	r.cluster.ControlKey(int16(kmsg.InitProducerID), func(q kmsg.Request) (kmsg.Response, error, bool) {
		a := q.ResponseKind().(*kmsg.InitProducerIDResponse)
		a.ErrorCode = kerr.CoordinatorLoadInProgress.Code
		return a, nil, true
	})
	var leads atomic.Int32
	leads.Store(-1)
	r.metadata(func(a *kmsg.MetadataResponse) {
		gone := kmsg.NewMetadataResponseBroker()
		gone.NodeID, gone.Host, gone.Port = 3, "127.0.0.1", 1
		a.Brokers = append(a.Brokers, gone)
		for i := range int32(3) {
			p := kmsg.NewMetadataResponseTopicPartition()
			if p.Partition = i; i == 1 {
				p.Leader = leads.Load()
			} else if i == 2 {
				p.Leader = -1 // nobody asked for this one
			}
			a.Topics[0].Partitions = append(a.Topics[0].Partitions, p)
		}
	})
	r.begin(o, 2)
	because := func(what string) {
		t.Helper()
		r.until(what, func() bool {
			err := r.c.Ready()
			if err == nil {
				t.Fatalf("ready, before: %s", what)
			}
			return strings.Contains(err.Error(), what)
		})
	}
	because("partition 1: nobody leads it")
	leads.Store(3)
	because("broker 3 at 127.0.0.1:1: ")
	leads.Store(0)
	r.until("ready", func() bool { return r.c.Ready() == nil })
}

// TestProbe: it says why nothing can be written, and leaves nothing behind.
func TestProbe(t *testing.T) {
	o := options()
	o.Partitions = []int32{0, 2}
	r := newRig(t, o, 1)
	o.Brokers = r.cluster.ListenAddrs()
	if err := Probe(t.Context(), o); err != nil {
		t.Error(err)
	}
	o.Partitions = []int32{0, 3}
	if err := Probe(t.Context(), o); err == nil || !strings.Contains(err.Error(), "partition 3: nobody leads it") {
		t.Error(err)
	}
	if r.c.Progress(0).Failed != backend.None {
		t.Error("it harmed another client")
	}
}
