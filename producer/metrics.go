package producer

import (
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ringtail/ringtail/producer/backend"
	"github.com/ringtail/ringtail/shard"
)

// deliveryBounds are the histogram's upper bounds in seconds. From ring entry to Kafka's ack it
// takes between half a millisecond and, with brokers away, minutes.
var deliveryBounds = []float64{
	0.0005, 0.001, 0.0025, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075,
	0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300,
}

// stats are the counters of all engines of a server. Engines write them, any goroutine may read
// them.
type stats struct {
	shards             []shardStats
	deadLetters        atomic.Uint64 // dead letters in Kafka
	possibleDuplicates atomic.Uint64
	rebuilds           atomic.Uint64
	retries            atomic.Uint64 // as backend.Statistics.Retries
	deadLetterBytes    atomic.Uint64

	buckets [22]atomic.Uint64 // records, by deliveryBounds; the last is +Inf
	nanos   atomic.Uint64     // sum over records
}

type shardStats struct {
	delivered, refused, bytes atomic.Uint64
	_                         [40]byte
}

func newStats(shards int) *stats { return &stats{shards: make([]shardStats, shards)} }

// taken returns how many records are in Kafka, dead letters apart.
func (st *stats) taken() (n uint64) {
	for i := range st.shards {
		n += st.shards[i].delivered.Load()
	}
	return n
}

func (st *stats) delivered(s *stream, n uint64) {
	if s.shard < 0 {
		st.deadLetters.Add(n)
		return
	}
	st.shards[s.shard].delivered.Add(n)
}

func (st *stats) setAside(s *stream) { st.shards[s.shard].refused.Add(1) }

// freed counts the bytes of a batch of s that is done, and observes the delivery time of its
// records. They entered the ring together, and count as delivered with the last of them.
func (st *stats) freed(s *stream, b *inflightBatch, now int64) {
	if s.shard < 0 { // delivery_seconds is about records
		st.deadLetterBytes.Add(uint64(b.values))
		return
	}
	st.shards[s.shard].bytes.Add(uint64(b.values))
	took := max(now-b.batch.Taken, 0)
	n := b.end - b.first
	seconds := time.Duration(took).Seconds()
	i := 0
	for i < len(deliveryBounds) && seconds > deliveryBounds[i] {
		i++
	}
	st.buckets[i].Add(n)
	st.nanos.Add(uint64(took) * n)
}

// count sets the counts of out, which is about s.
func (st *stats) count(s *stream, out *StreamInsight) {
	if s.shard < 0 {
		out.Delivered, out.DeliveredBytes = st.deadLetters.Load(), st.deadLetterBytes.Load()
		return
	}
	c := &st.shards[s.shard]
	out.Delivered, out.DeliveredBytes, out.Refused = c.delivered.Load(), c.bytes.Load(), c.refused.Load()
}

// Stats is a snapshot of what a Writer did.
type Stats struct {
	Delivered          uint64 // records in Kafka
	Refused            uint64 // records set aside after they were routed
	DeadLetters        uint64 // dead letters in Kafka
	PossibleDuplicates uint64
	Rebuilds           uint64
	Delivery           Delivery
}

func (st *stats) snapshot() Stats {
	out := Stats{
		DeadLetters:        st.deadLetters.Load(),
		PossibleDuplicates: st.possibleDuplicates.Load(), Rebuilds: st.rebuilds.Load(),
	}
	for i := range st.shards {
		out.Delivered += st.shards[i].delivered.Load()
		out.Refused += st.shards[i].refused.Load()
	}
	for i := range st.buckets {
		out.Delivery[i] = st.buckets[i].Load()
	}
	return out
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("ringtail_"+name, help, labels, nil)
}

