// Command faults runs rows of the fault suite, prints a table, and exits with 1
// if any failed.
//
//	go run ./internal/faults/cmd/faults --row all --runs 3
//	go run ./internal/faults/cmd/faults --row 1,9b --seed 4711
package main

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"

	"github.com/ringtail/ringtail/internal/e2e"
	"github.com/ringtail/ringtail/internal/faults"
)

func main() {
	rows := flag.String("row", "all", "rows to run, comma-separated; quick; or all")
	seed := flag.Uint64("seed", 0, "seed of the first run; 0 draws one")
	runs := flag.Int("runs", 1, "how often to run each row; each run after the first has the next seed")
	flag.Parse()
	chosen, err := choose(*rows)
	if err != nil || *runs < 1 || flag.NArg() > 0 {
		fmt.Fprintln(os.Stderr, "faults:", err)
		flag.Usage()
		os.Exit(2)
	}
	if *seed == 0 {
		*seed = rand.Uint64N(1_000_000) + 1
	}
	code := run(chosen, *seed, *runs)
	e2e.RemoveBinary()
	os.Exit(code)
}

func choose(names string) ([]faults.Row, error) {
	all := faults.Rows()
	switch names {
	case "all":
		return all, nil
	case "quick":
		return slices.DeleteFunc(all, func(r faults.Row) bool { return !r.Quick }), nil
	}
	var chosen []faults.Row
	for name := range strings.SplitSeq(names, ",") {
		i := slices.IndexFunc(all, func(r faults.Row) bool { return r.Name == name })
		if i < 0 {
			known := make([]string, len(all))
			for i, row := range all {
				known[i] = row.Name
			}
			return nil, fmt.Errorf("--row %s: no such row; there are %s", name, strings.Join(known, " "))
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}

func run(rows []faults.Row, seed uint64, runs int) (code int) {
	var reports []faults.Report
	for _, row := range rows {
		for i := range runs {
			s := seed + uint64(i)
			fmt.Fprintf(os.Stderr, "row %s, seed %d: %s\n", row.Name, s, row.Fault)
			report := faults.Run(row, s, os.Stderr)
			reports = append(reports, report)
			result := "passed"
			if report.Failure != "" {
				result, code = "FAILED: "+report.Failure, 1
			}
			fmt.Fprintf(os.Stderr, "row %s, seed %d: %s\n", row.Name, s, result)
		}
	}
	if err := faults.WriteTable(os.Stdout, reports); err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
		return 1
	}
	return code
}
