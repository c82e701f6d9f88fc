package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// TestDeployedConfig: the file that deploy/ringtail.service starts with is one.
func TestDeployedConfig(t *testing.T) {
	if out := must(t, "check", "--config", "../../deploy/ringtail.yaml"); out != "ok\n" {
		t.Errorf("check says %q", out)
	}
	unit, err := os.ReadFile("../../deploy/ringtail.service")
	if err != nil {
		t.Fatal(err)
	}
	// sonic maps executable memory, and the stop has to outlast the drain.
	if strings.Contains(string(unit), "\nMemoryDenyWriteExecute") || !strings.Contains(string(unit), "\nTimeoutStopSec=45") {
		t.Error("deploy/ringtail.service would kill the server, at its start or in its drain")
	}
}

// TestAlertsNameMetricsThatExist: an alert on a metric or label that is not there
// never fires, and nobody notices.
func TestAlertsNameMetricsThatExist(t *testing.T) {
	s := serve(t, "--sink", "discard", "--ring-bytes", "5MiB")
	_, metrics := get(t, s.admin+"/metrics")
	labels := map[string][]string{} // of each metric
	for _, m := range regexp.MustCompile(`(?m)^(ringtail_\w+)(?:\{(.*)\})? `).FindAllStringSubmatch(metrics, -1) {
		labels[m[1]] = append(labels[m[1]], "instance", "job")
		for _, l := range regexp.MustCompile(`(\w+)="`).FindAllStringSubmatch(m[2], -1) {
			labels[m[1]] = append(labels[m[1]], l[1])
		}
	}
	text, err := os.ReadFile("../../deploy/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr string
				Annotations map[string]string
			}
		}
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Groups) != 1 || len(file.Groups[0].Rules) < 9 {
		t.Fatalf("read %d groups", len(file.Groups))
	}
	for _, rule := range file.Groups[0].Rules {
		var known []string
		for _, name := range regexp.MustCompile(`ringtail_\w+`).FindAllString(rule.Expr, -1) {
			if labels[name] == nil {
				t.Errorf("%s: there is no metric %s", rule.Alert, name)
			}
			known = append(known, labels[name]...)
		}
		for _, l := range regexp.MustCompile(`\$labels\.(\w+)`).FindAllStringSubmatch(rule.Annotations["summary"], -1) {
			if l[1] != "instance" && !slices.Contains(known, l[1]) {
				t.Errorf("%s: its metrics have no label %s", rule.Alert, l[1])
			}
		}
	}
}
