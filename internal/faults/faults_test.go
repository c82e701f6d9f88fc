package faults

import (
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

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
		if seen[row.Name] || row.Name == "" || row.Fault == "" || row.Expected == "" {
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

// TestRunSaysWhatCannotBeDone: a row that this machine cannot do has neither
// passed nor failed, and its line says why.
func TestRunSaysWhatCannotBeDone(t *testing.T) {
	t.Setenv("PATH", t.TempDir()) // no nft
	report := Run(Row{Name: "own", Own: true, Kafka: one, Run: func(*Case) { t.Error("it was run") }}, 1, t.Output())
	var table strings.Builder
	if err := WriteTable(&table, []Report{report}); err != nil {
		t.Fatal(err)
	}
	if report.Failure != "" || !strings.Contains(table.String(), "cannot be done here: needs root") || strings.Contains(table.String(), "pass") {
		t.Errorf("%+v\n%s", report, table.String())
	}
}

// TestSoakIsWritten: a soak that failed must not read like one that passed.
func TestSoakIsWritten(t *testing.T) {
	for failure, want := range map[string]string{"": "pass", "on purpose": "FAIL"} {
		var text strings.Builder
		report := SoakReport{Faults: []string{"link cut", "broker killed", "link cut"}, Failure: failure, Took: time.Minute}
		if err := WriteSoak(&text, SoakOptions{Seed: 4711}, report); err != nil {
			t.Fatal(err)
		}
		for _, part := range []string{want, "4711", "3: link cut 2, broker killed 1"} {
			if !strings.Contains(text.String(), part) {
				t.Errorf("%q is not in\n%s", part, text.String())
			}
		}
	}
}

// TestDrawsFollowTheSeed: what is written of a soak can be done again.
func TestDrawsFollowTheSeed(t *testing.T) {
	plan := func(seed uint64) (what []string) {
		s := soaking{rand: rand.New(rand.NewPCG(seed, 0))}
		for range 500 {
			together := s.draw(true)
			for i, b := range together {
				what = append(what, b.what)
				for _, other := range together[:i] {
					if b.uses&other.uses != 0 {
						t.Errorf("%s, and %s", other.what, b.what)
					}
				}
			}
		}
		return what
	}
	if !slices.Equal(plan(1), plan(1)) || slices.Equal(plan(1), plan(2)) {
		t.Error("the seed does not decide")
	}
}
