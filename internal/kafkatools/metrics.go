package kafkatools

import (
	"fmt"
	"log"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/ringtail/ringtail/internal/config"
	"github.com/ringtail/ringtail/internal/httpd"
	"github.com/ringtail/ringtail/internal/reload"
	"github.com/ringtail/ringtail/internal/tokens"
)

var (
	lagDesc = prometheus.NewDesc("ringtail_consumer_lag",
		"Records between the last one shown and the partition's end, of each partition that this consumer has.",
		[]string{"topic", "partition", "group"}, nil)
	readDesc = prometheus.NewDesc("ringtail_consumer_records_total",
		"Records shown or counted.", []string{"topic", "group"}, nil)
	uncountedDesc = prometheus.NewDesc("ringtail_consumer_uncounted_total",
		"Records that --count-by could not count: no JSON object, or without the field.", []string{"topic", "group"}, nil)
	goneDesc = prometheus.NewDesc("ringtail_consumer_gone_total",
		"Records that retention had removed before they were read.", []string{"topic", "group"}, nil)
	rewoundDesc = prometheus.NewDesc("ringtail_consumer_rewound_total",
		"Positions that were behind the end of their partition, since the topic was truncated or made again.", []string{"topic", "group"}, nil)
)

// Describe is for Prometheus.
func (s *standing) Describe(ch chan<- *prometheus.Desc) {
	ch <- lagDesc
	ch <- readDesc
	ch <- uncountedDesc
	ch <- goneDesc
	ch <- rewoundDesc
}

// Collect is called for every scrape.
func (s *standing) Collect(ch chan<- prometheus.Metric) {
	for partition, lag := range s.lags() {
		ch <- prometheus.MustNewConstMetric(lagDesc, prometheus.GaugeValue, float64(lag), partition.topic, strconv.Itoa(int(partition.id)), s.group)
	}
	for _, t := range s.topics {
		for desc, n := range map[*prometheus.Desc]*atomic.Int64{
			readDesc: &t.read, uncountedDesc: &t.uncounted, goneDesc: &t.losses.gone, rewoundDesc: &t.losses.rewound,
		} {
			ch <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(n.Load()), t.name, s.group)
		}
	}
}

// MetricsOptions are the flags of verbs that can be watched.
type MetricsOptions struct {
	Metrics          string `placeholder:"HOST:PORT" help:"Serve Prometheus metrics there, at /metrics: records read, and the lag of each partition."`
	MetricsTokenFile string `placeholder:"FILE" help:"--metrics wants one of this file's tokens: token or name:token, one a line. Read again when it changes."`
}

// expose serves what is collected at /metrics, if --metrics is given, to those who have a token if
// there is a file of them, until the returned function is called.
func (o MetricsOptions) expose(c prometheus.Collector, to Streams) (stop func(), err error) {
	address, tokenFile := o.Metrics, o.MetricsTokenFile
	switch {
	case address == "" && tokenFile != "":
		return nil, config.Usagef("--metrics-token-file belongs to --metrics")
	case address == "":
		return func() {}, nil
	}
	if _, _, err := net.SplitHostPort(address); err != nil {
		return nil, config.Usagef("--metrics is %q; want HOST:PORT, like 127.0.0.1:9889", address)
	}
	options := httpd.Options{Address: address, HostFlag: "--metrics NAME:PORT", ErrorLog: log.New(to.Err, "ringtail: ", 0)}
	var watched []reload.Looker
	if tokenFile != "" {
		options.Tokens, err = tokens.Open("--metrics-token-file", tokenFile, func(_ *tokens.Set, err error) {
			if err != nil {
				to.say("%v; the tokens before it stay in use", err)
			}
		})
		if err != nil {
			return nil, config.Usagef("%w", err)
		}
		watched = append(watched, options.Tokens)
	}
	reg := prometheus.NewRegistry()
	if err := reg.Register(c); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{}))
	srv, err := httpd.Serve(options, mux)
	if err != nil {
		return nil, fmt.Errorf("--metrics %s: %w", address, err)
	}
	to.say("metrics at %s/metrics", srv.URL())
	unwatch := reload.Watch(watched...)
	return func() { srv.Close(); unwatch() }, nil
}
