package faults

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/ringtail/ringtail/bench"
	"github.com/ringtail/ringtail/internal/kafkatest"
)

// Row is one fault and what must come of it.
type Row struct {
	Name     string
	Fault    string // what happens, in words
	Expected string // what must come of it, in words
	Quick    bool   // part of the quick set
	Kafka    kafkatest.Options
	Run      func(*Case)
	Own      bool // needs a network and mounts of its own, which the command gives it: see isolate
}

// Report is what came of one run of a row.
type Report struct {
	Row                string
	Seed               uint64
	Kafka              string // its version
	Records            int64
	Verdict            bench.Verdict
	Proof              []string
	Stall              time.Duration // the longest time without an ack
	Rebuilds           int64
	PossibleDuplicates int64
	Start              int64 // the server's resident memory when it was ready, bytes
	Peak, Growth       int64 // how much more it was at most, and at the end
	Live               int64 // how much more it held at the end, after a collection
	Took               time.Duration
	Failure            string // empty if it passed
	Absent             string // why it cannot be done on this machine; empty if it can
}

// Exec runs a row on tb, which fails as the row does.
func Exec(tb kafkatest.TB, row Row, seed uint64, report *Report) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	tb.Cleanup(cancel)
	*report = Report{Row: row.Name, Seed: seed}
	begun := time.Now()
	defer func() { report.Took = time.Since(begun) }()
	kafka := kafkatest.Start(tb, row.Kafka)
	report.Kafka = kafka.Version(1)
	row.Run(&Case{
		TB:     tb,
		Rand:   rand.New(rand.NewPCG(seed, 0)),
		Kafka:  kafka,
		ctx:    ctx,
		report: report,
	})
}

// Run runs a row outside of any test.
func Run(row Row, seed uint64, log io.Writer) Report {
	if row.Own && !Isolated() {
		return isolate(row, seed, log)
	}
	var report Report
	r := &kafkatest.Runner{Log: log}
	failure := r.Run(func() {
		if row.Own {
			if err := furnish(); err != nil {
				r.Fatalf("%v", err)
			}
		}
		Exec(r, row, seed, &report)
	})
	report.Failure = failure
	return report
}

// WriteTable writes the reports for a person.
func WriteTable(w io.Writer, reports []Report) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "row\tseed\tKafka\trecords\tL\tD\tO\tM\tX\tmissing\tstall s\trebuilds\tMiB: ready\tpeak\tend\tlive\ttook s\tproof\tresult")
	for _, r := range reports {
		result := "pass"
		switch {
		case r.Absent != "":
			result = "cannot be done here: " + r.Absent
		case r.Failure != "":
			result = "FAIL"
		}
		v := r.Verdict
		fmt.Fprintf(t, "%s\t%d\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%.1f\t%d\t%d\t%+d\t%+d\t%+d\t%.0f\t%s\t%s\n",
			r.Row, r.Seed, r.Kafka, r.Records, v.AckedMissing, v.Duplicates, v.Reordered, v.Misrouted, v.Changed, v.Missing,
			r.Stall.Seconds(), r.Rebuilds, r.Start>>20, r.Peak>>20, r.Growth>>20, r.Live>>20, r.Took.Seconds(), strings.Join(r.Proof, " "), result)
	}
	return t.Flush()
}

// WriteReport writes a report for the process that isolated this one.
func WriteReport(w io.Writer, r Report) error { return json.NewEncoder(w).Encode(r) }
