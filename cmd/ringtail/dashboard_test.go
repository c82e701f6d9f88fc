package main

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// panel is one of deploy/grafana/dashboards/ringtail.json.
type panel struct {
	ID          int
	Type, Title string
	Targets     []struct{ Expr, LegendFormat string }
	FieldConfig struct {
		Defaults struct {
			Unit       string
			Thresholds struct {
				Steps []struct{ Color string }
			}
		}
	}
}

type grafana struct {
	Panels     []panel
	Templating struct {
		List []struct{ Name, Type, Definition string }
	}
}

func readDashboard(t *testing.T) grafana {
	t.Helper()
	var file grafana
	if err := json.Unmarshal([]byte(contents(t, "../../deploy/grafana/dashboards/ringtail.json")), &file); err != nil {
		t.Fatal(err)
	}
	return file
}

// labelValues is how a variable of the dashboard gets its values.
var labelValues = regexp.MustCompile(`^label_values\((.*), (\w+)\)$`)

// dashboard are the expressions of its panels and variables, with Grafana's own filled in.
func dashboard(t *testing.T) []expression {
	t.Helper()
	filled := strings.NewReplacer("$__rate_interval", "1m", "$instance", ".*", "$job", "ringtail")
	file := readDashboard(t)
	var all []expression
	for _, p := range file.Panels {
		for _, target := range p.Targets {
			// Legends name labels as annotations do, without the dollar.
			all = append(all, expression{p.Title, filled.Replace(target.Expr), strings.ReplaceAll(target.LegendFormat, "{{", "$labels.")})
		}
	}
	for _, v := range file.Templating.List {
		if m := labelValues.FindStringSubmatch(v.Definition); m != nil {
			all = append(all, expression{"the variable " + v.Name, "count by (" + m[2] + ") (" + filled.Replace(m[1]) + ")", ""})
		}
	}
	if len(all) < 40 {
		t.Fatalf("read %d expressions", len(all))
	}
	return all
}

// TestDashboard: what is wrong comes first; servers are chosen by job and instance; records a second
// are called that; and a figure that can be bad has a color for it.
func TestDashboard(t *testing.T) {
	file := readDashboard(t)
	if first := file.Panels[0]; first.Type != "row" || first.Title != "State" {
		t.Errorf("the first row is %q", first.Title)
	}
	var names []string
	for _, v := range file.Templating.List {
		names = append(names, v.Name)
		if v.Type == "query" && !labelValues.MatchString(v.Definition) {
			t.Errorf("the variable %s is %q", v.Name, v.Definition)
		}
	}
	if !slices.Equal(names, []string{"datasource", "job", "instance"}) {
		t.Errorf("the variables are %q", names)
	}
	ids := map[int]bool{}
	selector := regexp.MustCompile(`(?:ringtail|process)_\w+(\{[^}]*\})?`)
	noState := []string{"Received", "Pushed to Kafka", "Version", "Verdict"} // each is right as it is, or colored by its words
	for _, p := range file.Panels {
		if ids[p.ID] {
			t.Errorf("%s has the id of another panel", p.Title)
		}
		ids[p.ID] = true
		if p.Type == "stat" && len(p.FieldConfig.Defaults.Thresholds.Steps) < 2 && !slices.Contains(noState, p.Title) {
			t.Errorf("%s has no threshold", p.Title)
		}
		for _, target := range p.Targets {
			for _, s := range selector.FindAllStringSubmatch(target.Expr, -1) {
				server := !strings.HasPrefix(s[0], "ringtail_consumer_") && !strings.HasPrefix(s[0], "ringtail_process")
				if server && !strings.HasPrefix(s[1], `{job=~"$job",instance=~"$instance"`) {
					t.Errorf("%s is not of the servers that were chosen: %s", p.Title, s[0])
				}
			}
			perSecond := strings.Contains(target.Expr, "rate(ringtail_records_") || strings.Contains(target.Expr, "_records_received_total")
			if perSecond && p.FieldConfig.Defaults.Unit != "recps" {
				t.Errorf("%s shows records a second as %s", p.Title, p.FieldConfig.Defaults.Unit)
			}
		}
	}
}
