// Command faults runs rows of the fault suite, or a soak, prints a table, and
// exits with 1 if any failed.
//
//	go run ./internal/faults/cmd/faults --row all --runs 3
//	go run ./internal/faults/cmd/faults --row 1,9b --seed 4711
//	go run ./internal/faults/cmd/faults --minutes 60
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/ringtail/ringtail/internal/e2e"
	"github.com/ringtail/ringtail/internal/faults"
)

func main() {
	rows := flag.String("row", "all", "rows to run, comma-separated; quick; or all")
	seed := flag.Uint64("seed", 0, "seed of the first run, or of the soak; 0 draws one")
	runs := flag.Int("runs", 1, "how often to run each row; each run after the first has the next seed")
	minutes := flag.Float64("minutes", 0, "soak for so long instead: one load, and random faults one after another")
	rate := flag.Float64("rate", 10_000, "records a second of the soak")
	flag.Parse()
	given := map[string]bool{}
	flag.Visit(func(f *flag.Flag) { given[f.Name] = true })
	chosen, err := choose(*rows)
	switch {
	case err != nil:
	case flag.NArg() > 0:
		err = fmt.Errorf("%s: takes flags only", flag.Arg(0))
	case *runs < 1:
		err = fmt.Errorf("--runs %d: must be 1 or more", *runs)
	case given["minutes"] && !(*minutes > 0 && *minutes < 1e5):
		err = fmt.Errorf("--minutes %v: must be over 0 and under 100000", *minutes)
	case given["minutes"] && (given["row"] || given["runs"]):
		err = errors.New("--minutes: a soak has no --row and no --runs")
	case given["rate"] && !given["minutes"]:
		err = errors.New("--rate: is a soak's, which needs --minutes")
	case !(*rate >= 100 && *rate <= 1e6):
		err = fmt.Errorf("--rate %v: must be 100 to 1000000", *rate)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
		flag.Usage()
		os.Exit(2)
	}
	if *seed == 0 {
		*seed = rand.Uint64N(1_000_000) + 1
	}
	if faults.Isolated() {
		if err := faults.WriteReport(os.Stdout, faults.Run(chosen[0], *seed, os.Stderr)); err != nil {
			fmt.Fprintln(os.Stderr, "faults:", err)
			os.Exit(1)
		}
		return
	}
	var code int
	if given["minutes"] {
		code = soak(faults.SoakOptions{Length: time.Duration(*minutes * float64(time.Minute)), Rate: *rate, Seed: *seed})
	} else {
		code = run(chosen, *seed, *runs)
	}
	e2e.RemoveBinary()
	os.Exit(code)
}

// soak runs a soak. What it says meanwhile is for standard error.
func soak(o faults.SoakOptions) (code int) {
	fmt.Fprintf(os.Stderr, "soak, seed %d: %v of random faults at %.0f records/s\n", o.Seed, o.Length, o.Rate)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	report := faults.Soak(ctx, o, os.Stderr)
	if report.Failure != "" {
		fmt.Fprintf(os.Stderr, "soak, seed %d: FAILED: %s\n", o.Seed, report.Failure)
		code = 1
	}
	if err := faults.WriteSoak(os.Stdout, o, report); err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
		return 1
	}
	return code
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
			switch {
			case report.Absent != "":
				result = "cannot be done here: " + report.Absent
			case report.Failure != "":
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
