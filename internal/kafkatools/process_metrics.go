package kafkatools

import (
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
	"github.com/prometheus/client_golang/prometheus"
)

// watched is what others may know of a processing while it runs. It counts what is committed.
type watched struct {
	o                             ProcessOptions
	losses                        *losses
	consumer                      *kafka.Consumer // not closed before /metrics is
	written, skipped, deadLetters atomic.Int64

	mu        sync.Mutex
	committed map[int32]int64 // of the partitions that are ours
}

var processedDesc = prometheus.NewDesc("ringtail_process_records_total",
	"Records of --from that have been processed: written to --to, skipped, or dead_lettered.", []string{"topic", "group", "to", "result"}, nil)

// stand notes what is committed now.
func (w *watched) stand(places map[int32]*place) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.committed = map[int32]int64{}
	for id, pl := range places {
		w.committed[id] = pl.committed
	}
}

// Describe is for Prometheus.
func (w *watched) Describe(ch chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{lagDesc, readDesc, goneDesc, rewoundDesc, processedDesc} {
		ch <- desc
	}
}

// Collect is called for every scrape. The lag is to what is committed.
func (w *watched) Collect(ch chan<- prometheus.Metric) {
	w.mu.Lock()
	committed := w.committed // replaced, never changed
	w.mu.Unlock()
	for id, at := range committed {
		first, end, err := w.consumer.GetWatermarkOffsets(w.o.From, id) // as the last answer said
		if err == nil && end >= 0 {
			lag := max(0, end-max(at, first, 0))
			ch <- prometheus.MustNewConstMetric(lagDesc, prometheus.GaugeValue, float64(lag), w.o.From, strconv.Itoa(int(id)), w.o.Group)
		}
	}
	count := func(desc *prometheus.Desc, n int64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(n), append([]string{w.o.From, w.o.Group}, labels...)...)
	}
	written, skipped, deadLetters := w.written.Load(), w.skipped.Load(), w.deadLetters.Load()
	count(readDesc, written+skipped+deadLetters)
	count(goneDesc, w.losses.gone.Load())
	count(rewoundDesc, w.losses.rewound.Load())
	count(processedDesc, written, w.o.To, "written")
	count(processedDesc, skipped, w.o.To, "skipped")
	count(processedDesc, deadLetters, w.o.To, "dead_lettered")
}
