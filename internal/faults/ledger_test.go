package faults

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestScoreIsWritten: docs/RELIABILITY.md has the table that the ledger makes.
func TestScoreIsWritten(t *testing.T) {
	entries, err := Ledger()
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	if err := WriteScore(&table, entries); err != nil {
		t.Fatal(err)
	}
	document, err := os.ReadFile(filepath.Join("..", "..", "docs", "RELIABILITY.md"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(document), table.String()) {
		t.Errorf("docs/RELIABILITY.md does not have this table; `make faults ARGS=--score` prints it:\n%s", table.String())
	}
	for _, row := range Rows() {
		if !strings.Contains(ledgerText, "\t"+row.Name+"\t") {
			t.Errorf("row %s was never run", row.Name)
		}
	}
}

// TestScoreCounts: a failure shows, and is no run that passed.
func TestScoreCounts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.tsv")
	if err := os.WriteFile(path, []byte(ledgerHead+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	runs := []Report{
		{Row: "flood", Seed: 1, Kafka: "4.1.1"},
		{Row: "flood", Seed: 2, Kafka: "3.9.1", Failure: "on purpose"},
		{Row: "flood", Seed: 3, Kafka: "4.1.1", Absent: "no such machine"},
	}
	for i, run := range append(runs, runs[0]) {
		writer := "native"
		if i == len(runs) {
			writer = "librdkafka"
		}
		if err := Append(path, writer, run); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	entries, err := parseLedger(string(text))
	if err != nil || len(entries) != 3 {
		t.Fatalf("%d entries, %v, of\n%s", len(entries), err, text)
	}
	var table strings.Builder
	if err := WriteScore(&table, entries); err != nil {
		t.Fatal(err)
	}
	if want := "| 1 | 1 | " + entries[1].Date + ", native, Kafka 3.9.1 |"; !strings.Contains(table.String(), want) {
		t.Errorf("%q is not in\n%s", want, table.String())
	}
}

func TestLedgersThatAreRefused(t *testing.T) {
	for line, names := range map[string]string{
		"2026-11-26\tflood\tnative\t4.1.1\t1":              "wrong number of fields",
		"2026-11-26\tdeluge\tnative\t4.1.1\t1\tpass":       "no such row",
		"2026-11-26\tflood\tnative\t4.1.1\t1\tinteresting": "neither pass nor fail",
	} {
		if _, err := parseLedger(ledgerHead + "\n" + line + "\n"); err == nil || !strings.Contains(err.Error(), names) {
			t.Errorf("%q: %v", line, err)
		}
	}
	if _, err := parseLedger("date\n"); err == nil {
		t.Error("a ledger of one column is taken")
	}
}
