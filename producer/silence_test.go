package producer

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/ringtail/ringtail/internal/kafkatest"
	"github.com/ringtail/ringtail/producer/backend"
)

// TestAskSilent: a broker that owes an answer is asked whether it speaks at all.
func TestAskSilent(t *testing.T) {
	alive, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	defer alive.Close()
	over, cancel := context.WithCancel(context.Background())
	cancel()
	w := &connectivity{}
	for _, c := range []struct {
		address string
		oldest  time.Duration
		ctx     context.Context
		want    string // behind its name
		down    bool
	}{
		{alive.ListenAddrs()[0], time.Minute, context.Background(), "it is up and does not confirm what it got: it is slow, waits for its replicas, or holds us to a quota", false},
		{kafkatest.Deaf(t), time.Minute, context.Background(), "it answers nothing", true},
		{kafkatest.Nobody(t), time.Minute, context.Background(), "connection refused: nothing listens there", true},
		{kafkatest.Nobody(t), 0, context.Background(), "", false},
		{kafkatest.Nobody(t), time.Minute, over, "", false},
	} {
		b := backend.NewInsight(0).Broker(4)
		b.SetAddress(c.address)
		b.SetUnderWay(1, c.oldest)
		w.askSilent(c.ctx, b)
		want := c.want
		if want != "" {
			want = "broker 4 at " + c.address + ": " + want
		}
		if state, _, _ := b.State(); textOf(b.Trouble()) != want || (state == backend.BrokerDown) != c.down {
			t.Errorf("%q, state %v, want %q", textOf(b.Trouble()), state, want)
		}
	}
}

// TestBrokersOfTheCluster: brokers of all engines are told once, the worse of two words counts, and
// those that the cluster does not have any more are left out.
func TestBrokersOfTheCluster(t *testing.T) {
	now := time.Now()
	md := &backend.Metadata{At: now, Brokers: map[int32]string{1: "a:1", 2: "b:1"}, Partitions: []backend.Partition{{Leader: 1, Replicas: []int32{1, 3}, InSync: 1}}}
	for name, c := range map[string]struct {
		do   func(b *backend.Broker)
		id   int32
		want string
	}{
		"nothing is known":                    {func(*backend.Broker) {}, 1, brokerUp},
		"the leader does not answer":          {func(b *backend.Broker) { b.Down("x") }, 1, brokerDown},
		"the leader is connected":             {func(b *backend.Broker) { b.Connecting() }, 1, brokerConnecting},
		"another is connected":                {func(b *backend.Broker) { b.Connecting() }, 2, brokerUp},
		"another did not answer":              {func(b *backend.Broker) { b.Down("x") }, 2, brokerDown},
		"a replica that is dead":              {func(*backend.Broker) {}, 3, brokerDown},
		"a replica that has answered since":   {func(b *backend.Broker) { b.Up() }, 3, brokerUp},
		"one that was the cluster's":          {func(b *backend.Broker) { b.Down("x") }, 4, ""},
		"one that was, and has our request":   {func(b *backend.Broker) { b.SetUnderWay(1, 0) }, 4, brokerDown},
		"one that did not answer before that": {func(b *backend.Broker) { b.Down("x"); md.At = time.Now().Add(time.Minute) }, 2, brokerUp},
	} {
		md.At = now
		w := &Writer{topic: newWatcher("t", 1, false, nil, nil, nil, nil)}
		for range 2 {
			in := backend.NewInsight(1)
			w.engines = append(w.engines, &engine{cfg: engineConfig{Insight: in}})
		}
		w.started.Store(true)
		b := w.engines[1].cfg.Insight.Broker(c.id)
		b.Requests.Add(time.Second)
		c.do(b)
		w.engines[0].cfg.Insight.SetMetadata(md)
		w.engines[0].cfg.Insight.Broker(1).Requests.Add(time.Second)
		got, requests := "", uint64(0)
		for _, b := range w.Insight().Brokers {
			if b.ID == c.id {
				got, requests = b.State, b.Requests
			}
		}
		if wanted := map[bool]uint64{true: 2, false: 1}[c.id == 1]; got != c.want || got != "" && requests != wanted {
			t.Errorf("%s: %q after %d requests, want %q", name, got, requests, c.want)
		}
	}
}

// TestOldErrorsOfBrokers: an error that is not seen any more, of a broker that the cluster counts as
// alive and that owes nothing, is over.
func TestOldErrorsOfBrokers(t *testing.T) {
	md := &backend.Metadata{At: time.Now().Add(-time.Second)}
	for _, c := range []struct {
		later    time.Duration
		leads    bool
		underWay int
		want     string
	}{
		{time.Second, false, 0, brokerDown}, {11 * time.Second, false, 0, brokerUp},
		{11 * time.Second, true, 0, brokerDown}, {61 * time.Second, true, 0, brokerUp}, {time.Hour, true, 1, brokerDown},
	} {
		b := backend.NewInsight(0).Broker(1)
		b.Down("x")
		b.SetUnderWay(c.underWay, 0)
		if got := stateOf(b, md, true, c.leads, time.Now().Add(c.later)); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}
