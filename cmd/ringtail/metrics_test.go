package main

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

const metricsDocument = "../../docs/METRICS.md"

// metricsHead begins the document, which is not edited by hand.
const metricsHead = `# Metrics

What ` + "`/metrics`" + ` has. Written by ` + "`go generate ./cmd/ringtail`" + ` from a running server and running
tools; a test compares. The last column names what in ` + "`deploy/alerts.yml`" + ` looks at a metric;
[OPERATING.md](OPERATING.md#alerts) says what to do then.

| to be asked | of |
|---|---|
| records a second, in and out | ` + "`sum(rate(ringtail_records_received_total[1m]))`, `sum(rate(ringtail_records_delivered_total[1m]))`" + ` |
| is anything wrong, and what | ` + "`ringtail_verdict == 1`" + ` |
| how late are records | ` + "`histogram_quantile(0.99, sum by (le) (rate(ringtail_delivery_seconds_bucket[5m])))`" + ` |
| what is stuck, and since when | ` + "`ringtail_oldest_record_seconds > 1`" + ` |
| when do clients stand still | ` + "`min(ringtail_rings_full_seconds)`" + ` |
| whose fault are rejects | ` + "`sum by (listener, reason) (rate(ringtail_listener_records_rejected_total[5m])) > 0`" + ` |

Counts begin with the process. A label with a closed set of values has all of them from the start;
no client can make one up.
`

