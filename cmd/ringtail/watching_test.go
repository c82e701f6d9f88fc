package main

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/ringtail/ringtail/internal/kafkatest"
)

// watched are a server that takes records and a consumer in a group that reads them.
type watched struct {
	server    *server
	consumer  *command
	addresses [2]string           // host:port of the metrics of both
	urls      [2]string           // where these are
	labels    map[string][]string // of each metric that is exposed
}

const sent = 500

func watch(t *testing.T) *watched {
	t.Helper()
	cert, key := kafkatest.KeyPair(t)
	w := &watched{server: embedded(t, "--dead-letter-topic", "dead", "--listen", "tls://127.0.0.1:0", "--tls-cert", cert, "--tls-key", key)}
	must(t, "produce", "--to", w.server.listen[0], "--generate", "numbers", "--count", fmt.Sprint(sent))
	w.consumer = start(t, "", "consume", "--brokers", w.server.brokers, "--topic", "records", "--group", "readers", "--from", "beginning", "--metrics", "127.0.0.1:0")
	t.Cleanup(func() {
		select {
		case w.consumer.signals <- syscall.SIGTERM:
		default:
		}
	})
	until(t, "the consumer has read all", func() bool { return strings.Count(w.consumer.out.String(), "\n") == sent })
	line, _, _ := strings.Cut(w.consumer.err.String(), "\n")
	exposed := strings.TrimPrefix(line, "ringtail: metrics at ")
	w.addresses = [2]string{strings.TrimPrefix(w.server.admin, "http://"), strings.TrimSuffix(strings.TrimPrefix(exposed, "http://"), "/metrics")}
	w.labels = map[string][]string{
		"up":     {"job", "instance"},
		"ALERTS": {"alertname", "alertstate"}, // while there is one
	}
	w.urls = [2]string{w.server.admin + "/metrics", exposed}
	for _, address := range w.urls {
		_, text := get(t, address)
		for _, m := range regexp.MustCompile(`(?m)^(\w+)(?:\{(.*)\})? `).FindAllStringSubmatch(text, -1) {
			w.labels[m[1]] = append(w.labels[m[1]], "job", "instance")
			for _, l := range regexp.MustCompile(`(\w+)="`).FindAllStringSubmatch(m[2], -1) {
				w.labels[m[1]] = append(w.labels[m[1]], l[1])
			}
		}
	}
	return w
}

// expression is what asks Prometheus for something, and where it stands.
type expression struct{ where, text, summary string }

var (
	quoted     = regexp.MustCompile(`"[^"]*"`)
	matchers   = regexp.MustCompile(`\{[^}]*\}`)
	durations  = regexp.MustCompile(`\[[^\]]*\]`)
	grouping   = regexp.MustCompile(`\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)`)
	identifier = regexp.MustCompile(`\b[a-zA-Z_][a-zA-Z0-9_:]*\s*\(?`)
	summarized = regexp.MustCompile(`\$labels\.(\w+)`)
	operators  = []string{"and", "or", "unless", "bool", "offset", "by", "on"}
)

// names are the metrics that an expression asks for, and the labels that it uses.
func (e expression) names() (metrics, labels []string) {
	text := quoted.ReplaceAllString(e.text, `""`)
	for _, m := range matchers.FindAllString(text, -1) {
		labels = append(labels, regexp.MustCompile(`\w+`).FindAllString(m, -1)...)
	}
	text = matchers.ReplaceAllString(text, "")
	for _, g := range grouping.FindAllStringSubmatch(text, -1) {
		labels = append(labels, strings.FieldsFunc(g[1], func(r rune) bool { return r == ',' || r == ' ' })...)
	}
	text = durations.ReplaceAllString(grouping.ReplaceAllString(text, ""), "")
	for _, name := range identifier.FindAllString(text, -1) {
		if !strings.HasSuffix(name, "(") && !slices.Contains(operators, strings.TrimSpace(name)) {
			metrics = append(metrics, strings.TrimSpace(name))
		}
	}
	for _, l := range summarized.FindAllStringSubmatch(e.summary, -1) {
		labels = append(labels, l[1])
	}
	return metrics, labels
}

// unknown are the names in an expression that nothing exposes.
func (e expression) unknown(exposed map[string][]string) []string {
	metrics, labels := e.names()
	var wrong, known []string
	for _, m := range metrics {
		if exposed[m] == nil {
			wrong = append(wrong, m)
		}
		known = append(known, exposed[m]...)
	}
	for _, l := range labels {
		if !slices.Contains(known, l) {
			wrong = append(wrong, l)
		}
	}
	if len(metrics) == 0 {
		wrong = append(wrong, "no metric at all")
	}
	return wrong
}

