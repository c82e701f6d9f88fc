package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// alert is a rule of deploy/alerts.yml.
type alert struct {
	Alert, Expr         string
	Labels, Annotations map[string]string
}

func alerts(t *testing.T) []alert {
	t.Helper()
	text, err := os.ReadFile("../../deploy/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Groups []struct{ Rules []alert } }
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	var all []alert
	for _, group := range file.Groups {
		all = append(all, group.Rules...)
	}
	if len(all) < 15 {
		t.Fatalf("read %d rules", len(all))
	}
	return all
}

// runbook is where the paragraphs of the alerts are, for who has only the alert.
const runbook = "https://github.com/ringtail/ringtail/blob/main/docs/OPERATING.md#"

// TestAlertsSayWhatToDo: an alert has what Alertmanager routes it by, one line that says what is
// wrong and where, and a paragraph of its name that says what to do first. There is no paragraph
// for an alert that is gone.
func TestAlertsSayWhatToDo(t *testing.T) {
	_, section, found := strings.Cut(contents(t, "../../docs/OPERATING.md"), "\n## Alerts\n")
	if !found {
		t.Fatal("docs/OPERATING.md has no section Alerts")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	paragraphs := map[string]string{}
	for _, p := range strings.Split(section, "\n### ")[1:] {
		name, text, _ := strings.Cut(p, "\n")
		paragraphs[name] = text
	}
	names := map[string]bool{}
	for _, a := range alerts(t) {
		if names[a.Alert] {
			t.Errorf("there are two %s", a.Alert)
		}
		names[a.Alert] = true
		if s := a.Labels["severity"]; s != "critical" && s != "warning" {
			t.Errorf("%s has the severity %q", a.Alert, s)
		}
		if s := a.Annotations["summary"]; s == "" || strings.Contains(s, "\n") || !strings.Contains(s, "{{ $labels.") {
			t.Errorf("the summary of %s does not say where: %q", a.Alert, s)
		}
		if url := a.Annotations["runbook_url"]; url != runbook+strings.ToLower(a.Alert) {
			t.Errorf("%s has the runbook_url %s", a.Alert, url)
		}
		if first := regexp.MustCompile(`(?s)\n\n\*\*First\*\*: .{40}`); !first.MatchString(paragraphs[a.Alert]) {
			t.Errorf("docs/OPERATING.md does not say what to do first at %s", a.Alert)
		}
	}
	for name := range paragraphs {
		if !names[name] {
			t.Errorf("docs/OPERATING.md has a paragraph for %s, which is no alert", name)
		}
	}
}

// alertRules are the alerts' expressions.
func alertRules(t *testing.T) []expression {
	t.Helper()
	var all []expression
	for _, a := range alerts(t) {
		all = append(all, expression{a.Alert, a.Expr, a.Annotations["summary"]})
	}
	return all
}
