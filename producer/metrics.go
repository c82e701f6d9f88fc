package producer

import (
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

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
	requests           atomic.Pointer[requestTimes]

	buckets [22]atomic.Uint64 // records, by deliveryBounds; the last is +Inf
	nanos   atomic.Uint64     // sum over records
}

type shardStats struct {
	delivered, refused atomic.Uint64
	_                  [48]byte
}

// requestTimes is how long requests to brokers took, in seconds.
type requestTimes struct {
	count     uint64
	sum       float64
	quantiles map[float64]float64
}

func newStats(shards int) *stats { return &stats{shards: make([]shardStats, shards)} }

func (st *stats) delivered(s *stream, n uint64) {
	if s.shard < 0 {
		st.deadLetters.Add(n)
		return
	}
	st.shards[s.shard].delivered.Add(n)
}

func (st *stats) setAside(s *stream) { st.shards[s.shard].refused.Add(1) }

// freed observes the delivery time of a batch's records. They entered the ring together, and count
// as delivered with the last of them.
func (st *stats) freed(b *inflightBatch) {
	took := shard.Now() - b.batch.Taken
	n := b.end - b.first
	seconds := time.Duration(took).Seconds()
	i := 0
	for i < len(deliveryBounds) && seconds > deliveryBounds[i] {
		i++
	}
	st.buckets[i].Add(n)
	st.nanos.Add(uint64(took) * n)
}

// Stats is a snapshot of what a Writer did.
type Stats struct {
	Delivered          uint64 // records in Kafka
	Refused            uint64 // records set aside after they were routed
	DeadLetters        uint64 // dead letters in Kafka
	PossibleDuplicates uint64
	Rebuilds           uint64
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
	descRequests     = desc("kafka_request_seconds", "Round trip of requests to brokers, of the writer's last five seconds.")
)

// collector exposes a Writer's stats and rings. Records that were set aside are not among them:
// they are in the counter of all rejected records, which asks Writer.Refused.
type collector struct {
	stats *stats
	set   shard.Set
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
		gauge(descUsed, r.Used(), name)
		gauge(descCapacity, r.Capacity(), name)
	}
	if d := c.set.Dead; d != nil {
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
	r := st.requests.Load()
	if r == nil {
		r = &requestTimes{}
	}
	ch <- prometheus.MustNewConstSummary(descRequests, r.count, r.sum, r.quantiles)
}