// TestWatchedNamesExist: an alert or a panel on a metric or label that is not there
// shows nothing for ever, and nobody notices.
func TestWatchedNamesExist(t *testing.T) {
	w := watch(t)
	for _, e := range slices.Concat(alertRules(t), dashboard(t)) {
		if wrong := e.unknown(w.labels); len(wrong) > 0 {
			t.Errorf("%s: nothing exposes %v: %s", e.where, wrong, e.text)
		}
	}
	// The tests of the rules are about series that exist, too.
	text, err := os.ReadFile("../../deploy/alerts_test.yml")
	if err != nil {
		t.Fatal(err)
	}
	series := regexp.MustCompile(`series: '([^']*)'`).FindAllStringSubmatch(string(text), -1)
	if len(series) < 40 {
		t.Errorf("found %d series", len(series))
	}
	for _, s := range series {
		if wrong := (expression{text: s[1]}).unknown(w.labels); len(wrong) > 0 {
			t.Errorf("alerts_test.yml: nothing exposes %v: %s", wrong, s[1])
		}
	}
	// What is right passes, and each kind of mistake is seen.
	for text, want := range map[string]string{
		`sum by (shard) (rate(ringtail_records_received_total{instance=~"a|by (x)"}[5m])) > 1e3`:               "",
		`ringtail_ring_used_bytes / on (instance, shard) group_left () ringtail_ring_capacity_bytes offset 5m`: "",
		`rate(ringtail_records_recieved_total[5m])`:                                                            "ringtail_records_recieved_total",
		`ringtail_ring_used_bytes / ringtail_ring_size_bytes`:                                                  "ringtail_ring_size_bytes",
		`sum by (partition) (ringtail_ring_used_bytes)`:                                                        "partition",
		`ringtail_records_rejected_total{cause="bad_json"}`:                                                    "cause",
		`deriv((sum by (topic) (ringtail_consumer_lags))[10m:1m]) > 0`:                                         "ringtail_consumer_lags topic",
		`vector(1)`: "no metric at all",
	} {
		if wrong := strings.Join((expression{text: text}).unknown(w.labels), " "); wrong != want {
			t.Errorf("in %s, %q is said to be wrong, want %q", text, wrong, want)
		}
	}
	if wrong := (expression{text: "up", summary: "{{ $labels.shard }}"}).unknown(w.labels); len(wrong) != 1 {
		t.Errorf("a label that the alert has not: %v", wrong)
	}
}

// tool runs promtool, which `make test` installs.
func tool(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command("promtool", args...).CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func TestRulesByPromtool(t *testing.T) {
	tool(t, "check", "config", "../../deploy/prometheus.yml")
	tool(t, "check", "rules", "../../deploy/alerts.yml")
	tool(t, "test", "rules", "../../deploy/alerts_test.yml")
	tested, err := os.ReadFile("../../deploy/alerts_test.yml")
	if err != nil {
		t.Fatal(err)
	}
	// Each alert has a case in which it fires, and one in which it does not.
	for _, e := range alertRules(t) {
		if !strings.Contains(string(tested), "alertname: "+e.where+"\n        exp_alerts:") || !strings.Contains(string(tested), "alertname: "+e.where+"}") {
			t.Errorf("alerts_test.yml does not test both sides of %s", e.where)
		}
	}
}

// TestPrometheus: a real one scrapes a server and a consumer, each panel of the
// dashboard shows something, each rule is evaluated, and when the consumer ends an
// alert is on its way.
func TestPrometheus(t *testing.T) {
	w := watch(t)
	p := startPrometheus(t, w.addresses, nil)
	until(t, "Prometheus knows what the server has delivered", func() bool {
		values, _ := p.query("sum(ringtail_records_delivered_total)")
		return values["{}"] == fmt.Sprint(sent)
	})
	until(t, "Prometheus knows that the group has no lag", func() bool {
		values, _ := p.query("sum by (topic, group) (ringtail_consumer_lag)")
		return values[`{"group":"readers","topic":"records"}`] == "0"
	})
	for _, e := range dashboard(t) {
		var values map[string]string
		var cause string
		until(t, "the panel "+e.where+" shows something: "+e.text, func() bool {
			values, cause = p.query(e.text)
			if strings.HasPrefix(cause, "invalid parameter") {
				t.Fatalf("the panel %s: %s", e.where, cause)
			}
			return len(values) > 0
		})
	}
	var rules struct {
		Groups []struct {
			Rules []struct{ Name, Health, LastError string }
		}
	}
	until(t, "every rule has been evaluated", func() bool {
		p.ask("rules", &rules)
		n := 0
		for _, g := range rules.Groups {
			for _, r := range g.Rules {
				if r.Health == "err" {
					t.Fatalf("the rule %s: %s", r.Name, r.LastError)
				}
				if r.Health == "ok" {
					n++
				}
			}
		}
		return n == len(alertRules(t))
	})
	until(t, "there is no alert while all is well", func() bool { // a slow machine may miss a scrape
		states := p.states()
		return states != nil && len(states) == 0
	})
	if code := w.consumer.terminate(); code != 0 {
		t.Errorf("the consumer: exit %d: %s", code, w.consumer.err.String())
	}
	want := map[string]string{"RingtailConsumerGone": "pending", "RingtailGroupEmpty": "pending"}
	until(t, "the alerts that the consumer is gone and its group empty are on their way", func() bool {
		return maps.Equal(p.states(), want)
	})
}
