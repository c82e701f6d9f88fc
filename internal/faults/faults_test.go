package faults

import (
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/ringtail/ringtail/internal/e2e"
)

func TestMain(m *testing.M) {
	code := m.Run()
	e2e.RemoveBinary()
	os.Exit(code)
}

// TestFaults runs the quick rows, with new seeds each time. `go run
// ./internal/faults/cmd/faults --row R --seed S` repeats one.
func TestFaults(t *testing.T) {
	var reports []Report
	for _, row := range Rows() {
		if !row.Quick {
			continue
		}
		report, seed := Report{}, rand.Uint64N(1_000_000)
		if !t.Run(row.Name, func(t *testing.T) {
			t.Logf("seed %d: %s", seed, row.Fault)
			Exec(t, row, seed, &report)
		}) {
			report.Failure = "see above"
		}
		reports = append(reports, report)
	}
	var table strings.Builder
	if err := WriteTable(&table, reports); err != nil {
		t.Fatal(err)
	}
	e2e.Report("%s", table.String())
}

func TestRowsHaveNamesOfTheirOwn(t *testing.T) {
	seen := map[string]bool{}
	for _, row := range Rows() {
		if seen[row.Name] || row.Name == "" || row.Fault == "" {
			t.Errorf("row %q: name taken, or nothing said of it", row.Name)
		}
		seen[row.Name] = true
	}
}

// TestRunReportsFailures: a row that fails must not pass for one that ran.
func TestRunReportsFailures(t *testing.T) {
	for name, run := range map[string]func(*Case){
		"fails":        func(c *Case) { c.Fatalf("on purpose") },
		"proves none":  func(c *Case) { c.Proved("kills", 0) },
		"broken check": func(c *Case) { c.Kafka.CreateTopic("", 1, 1, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			if report := Run(Row{Name: name, Kafka: one, Run: run}, 1, t.Output()); report.Failure == "" {
				t.Error("reported as passed")
			}
		})
	}
	if report := Run(Row{Name: "passes", Kafka: one, Run: func(*Case) {}}, 1, t.Output()); report.Failure != "" {
		t.Error(report.Failure)
	}
}