var (
	descDelivered    = desc("records_delivered_total", "Records that are in Kafka (acks=all).", "shard")
	descDeadLettered = desc("records_dead_lettered_total", "Rejected records whose dead letter is in Kafka.")
	descUsed         = desc("ring_used_bytes", "Bytes of the ring that Kafka does not have yet.", "shard")
	descCapacity     = desc("ring_capacity_bytes", "Size of the ring.", "shard")
	descDelivery     = desc("delivery_seconds", "From ring entry to Kafka's ack, over every record.")
	descRebuilds     = desc("producer_rebuilds_total", "Times the writer was started anew after a failure.")
	descMaybe        = desc("possible_duplicates_total", "Records sent again although Kafka may have them.")
	descRetries      = desc("kafka_retries_total", "Tries after the first. The native writer counts batches. librdkafka counts requests (txretries), without produce requests whose records it queued again.")
	descBytes        = desc("bytes_delivered_total", "Bytes of the values of records that are in Kafka.", "shard")
	descOldest       = desc("oldest_record_seconds", "Age of the oldest record that Kafka does not have; 0: it has all.", "shard")
	descBroker       = desc("kafka_broker_up", "1: the broker takes our connections and answers, or leads nothing of ours and the cluster counts it as alive. 0: it does not.", "broker")
	descRequests     = desc("kafka_request_seconds", "Round trip of requests that brokers answered. The native writer measures each produce request. librdkafka tells quantiles of all its requests every statistics.interval.ms: their count is spread over the buckets by these.", "broker")
)

// collector exposes a Writer's stats and rings. Records that were set aside are not among them:
// they are in the counter of all rejected records, which asks Writer.Refused.
type collector struct {
	stats  *stats
	set    shard.Set
	writer *Writer // nil: a Discarder's
}

func (c *collector) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, ch) }

func (c *collector) Collect(ch chan<- prometheus.Metric) {
	counter := func(d *prometheus.Desc, v uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	gauge := func(d *prometheus.Desc, v int, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v), labels...)
	}
	st := c.stats
	for i, r := range c.set.Rings {
		name := strconv.Itoa(i)
		counter(descDelivered, st.shards[i].delivered.Load(), name)
		counter(descBytes, st.shards[i].bytes.Load(), name)
		gauge(descUsed, r.Used(), name)
		gauge(descCapacity, r.Capacity(), name)
	}
	if d := c.set.Dead; d != nil {
		counter(descBytes, st.deadLetterBytes.Load(), d.Name())
		gauge(descUsed, d.Used(), d.Name())
		gauge(descCapacity, d.Capacity(), d.Name())
	}
	counter(descDeadLettered, st.deadLetters.Load())
	counter(descRebuilds, st.rebuilds.Load())
	counter(descMaybe, st.possibleDuplicates.Load())
	counter(descRetries, st.retries.Load())
	buckets, count := make(map[float64]uint64, len(deliveryBounds)), uint64(0)
	for i := range st.buckets {
		count += st.buckets[i].Load()
		if i < len(deliveryBounds) {
			buckets[deliveryBounds[i]] = count
		}
	}
	ch <- prometheus.MustNewConstHistogram(descDelivery, count, float64(st.nanos.Load())/1e9, buckets)
	if c.writer != nil {
		collectInsight(c.writer.Insight(), ch)
	}
}

// collectInsight is Collect for what lies between the rings and Kafka.
func collectInsight(in Insight, ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, label string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, label)
	}
	for _, s := range in.Streams {
		gauge(descOldest, s.Oldest.Seconds(), s.Name)
	}
	for _, b := range in.Brokers {
		id, up := strconv.Itoa(int(b.ID)), 0.0
		if b.State == brokerUp {
			up = 1
		}
		gauge(descBroker, up, id)
		buckets, count := map[float64]uint64{}, uint64(0)
		for i, n := range b.took.buckets {
			if count += n; i < len(backend.RequestBounds) {
				buckets[backend.RequestBounds[i]] = count
			}
		}
		ch <- prometheus.MustNewConstHistogram(descRequests, count, b.took.sum.Seconds(), buckets, id)
	}
}