// families are what is exposed at an address.
func families(t *testing.T, url string) map[string]*dto.MetricFamily {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	all, err := parser.TextToMetricFamilies(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// processing are the metrics of a process that has read something.
func processing(t *testing.T, brokers string) (all map[string]*dto.MetricFamily) {
	t.Helper()
	must(t, "topics", "create", "numbers", "--partitions", "1", "--brokers", brokers)
	c := start(t, "", "process", "--from", "records", "--to", "numbers", "--group", "workers", "--expr", "{number: number}", "--metrics", "127.0.0.1:0", "--brokers", brokers)
	until(t, "it has committed", func() bool {
		_, url, told := strings.Cut(c.err.String(), "metrics at ")
		if !told || !strings.Contains(url, "\n") {
			return false
		}
		url, _, _ = strings.Cut(url, "\n")
		all = families(t, url)
		return all["ringtail_consumer_lag"] != nil
	})
	if code := c.terminate(); code != 0 {
		t.Errorf("process: exit %d: %s", code, c.err.String())
	}
	return all
}

// TestMetricsDocument: docs/METRICS.md has every metric with its type, labels and meaning.
func TestMetricsDocument(t *testing.T) {
	w := watch(t)
	server := families(t, w.urls[0])
	everythingExposed(t, w.server.metrics, server)
	d := document{t: t, sets: map[string][]string{}, alerts: alertRules(t)}
	d.WriteString(metricsHead)
	for _, name := range regexp.MustCompile(`ringtail_\w+`).FindAllString(metricsHead, -1) {
		if server[strings.TrimSuffix(name, "_bucket")] == nil {
			t.Errorf("the head of docs/METRICS.md asks for %s, which nothing exposes", name)
		}
	}
	d.section("serve", "At `--admin`, `http://127.0.0.1:9888/metrics`.", server)
	d.section("consume --metrics", "At the address of `--metrics`.", families(t, w.urls[1]))
	d.section("process --metrics", "At the address of `--metrics`. What is committed counts.", processing(t, w.server.brokers))
	d.labels()
	compare(t, metricsDocument, d.String())
}

var fqName = regexp.MustCompile(`fqName: "(\w+)"`)

// everythingExposed fails where a metric is described and has no sample: the document would not have
// it, nor would an alert on it ever fire.
func everythingExposed(t *testing.T, reg *prometheus.Registry, exposed map[string]*dto.MetricFamily) {
	t.Helper()
	descs := make(chan *prometheus.Desc)
	go func() {
		reg.Describe(descs)
		close(descs)
	}()
	n := 0
	for d := range descs {
		name := fqName.FindStringSubmatch(d.String())
		if n++; name == nil || exposed[name[1]] == nil {
			t.Errorf("described and not exposed: %s", d)
		}
	}
	if n < 50 {
		t.Errorf("only %d metrics are described", n)
	}
}

// document is docs/METRICS.md.
type document struct {
	strings.Builder
	t      *testing.T
	sets   map[string][]string // the metrics of a row of the table of labels
	alerts []expression
}

// goMetrics are those of the Go runtime. Which there are depends on its version.
var goMetrics = regexp.MustCompile(`^go_`)

func (d *document) section(title, where string, all map[string]*dto.MetricFamily) {
	fmt.Fprintf(d, "\n## %s\n\n%s\n\n| metric | type | labels | what | alert |\n|---|---|---|---|---|\n", title, where)
	runtime := false
	for _, name := range slices.Sorted(maps.Keys(all)) {
		f := all[name]
		if goMetrics.MatchString(name) {
			runtime = true
			continue
		}
		if f.GetHelp() == "" {
			d.t.Errorf("%s says nothing of what it is", name)
		}
		kind := strings.ToLower(f.GetType().String())
		help := strings.ReplaceAll(f.GetHelp(), "|", "\\|")
		fmt.Fprintf(d, "| `%s` | %s | %s | %s | %s |\n", name, kind, strings.Join(d.labelsOf(name, f), ", "), help, d.alertsOn(name, f.GetType()))
	}
	if runtime {
		fmt.Fprintf(d, "| `go_…` | | | The Go runtime's, as Prometheus' client for Go has them. | |\n")
	}
}

// labelsOf are a metric's labels. It notes which values each has.
func (d *document) labelsOf(name string, f *dto.MetricFamily) []string {
	values := map[string]map[string]bool{}
	for _, m := range f.GetMetric() {
		for _, l := range m.GetLabel() {
			if values[l.GetName()] == nil {
				values[l.GetName()] = map[string]bool{}
			}
			values[l.GetName()][l.GetValue()] = true
		}
	}
	labels := slices.Sorted(maps.Keys(values))
	for _, l := range labels {
		row := "| `" + l + "` | " + openLabels[l] + " |"
		if openLabels[l] == "" {
			row = d.closed(name, l, slices.Sorted(maps.Keys(values[l])))
		}
		if !slices.Contains(d.sets[row], "`"+name+"`") {
			d.sets[row] = append(d.sets[row], "`"+name+"`")
		}
	}
	for i := range labels {
		labels[i] = "`" + labels[i] + "`"
	}
	return labels
}

// closed is the row of a label with a closed set of values, each with its meaning.
func (d *document) closed(metric, label string, values []string) string {
	for _, set := range closedLabels {
		if slices.Equal(values, slices.Sorted(maps.Keys(set))) {
			text := make([]string, len(values))
			for i, v := range values {
				text[i] = fmt.Sprintf("`%s`: %s", v, set[v])
			}
			return "| `" + label + "` | " + strings.Join(text, ";<br>") + " |"
		}
	}
	d.t.Errorf("%s has the label %s with the values %q: say in metricslabels_test.go what each means, or why they are no closed set", metric, label, values)
	return ""
}

// alertsOn names the alerts that look at a metric.
func (d *document) alertsOn(name string, kind dto.MetricType) string {
	var on []string
	for _, a := range d.alerts {
		metrics, _ := a.names()
		if slices.ContainsFunc(metrics, func(m string) bool {
			return m == name || kind == dto.MetricType_HISTOGRAM && m == name+"_bucket"
		}) {
			on = append(on, a.where)
		}
	}
	return strings.Join(on, ", ")
}

func (d *document) labels() {
	d.WriteString("\n## Labels\n\n| label | values | of |\n|---|---|---|\n")
	for _, row := range slices.Sorted(maps.Keys(d.sets)) {
		fmt.Fprintf(d, "%s %s |\n", row, strings.Join(d.sets[row], ", "))
	}
}
