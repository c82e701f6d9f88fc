package main

import (
	"io"
	"strings"
	"testing"

	"github.com/ringtail/ringtail/internal/faults"
)

func TestFlags(t *testing.T) {
	all := len(faults.Rows())
	for args, want := range map[string]struct {
		rows    int
		seed    uint64 // 0: drawn
		runs    int
		minutes float64
		rate    float64
		kafka   string
		writer  string
	}{
		"": {all, 0, 1, 0, 10_000, "", ""},
		"--row broker-killed,write-revoked --runs 3": {2, 0, 3, 0, 10_000, "", ""},
		"--row write-revoked --seed 4711":            {1, 4711, 1, 0, 10_000, "", ""},
		"--kafka-version 2.8.2 --writer auto":        {all, 0, 1, 0, 10_000, "2.8.2", "auto"},
		"--minutes 60":                               {all, 0, 1, 60, 10_000, "", ""},
		"--minutes 0.5 --rate 20000 --seed 12":       {all, 12, 1, 0.5, 20_000, "", ""},
	} {
		o, err := parse(strings.Fields(args), io.Discard)
		if err != nil {
			t.Errorf("%q: %v", args, err)
			continue
		}
		if len(o.rows) != want.rows || o.runs != want.runs || o.minutes != want.minutes || o.rate != want.rate || o.kafka != want.kafka || o.writer != want.writer ||
			want.seed == 0 && o.seed == 0 || want.seed > 0 && o.seed != want.seed {
			t.Errorf("%q: %d rows, %+v", args, len(o.rows), o)
		}
	}
	if o, err := parse([]string{"--row", "quick"}, io.Discard); err != nil || len(o.rows) == 0 || len(o.rows) >= all {
		t.Errorf("--row quick: %d rows, %v", len(o.rows), err)
	}
}

func TestFlagsThatAreRefused(t *testing.T) {
	for args, names := range map[string]string{
		"--row none":              "--row none",
		"--runs 0":                "--runs",
		"--minutes 0":             "--minutes",
		"--minutes -1":            "--minutes",
		"--minutes NaN":           "--minutes",
		"--minutes 1 --row flood": "--row",
		"--minutes 1 --runs 3":    "--runs",
		"--rate 100":              "--minutes",
		"--minutes 1 --rate 1":    "--rate",
		"--seed -1":               "-seed",
		"--writer kafka":          "--writer kafka",
		"write-revoked":           "write-revoked",
	} {
		if _, err := parse(strings.Fields(args), io.Discard); err == nil || !strings.Contains(err.Error(), names) {
			t.Errorf("%q: %v", args, err)
		}
	}
}
