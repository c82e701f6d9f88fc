package producer

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ringtail/ringtail/internal/kafkatest"
)

// seer is a Writer whose Insight a test looks at.
type seer struct {
	*rig
	name     string
	pushed   int // to each shard
	registry *prometheus.Registry
}

func newSeer(t *testing.T, c *kafkatest.Cluster, writer, topic string) *seer {
	s := &seer{name: writer + " " + topic, registry: prometheus.NewRegistry()}
	s.rig = newRig(t, c.Bootstrap(), topic, "", 1<<20, func(o *Options) {
		o.Writer, o.Registerer = writer, s.registry
		o.Properties = map[string]string{"statistics.interval.ms": "500"}
	})
	return s
}

// send pushes so many records to each shard.
func (s *seer) send(n int) {
	for i := range shards {
		s.push(i, n, s.size)
	}
	s.pushed += n
}

// allThere reports whether Kafka has everything, as Insight has it.
func (s *seer) allThere() bool {
	in := s.w.Insight()
	return !slices.ContainsFunc(in.Streams, func(x StreamInsight) bool { return x.Oldest != 0 || int(x.Delivered) != s.pushed || x.UnderWay != 0 })
}

// await waits until something holds of each, once at least.
func await(seers []*seer, what string, holds func(s *seer) bool) {
	left := slices.Clone(seers)
	for end := time.Now().Add(2 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		left = slices.DeleteFunc(left, holds)
		if len(left) == 0 {
			return
		}
		if time.Now().After(end) {
			left[0].t.Fatalf("%s: waited in vain: %s; %s", left[0].name, what, left[0])
		}
	}
}

// String is all that is told, for who wonders why a test waits.
func (s *seer) String() string {
	text := ""
	in := s.w.Insight()
	for _, x := range in.Streams {
		text += fmt.Sprintf("\nshard %s, leader %d, %d under way, oldest %v: %s", x.Name, x.Leader, x.UnderWay, x.Oldest, textOf(x.LastError))
	}
	for _, b := range in.Brokers {
		text += fmt.Sprintf("\nbroker %d is %s, %d under way, oldest %v: %s", b.ID, b.State, b.UnderWay, b.Oldest, textOf(b.LastError))
	}
	return fmt.Sprintf("%s\n%+v", text, in.Topics)
}

func (s *seer) broker(id int) BrokerInsight {
	for _, b := range s.w.Insight().Brokers {
		if int(b.ID) == id {
			return b
		}
	}
	return BrokerInsight{}
}

func (s *seer) allUp() bool {
	in := s.w.Insight()
	return len(in.Brokers) == 3 && !slices.ContainsFunc(in.Brokers, func(b BrokerInsight) bool { return b.State != brokerUp })
}

// measured reports whether requests to all brokers are counted.
func (s *seer) measured() bool {
	return !slices.ContainsFunc(s.w.Insight().Brokers, func(b BrokerInsight) bool { return b.P99 == 0 })
}

func textOf(t *Trouble) string {
	if t == nil {
		return ""
	}
	return t.Text
}

