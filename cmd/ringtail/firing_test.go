package main

import (
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ringtail/ringtail/internal/kafkatest"
)

// firing are servers and consumers with real faults, and a Prometheus that watches them by the rules
// of deploy/alerts.yml, in a hurry.
type firing struct {
	t        *testing.T
	p        *scraper
	at       map[string]string // where the metrics of each will be, by a name
	consumer map[string]string // the same of the consumers

	mu     sync.Mutex
	looked time.Time
	seen   map[string][]map[string]string // by alert, the labels with which it has fired
}

// hurry makes of minutes seconds. What the rules ask, and how much of it is too much, stays, but for
// how old the oldest record may be.
var hurry = strings.NewReplacer(
	"[5m]", "[15s]", "[10m:1m]", "[10s:1s]", "_seconds{shard!=\"dead-letter\"} > 60", "_seconds{shard!=\"dead-letter\"} > 3",
	"_seconds{shard=\"dead-letter\"} > 60", "_seconds{shard=\"dead-letter\"} > 3",
)

var waits = regexp.MustCompile(`(?m)^        for: \d+m`)

func startFiring(t *testing.T) *firing {
	t.Helper()
	f := &firing{t: t, at: map[string]string{}, consumer: map[string]string{}, seen: map[string][]map[string]string{}}
	first := kafkatest.ReservePorts(t, 11)
	var addresses [2][]string
	for i, name := range []string{"well", "kafka", "stopping", "starting", "crowded", "rude", "files", "rebuilt", "stuck", "uncounted", "frozen"} {
		of, j := f.at, 0
		if i >= 8 {
			of, j = f.consumer, 1
		}
		of[name] = fmt.Sprint("127.0.0.1:", first+i)
		addresses[j] = append(addresses[j], of[name])
	}
	rules := filepath.Join(t.TempDir(), "hurried.yml")
	overwrite(t, rules, waits.ReplaceAllString(hurry.Replace(contents(t, "../../deploy/alerts.yml")), "        for: 0s"))
	f.p = startPrometheus(t, [2]string{strings.Join(addresses[0], `", "`), strings.Join(addresses[1], `", "`)}, map[string]string{"alerts.yml": rules})
	return f
}

// look notes what fires.
func (f *firing) look() {
	f.mu.Lock()
	again := time.Since(f.looked) < 100*time.Millisecond // Prometheus has other things to do
	if !again {
		f.looked = time.Now()
	}
	f.mu.Unlock()
	if again {
		return
	}
	var data struct {
		Alerts []struct {
			Labels map[string]string
			State  string
		}
	}
	f.p.ask("alerts", &data)
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, a := range data.Alerts {
		known := slices.ContainsFunc(f.seen[a.Labels["alertname"]], func(l map[string]string) bool { return maps.Equal(l, a.Labels) })
		if a.State == "firing" && !known {
			f.seen[a.Labels["alertname"]] = append(f.seen[a.Labels["alertname"]], a.Labels)
		}
	}
}

// fired tells whether an alert has, with these labels among its own: name, value, …
func (f *firing) fired(alert string, labels ...string) bool {
	f.look()
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.ContainsFunc(f.seen[alert], func(l map[string]string) bool {
		for i := 0; i < len(labels); i += 2 {
			if l[labels[i]] != labels[i+1] {
				return false
			}
		}
		return true
	})
}

// fires waits until an alert has.
func (f *firing) fires(t *testing.T, alert string, labels ...string) {
	t.Helper()
	until(t, fmt.Sprint(alert, " fires with ", labels), func() bool { return f.fired(alert, labels...) })
}

// watches waits until Prometheus has scraped an instance twice: what grows from now on is seen to grow.
func (f *firing) watches(t *testing.T, instance string) {
	t.Helper()
	until(t, "Prometheus watches "+instance, func() bool {
		values, _ := f.p.query(fmt.Sprintf(`sum(count_over_time(up{instance=%q}[10m])) and sum(up{instance=%q}) == 1`, instance, instance))
		return len(values) == 1 && values["{}"] != "1"
	})
}

// TestAlertsFire: each alert is raised by a real fault, and none by a server that has none.
func TestAlertsFire(t *testing.T) {
	t.Parallel() // with the others that have a Kafka of their own: most of it is waiting
	f := startFiring(t)
	well := embedded(t, "--admin", f.at["well"])
	t.Run("faults", func(t *testing.T) {
		for name, fault := range map[string]func(*testing.T){
			"a broker dies": f.brokerDies, "no Kafka": f.noKafka, "a crowd": f.crowd, "rude clients": f.rudeClients,
			"ring files": f.ringFiles, "a writer that fails": f.writerFails,
			"a pipe that nobody reads": func(t *testing.T) { f.nobodyReads(t, well) },
			"consumers":                func(t *testing.T) { f.consumers(t, well) },
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				fault(t)
			})
		}
	})
	for _, a := range alerts(t) {
		if len(f.seen[a.Alert]) == 0 {
			t.Errorf("%s has not fired", a.Alert)
		}
		if f.fired(a.Alert, "instance", f.at["well"]) {
			t.Errorf("%s has fired for a server that is well: %v", a.Alert, f.seen[a.Alert])
		}
	}
	if code := well.terminate(); code != 0 {
		t.Errorf("exit %d: %s", code, well.err.String())
	}
}
