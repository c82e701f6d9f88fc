package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ringtail/ringtail/internal/kafkatest"
)

// scraper is a real Prometheus, which scrapes what it is told to every second.
type scraper struct {
	t       *testing.T
	address string
}

// startPrometheus runs Prometheus with deploy/prometheus.yml, but for the addresses,
// the times, and what else is given: old text, new text.
func startPrometheus(t *testing.T, addresses [2]string, instead map[string]string) *scraper {
	t.Helper()
	text, err := os.ReadFile("../../deploy/prometheus.yml")
	if err != nil {
		t.Fatal(err)
	}
	rules, err := filepath.Abs("../../deploy/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	config := string(text)
	changes := map[string]string{
		"127.0.0.1:9888": addresses[0], "127.0.0.1:9889": addresses[1], "alerts.yml": rules, ": 15s": ": 1s",
	}
	maps.Copy(changes, instead)
	for from, to := range changes {
		if !strings.Contains(config, from) {
			t.Fatalf("deploy/prometheus.yml has no %s", from)
		}
		config = strings.ReplaceAll(config, from, to)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	p := &scraper{t: t, address: fmt.Sprintf("127.0.0.1:%d", kafkatest.ReservePorts(t, 1))}
	log := &output{}
	cmd := exec.Command("prometheus", "--config.file="+file, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+p.address)
	cmd.Stdout, cmd.Stderr = log, log
	if err := kafkatest.Spawn(cmd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("prometheus said\n%s", log)
		}
	})
	return p
}

// ask calls Prometheus's API; ok is false while it does not answer well.
func (p *scraper) ask(path string, data any) (ok bool, cause string) {
	p.t.Helper()
	r, err := http.Get("http://" + p.address + "/api/v1/" + path)
	if err != nil {
		return false, err.Error()
	}
	defer func() { _ = r.Body.Close() }()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return false, err.Error()
	}
	var answer struct {
		Status, Error string
		Data          json.RawMessage
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return false, string(body)
	}
	if answer.Status != "success" {
		return false, answer.Error
	}
	if err := json.Unmarshal(answer.Data, data); err != nil {
		p.t.Fatalf("%s: %v in %s", path, err, answer.Data)
	}
	return true, ""
}

// query evaluates an expression: the values, by their labels as JSON.
func (p *scraper) query(expr string) (values map[string]string, cause string) {
	var data struct {
		Result []struct {
			Metric json.RawMessage
			Value  [2]any
		}
	}
	ok, cause := p.ask("query?query="+url.QueryEscape(expr), &data)
	if !ok {
		return nil, cause
	}
	values = map[string]string{}
	for _, r := range data.Result {
		values[string(r.Metric)], _ = r.Value[1].(string)
	}
	return values, ""
}

// states are those of the alerts that are pending or firing; nil while it does not say.
func (p *scraper) states() map[string]string {
	var data struct {
		Alerts []struct {
			Labels map[string]string
			State  string
		}
	}
	if ok, _ := p.ask("alerts", &data); !ok {
		return nil
	}
	states := map[string]string{}
	for _, a := range data.Alerts {
		states[a.Labels["alertname"]] = a.State
	}
	return states
}

// TestPrometheusWithAToken: what deploy/prometheus.yml has as comments is what a Prometheus needs for
// an admin port that wants a token and speaks HTTPS.
func TestPrometheusWithAToken(t *testing.T) {
	cert, key := kafkatest.KeyPair(t)
	tokens := filepath.Join(t.TempDir(), "token")
	overwrite(t, tokens, "s3cret\n") // one file for both: a token alone is what either takes
	s := serve(t, "--sink", "discard", "--admin-token-file", tokens, "--admin-tls-cert", cert, "--admin-tls-key", key)
	p := startPrometheus(t, [2]string{strings.TrimPrefix(s.admin, "https://"), closedPort(t)}, map[string]string{
		"# authorization:": "authorization:", "/etc/prometheus/ringtail.token": tokens,
		"# scheme:": "scheme:", "# tls_config:": "tls_config:", "/etc/prometheus/ringtail-ca.pem": cert,
	})
	until(t, "Prometheus has scraped the server", func() bool {
		values, _ := p.query(`sum(up{job="ringtail"})`)
		return values["{}"] == "1"
	})
	if code := s.terminate(); code != 0 {
		t.Errorf("exit %d: %s", code, s.err.String())
	}
}
