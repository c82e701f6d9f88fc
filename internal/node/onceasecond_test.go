package node

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// TestOnceASecond: it asks once a second, and says what it heard in between.
func TestOnceASecond(t *testing.T) {
	asked, now := 0, time.Now()
	desc := prometheus.NewDesc("asked", "", nil, nil)
	o := &onceASecond{now: func() time.Time { return now }, of: prometheus.CollectorFunc(func(ch chan<- prometheus.Metric) {
		asked++
		ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, float64(asked))
	})}
	r := prometheus.NewRegistry()
	r.MustRegister(o)
	asked = 0 // a CollectorFunc is asked what it describes
	for i, step := range []struct {
		after time.Duration
		want  int
	}{{0, 1}, {0, 1}, {999 * time.Millisecond, 1}, {time.Millisecond, 2}, {time.Second, 3}} {
		now = now.Add(step.after)
		if got, err := r.Gather(); err != nil || len(got) != 1 || got[0].Metric[0].Gauge.GetValue() != float64(step.want) || asked != step.want {
			t.Errorf("step %d: %v, %v; asked %d times, want %d", i, got, err, asked, step.want)
		}
	}
}
