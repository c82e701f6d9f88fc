package node

import (
	"cmp"
	"fmt"
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ringtail/ringtail/internal/verdict"
)

// sayVerdict logs the verdict in one line.
func (n *node) sayVerdict() {
	v := n.seen.last.Load().verdict
	n.env.Log.Info("verdict: "+v.Text, "since", v.Since.Format(time.RFC3339), "rings_full_in", fullIn(v.FullIn),
		"waiting", v.Waiting, "connections", v.Connections, "advice", cmp.Or(v.Advice, "none"))
}

// fullIn is when rings are full, for people.
func fullIn(seconds *float64) string {
	if seconds == nil {
		return "never"
	}
	return fmt.Sprintf("%.0f s", math.Ceil(*seconds))
}

// verdictCollector exposes what the last look came to.
type verdictCollector struct{ n *node }

func nodeDesc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("ringtail_"+name, help, labels, nil)
}

var (
	descVerdict  = nodeDesc("verdict", "1 for the state that holds, as in /status; else 0.", "state")
	descReady    = nodeDesc("ready", "1 while records are taken and Kafka can be written to, as /readyz says; else 0.")
	descFull     = nodeDesc("rings_full_seconds", "Until the fullest ring is full at the present rate; +Inf: none fills.")
	descStage    = nodeDesc("stage_seconds_total", "Time of all records in each stage. A second of a thousand records is a thousand.", "stage")
	descWarnings = nodeDesc("warnings_total", "Log lines of level WARN and above.")
)

// Describe is part of prometheus.Collector.
func (c *verdictCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descVerdict, descReady, descFull, descStage, descWarnings} {
		ch <- d
	}
}

// Collect is part of prometheus.Collector.
func (c *verdictCollector) Collect(ch chan<- prometheus.Metric) {
	v := c.n.seen.last.Load()
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	count := func(d *prometheus.Desc, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, value, labels...)
	}
	one := map[bool]float64{true: 1}
	for _, state := range verdict.States {
		gauge(descVerdict, one[state == v.verdict.State], string(state))
	}
	ready, _ := c.n.ready()
	gauge(descReady, one[ready])
	full := math.Inf(1)
	if v.verdict.FullIn != nil {
		full = *v.verdict.FullIn
	}
	gauge(descFull, full)
	for i, name := range verdict.StageNames {
		count(descStage, v.stages[i], name)
	}
	count(descWarnings, float64(c.n.warnings.counted()))
}
