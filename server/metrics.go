package server

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

// collector makes the server's metrics of its counters when Prometheus asks: event loops never
// touch Prometheus.
type collector struct {
	server                                           *Server
	received, rejected, bytes, open, opened, refused *prometheus.Desc
	closed, backpressure, memory, waiting, lost      *prometheus.Desc
	waitingForMemory, separators                     *prometheus.Desc
	waitingForRate, rateLimited, most                *prometheus.Desc
	byListener                                       listenerDescs
}

// listenerDescs are of the metrics that have a listener's label.
type listenerDescs struct{ open, opened, refused, closed, received, bytes, rejected *prometheus.Desc }

func newCollector(s *Server) *collector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("ringtail_"+name, help, labels, nil)
	}
	return &collector{
		server:           s,
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
		lost:             desc("records_lost_total", "Records taken that are neither in Kafka nor kept, because a stop ran out of time: it counts them at its end."),
		most:             desc("connections_max", "Connections that may be open at a time: --max-connections, or what the descriptor limit allows."),
		byListener: listenerDescs{
			open:     desc("listener_connections", "Connections open, by listener.", "listener"),
			opened:   desc("listener_connections_opened_total", "Connections accepted, by listener.", "listener"),
			refused:  desc("listener_connections_refused_total", "Connections closed before they could send a record, by listener and reason.", "listener", "reason"),
			closed:   desc("listener_connections_closed_total", "Connections ended, by listener and reason.", "listener", "reason"),
			received: desc("listener_records_received_total", "Records taken or rejected, by listener.", "listener"),
			bytes:    desc("listener_bytes_received_total", "Bytes read from clients, by listener.", "listener"),
			rejected: desc("listener_records_rejected_total", "Records rejected, by listener and reason; refused_by_kafka where the connection was still known.", "listener", "reason"),
		},
	}
}

func (k *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{k.received, k.rejected, k.bytes, k.open, k.opened, k.refused,
		k.closed, k.backpressure, k.memory, k.waiting, k.waitingForMemory, k.lost, k.separators, k.waitingForRate, k.rateLimited, k.most,
		k.byListener.open, k.byListener.opened, k.byListener.refused, k.byListener.closed, k.byListener.received,
		k.byListener.bytes, k.byListener.rejected} {
		ch <- d
	}
}

func (k *collector) Collect(ch chan<- prometheus.Metric) {
	st := k.server.Stats()
	count := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	byReason := func(d *prometheus.Desc, counts map[string]uint64, labels ...string) {
		for reason, n := range counts {
			count(d, float64(n), append(labels, reason)...)
		}
	}
	for i, n := range st.Routed {
		shard := strconv.Itoa(i)
		count(k.received, float64(n), shard)
		count(k.backpressure, k.server.env.rooms[i].wait(0).Seconds(), shard)
	}
	byReason(k.rejected, st.Rejected)
	byReason(k.refused, st.Refused)
	byReason(k.closed, st.Closed)
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
	gauge(k.most, float64(st.ConnectionsMax))
	for _, l := range k.server.Listeners() {
		gauge(k.byListener.open, float64(l.Connections), l.Listener)
		count(k.byListener.opened, float64(l.Opened), l.Listener)
		count(k.byListener.received, float64(l.Records), l.Listener)
		count(k.byListener.bytes, float64(l.Bytes), l.Listener)
		byReason(k.byListener.refused, l.Refused, l.Listener)
		byReason(k.byListener.closed, l.Closed, l.Listener)
		byReason(k.byListener.rejected, l.Rejected, l.Listener)
	}
}
