package node

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// onceASecond is a collector that asks another one once a second, however often it is asked. What the
// kernel and the runtime say of the process costs as much to read as all else of a scrape.
type onceASecond struct {
	of  prometheus.Collector
	now func() time.Time

	mu   sync.Mutex
	next time.Time
	last []prometheus.Metric
}

// Describe is that of the other one.
func (o *onceASecond) Describe(ch chan<- *prometheus.Desc) { o.of.Describe(ch) }

// Collect says what the other one said within this second.
func (o *onceASecond) Collect(ch chan<- prometheus.Metric) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if now := o.now(); !now.Before(o.next) {
		o.next, o.last = now.Add(time.Second), o.last[:0]
		fresh := make(chan prometheus.Metric)
		go func() {
			defer close(fresh)
			o.of.Collect(fresh)
		}()
		for m := range fresh {
			o.last = append(o.last, m)
		}
	}
	for _, m := range o.last {
		ch <- m
	}
}
