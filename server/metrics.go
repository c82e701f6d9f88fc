package server

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ringtail/ringtail/codec"
)

// collector makes the server's metrics of its counters when Prometheus asks: event loops never
// touch Prometheus.
type collector struct {
	stats                                            func() Stats
	shards                                           []room
	received, rejected, bytes, open, opened, refused *prometheus.Desc
	closed, backpressure, memory, waiting, lost      *prometheus.Desc
	waitingForMemory, separators                     *prometheus.Desc
	waitingForRate, rateLimited                      *prometheus.Desc
}

func newCollector(stats func() Stats, shards []room) *collector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("ringtail_"+name, help, labels, nil)
	}
	return &collector{
		stats:            stats,
		shards:           shards,
		received:         desc("records_received_total", "Records taken, by shard.", "shard"),
		rejected:         desc("records_rejected_total", "Records rejected, by reason.", "reason"),
		bytes:            desc("bytes_received_total", "Bytes read from clients."),
		separators:       desc("separators_total", "Bytes skipped between records in text: commas, NULs, RSs, brackets around."),
		open:             desc("connections", "Connections open, those that wait for their last acks included."),
		opened:           desc("connections_opened_total", "Connections accepted."),
		refused:          desc("connections_refused_total", "Connections closed before they could send a record, by reason.", "reason"),
		closed:           desc("connections_closed_total", "Connections ended, by reason.", "reason"),
		backpressure:     desc("backpressure_seconds_total", "Time during which connections waited for room in the shard's ring.", "shard"),
		memory:           desc("client_memory_bytes", "Memory held of --client-memory."),
		waiting:          desc("connections_waiting", "Connections not read now: they wait for room, memory, their rate, or their own reading of acks."),
		waitingForMemory: desc("connections_waiting_for_memory", "Of these, those whose unfinished record does not fit into --client-memory."),
		waitingForRate:   desc("connections_waiting_for_rate", "Of these, those that have sent faster than --max-rate-per-ip or --max-rate-per-connection."),
		rateLimited:      desc("rate_limited_seconds_total", "Time during which at least one connection waited for its rate."),
		lost:             desc("records_lost_total", "Records taken that found no room before the drain time ended."),
	}
}

func (k *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{k.received, k.rejected, k.bytes, k.open, k.opened, k.refused,
		k.closed, k.backpressure, k.memory, k.waiting, k.waitingForMemory, k.lost, k.separators, k.waitingForRate, k.rateLimited} {
		ch <- d
	}
}

func (k *collector) Collect(ch chan<- prometheus.Metric) {
	st := k.stats()
	count := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
	}
	gauge := func(d *prometheus.Desc, v float64) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v)
	}
	for i, n := range st.Routed {
		shard := strconv.Itoa(i)
		count(k.received, float64(n), shard)
		count(k.backpressure, k.shards[i].wait(0).Seconds(), shard)
	}
	for r := codec.OK + 1; int(r) < codec.NumReasons; r++ {
		count(k.rejected, float64(st.Rejected[r.String()]), r.String())
	}
	for reason, n := range st.Refused {
		count(k.refused, float64(n), reason)
	}
	for reason, n := range st.Closed {
		count(k.closed, float64(n), reason)
	}
	count(k.bytes, float64(st.Bytes))
	count(k.separators, float64(st.Separators))
	count(k.opened, float64(st.Opened))
	count(k.lost, float64(st.Lost))
	gauge(k.open, float64(st.Connections))
	gauge(k.memory, float64(st.ClientMemory))
	gauge(k.waiting, float64(st.Waiting))
	gauge(k.waitingForMemory, float64(st.WaitingForMemory))
	gauge(k.waitingForRate, float64(st.WaitingForRate))
	count(k.rateLimited, st.RateLimited)
}
