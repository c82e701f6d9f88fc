package faults

import (
	_ "embed"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

// ledgerText is every run that counts, a line each, in the order in which they were made. `make faults`
// appends to the file; docs/RELIABILITY.md has the table that WriteScore makes of it.
//
//go:embed ledger.tsv
var ledgerText string

// Entry is a line of the ledger.
type Entry struct {
	Date   string // 2026-11-26
	Row    string
	Writer string // the server's --writer
	Kafka  string // its version
	Seed   string
	Result string // "pass" or "fail"
}

const ledgerHead = "date\trow\twriter\tkafka\tseed\tresult"

// Ledger returns the runs that the ledger has.
func Ledger() ([]Entry, error) { return parseLedger(ledgerText) }

func parseLedger(text string) ([]Entry, error) {
	r := csv.NewReader(strings.NewReader(text))
	r.Comma = '\t'
	lines, err := r.ReadAll()
	if err != nil || len(lines) == 0 || strings.Join(lines[0], "\t") != ledgerHead {
		return nil, fmt.Errorf("ledger: no columns %q: %w", ledgerHead, err)
	}
	var entries []Entry
	for _, f := range lines[1:] {
		e := Entry{Date: f[0], Row: f[1], Writer: f[2], Kafka: f[3], Seed: f[4], Result: f[5]}
		if !slices.ContainsFunc(Rows(), func(r Row) bool { return r.Name == e.Row }) || e.Result != "pass" && e.Result != "fail" {
			return nil, fmt.Errorf("ledger: %q: no such row, or a result that is neither pass nor fail", f)
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// Append adds a run with a writer to a ledger file, unless the row could not be run.
func Append(path, writer string, r Report) error {
	if r.Absent != "" {
		return nil
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	result := "pass"
	if r.Failure != "" {
		result = "fail"
	}
	_, err = fmt.Fprintf(f, "%s\t%s\t%s\t%s\t%d\t%s\n", time.Now().Format(time.DateOnly), r.Row, writer, r.Kafka, r.Seed, result)
	return errors.Join(err, f.Close())
}

// WriteScore writes the ledger as docs/RELIABILITY.md has it, a line a row: how often it passed with
// each writer, and when it failed last. What --writer auto chose is native with every Kafka here.
func WriteScore(w io.Writer, entries []Entry) error {
	var b strings.Builder
	b.WriteString("| row | what happens | what is expected | passed: native | librdkafka | last failure |\n|---|---|---|---|---|---|\n")
	for _, row := range Rows() {
		passed, failed := map[string]int{}, "–"
		for _, e := range entries {
			switch {
			case e.Row != row.Name:
			case e.Result == "fail":
				failed = fmt.Sprintf("%s, %s, Kafka %s", e.Date, e.Writer, e.Kafka)
			default:
				passed[e.Writer]++
			}
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %d | %d | %s |\n",
			row.Name, row.Fault, row.Expected, passed["native"]+passed["auto"], passed["librdkafka"], failed)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
