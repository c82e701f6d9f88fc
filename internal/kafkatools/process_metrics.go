package kafkatools

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// watched is what others may know of a processing while it runs. It counts what is committed.
type watched struct {
	o                             ProcessOptions
	losses                        *losses
	consumer                      *kgo.Client // not closed before /metrics is
	written, skipped, deadLetters atomic.Int64

	mu        sync.Mutex
	committed map[int32]int64 // of the partitions that are ours; negative: nothing
}

var processedDesc = prometheus.NewDesc("ringtail_process_records_total",
	"Records of --from that have been processed: written to --to, skipped, or dead_lettered.", []string{"topic", "group", "to", "result"}, nil)

// stand notes what is committed now.
func (w *watched) stand(committed map[int32]int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.committed == nil {
		w.committed = map[int32]int64{}
	}
	maps.Copy(w.committed, committed)
}

// given notes partitions that the group gives, and what it has committed. That may be an epoch, too,
// by which franz-go would find out what was lost, and say it in its way.
func (w *watched) given(_ context.Context, offsets map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
	committed := map[int32]int64{}
	for partition, at := range offsets[w.o.From] {
		committed[partition] = at.EpochOffset().Offset
		offsets[w.o.From][partition] = at.WithEpoch(-1)
	}
	w.stand(committed)
	return offsets, nil
}

// taken notes what the group takes.
func (w *watched) taken(_ context.Context, _ *kgo.Client, taken map[string][]int32) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, partition := range taken[w.o.From] {
		delete(w.committed, partition)
	}
}

// stands are copies.
func (w *watched) stands() map[int32]int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.committed)
}

// mine are the partitions that are ours.
func (w *watched) mine() []int32 { return slices.Collect(maps.Keys(w.stands())) }

// Describe is for Prometheus.
func (w *watched) Describe(ch chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{lagDesc, readDesc, goneDesc, rewoundDesc, processedDesc} {
		ch <- desc
	}
}

// scrapeLimit is how long brokers may take to say where partitions end.
const scrapeLimit = 2 * time.Second

// Collect is called for every scrape. The lag is to what is committed.
func (w *watched) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeLimit)
	defer cancel()
	admin := kadm.NewClient(w.consumer)
	first, _ := admin.ListStartOffsets(ctx, w.o.From) // where brokers do not tell, there is no lag
	end, _ := admin.ListEndOffsets(ctx, w.o.From)
	for id, at := range w.stands() {
		from, known := first.Lookup(w.o.From, id)
		if to, ok := end.Lookup(w.o.From, id); ok && known && cmp.Or(from.Err, to.Err) == nil {
			lag := max(0, to.Offset-max(at, from.Offset))
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