// metric returns a gauge or counter.
func (s *seer) metric(name, label string) float64 {
	s.t.Helper()
	families, err := s.registry.Gather()
	if err != nil {
		s.t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "ringtail_"+name && len(m.GetLabel()) == 1 && m.GetLabel()[0].GetValue() == label {
				return m.GetGauge().GetValue() + m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	s.t.Errorf("%s: no metric %s of %s", s.name, name, label)
	return 0
}

// TestInsightOnKafka: what is told of shards, brokers and topics is right while all is well, while a quota
// throttles, while a broker is frozen, and when one is dead; with both writers.
func TestInsightOnKafka(t *testing.T) {
	c := kafkatest.Start(t, kafkatest.Options{Brokers: 3})
	var alone, whole []*seer // partitions with one replica, with three that must all be in sync
	for _, w := range writers() {
		c.CreateTopicOn("alone-"+w, []int{1, 2, 3, 1, 2, 3, 1, 2, 3, 1})
		c.CreateTopic("whole-"+w, shards, 3, map[string]string{"min.insync.replicas": "3"})
		alone = append(alone, newSeer(t, c, w, "alone-"+w))
		whole = append(whole, newSeer(t, c, w, "whole-"+w))
	}
	seers := append(slices.Clone(alone), whole...)
	for _, s := range seers {
		s.send(100)
	}
	await(seers, "everything is there", func(s *seer) bool { return s.allThere() && s.allUp() && s.measured() })
	for _, s := range seers {
		s.checkHealthy(c)
	}
	checkThrottled(c, alone)
	checkFrozen(c, alone, whole)
	checkKilled(c, alone)
	for _, s := range seers {
		s.w.Close()
		in := s.w.Insight()
		if in.Streams[0].State != "ended" || in.Streams[0].UnderWay != 0 || len(in.Brokers) != 3 {
			t.Errorf("%s: when it has ended: %+v, %d brokers", s.name, in.Streams[0], len(in.Brokers))
		}
	}
	if in := alone[0].w.Insight(); in.Streams[0].Oldest == 0 || in.Streams[2].Oldest != 0 {
		t.Errorf("given up: %v is the age of what is not in Kafka, %v where all is", in.Streams[0].Oldest, in.Streams[2].Oldest)
	}
}

func (s *seer) checkHealthy(c *kafkatest.Cluster) {
	s.t.Helper()
	in, ring := s.w.Insight(), time.Duration(0)
	for i, x := range in.Streams {
		if int(x.Leader) != c.Leader(in.Topics[0].Name, i) || x.Partition != int32(i) || x.Name != fmt.Sprint(i) || x.State != "running" || x.LastError != nil ||
			int(x.DeliveredBytes) != s.pushed*s.size || x.Stages.Broker <= 0 {
			s.t.Errorf("%s: %+v", s.name, x)
		}
		ring += x.Stages.Ring
	}
	if ring <= 0 {
		s.t.Errorf("%s: no record was in a ring for any time", s.name)
	}
	requests := 0.0
	for i, b := range in.Brokers {
		if int(b.ID) != i+1 || b.Address != c.Address(i+1) || b.Requests == 0 || b.P50 <= 0 || b.P99 < b.P50 || b.LastError != nil {
			s.t.Errorf("%s: %+v", s.name, b)
		}
		requests += s.metric("kafka_request_seconds", fmt.Sprint(b.ID))
	}
	topic, replicas := in.Topics[0], 1
	if strings.HasPrefix(topic.Name, "whole") {
		replicas = 3
	}
	if topic.Partitions != shards || topic.Replicas != replicas || topic.MinInSyncReplicas != replicas || len(topic.BelowMin)+len(topic.Shrunk) != 0 ||
		topic.RecordLimit != s.w.RecordLimit() || topic.Error != "" {
		s.t.Errorf("%s: %+v", s.name, topic)
	}
	if requests == 0 || s.metric("bytes_delivered_total", "3") != float64(s.pushed*s.size) || s.metric("oldest_record_seconds", "3") != 0 || s.metric("kafka_broker_up", "1") != 1 {
		s.t.Errorf("%s: metrics tell another thing", s.name)
	}
}

// checkThrottled: a quota is told of each broker, and its waits are the brokers' time.
func checkThrottled(c *kafkatest.Cluster, seers []*seer) {
	c.SetProduceQuota(100_000)
	before := map[*seer]StageTimes{}
	for _, s := range seers {
		before[s] = s.w.Insight().Streams[0].Stages
		await([]*seer{s}, "it is throttled", func(s *seer) bool {
			s.send(40)
			return s.broker(1).Throttled > 100*time.Millisecond
		})
	}
	await(seers, "everything is there", func(s *seer) bool { return s.allThere() })
	c.SetProduceQuota(0)
	for _, s := range seers {
		was, now := before[s], s.w.Insight().Streams[0].Stages
		if broker, other := now.Broker-was.Broker, now.Ring-was.Ring+now.Writer-was.Writer; broker < other {
			s.t.Errorf("%s: throttled for %v, and brokers took %v, others %v", s.name, s.broker(1).Throttled, broker, other)
		}
	}
}

// checkFrozen: shards whose leader is frozen are told from those that flow, a leader that waits for
// a frozen replica from one that is frozen, and too few replicas are named.
func checkFrozen(c *kafkatest.Cluster, alone, whole []*seer) {
	c.Freeze(2)
	begun := time.Now()
	for _, s := range slices.Concat(alone, whole) {
		s.send(10)
	}
	silent := fmt.Sprintf("broker 2 at %s: it answers nothing", c.Address(2))
	await(alone, "a frozen leader is told", func(s *seer) bool {
		in := s.w.Insight()
		if x := in.Streams[0]; x.LastError != nil && x.LastError.At.After(begun) { // the quota may have left one
			s.t.Fatalf("%s: shard 0 flows, and its error is %+v", s.name, x.LastError)
		}
		b, stuck := s.broker(2), in.Streams[1]
		found := in.Streams[0].Oldest == 0 && b.State == brokerDown && textOf(b.LastError) == silent && b.UnderWay == 1 && b.Oldest > silentAfter &&
			textOf(stuck.LastError) == silent && stuck.Oldest > silentAfter && stuck.Oldest <= time.Since(begun)
		if found && (s.metric("kafka_broker_up", "2") != 0 || s.metric("kafka_broker_up", "1") != 1 ||
			s.metric("oldest_record_seconds", "1") < silentAfter.Seconds() || s.metric("oldest_record_seconds", "0") != 0) {
			s.t.Errorf("%s: metrics tell another thing", s.name)
		}
		return found
	})
	await(whole, "too few replicas are told", func(s *seer) bool {
		in := s.w.Insight()
		for _, b := range in.Brokers {
			if b.ID != 2 && b.State == brokerDown {
				s.t.Fatalf("%s: broker %d waits for broker 2, and is told to be down: %+v", s.name, b.ID, b.LastError)
			}
		}
		return len(in.Topics[0].BelowMin) == shards && len(in.Topics[0].Shrunk) == shards &&
			slices.ContainsFunc(in.Streams, func(x StreamInsight) bool { return strings.HasPrefix(textOf(x.LastError), "NOT_ENOUGH_REPLICAS") })
	})
	c.Continue(2)
	await(slices.Concat(alone, whole), "all is well again", func(s *seer) bool { return s.allThere() && s.allUp() })
	for _, s := range alone {
		if x := s.w.Insight().Streams[1]; x.LastError == nil || x.LastError.At.Before(begun) {
			s.t.Errorf("%s: what was wrong is forgotten: %+v", s.name, x.LastError)
		}
	}
}

// checkKilled: a broker that is dead is named with why, at once, and so it is for the shards that it
// leads.
func checkKilled(c *kafkatest.Cluster, alone []*seer) {
	c.Kill(1)
	for _, s := range alone {
		s.send(10)
	}
	refused := fmt.Sprintf("broker 1 at %s: connection refused: nothing listens there", c.Address(1))
	await(alone, "a dead leader is told", func(s *seer) bool {
		in := s.w.Insight()
		b := s.broker(1)
		return b.State == brokerDown && textOf(b.LastError) == refused && b.UnderWay == 0 && textOf(in.Streams[0].LastError) == refused &&
			in.Streams[0].Oldest > 0 && in.Streams[2].Oldest == 0
	})
}
