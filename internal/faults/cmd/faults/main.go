// Command faults runs rows of the fault suite, or a soak, prints a table, and
// exits with 1 if any failed.
//
//	go run ./internal/faults/cmd/faults --row all --runs 3
//	go run ./internal/faults/cmd/faults --row broker-killed,write-revoked --seed 4711
//	go run ./internal/faults/cmd/faults --row quick --kafka-version 2.8.2 --writer librdkafka
//	go run ./internal/faults/cmd/faults --minutes 60
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/ringtail/ringtail/internal/e2e"
	"github.com/ringtail/ringtail/internal/faults"
	"github.com/ringtail/ringtail/internal/kafkatest"
)

// options are the flags.
type options struct {
	rows    []faults.Row
	seed    uint64
	runs    int
	minutes float64 // 0: rows
	rate    float64
	kafka   string // its version; empty: as the environment says
	writer  string // likewise
	ledger  string // append results to this file
	score   bool   // print the ledger's table, and end
}

func main() {
	o, err := parse(os.Args[1:], os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
		fmt.Fprintln(os.Stderr, "faults:", err)
		os.Exit(2)
	}
	// Kafka's script and the server read the environment, wherever they are started.
	for variable, value := range map[string]string{kafkatest.VersionVariable: o.kafka, "RINGTAIL_WRITER": o.writer} {
		if value != "" {
			os.Setenv(variable, value)
		}
	}
	var failed bool
	switch {
	case o.score:
		err = score()
	case faults.Isolated(): // one row, for the process that isolated this one
		err = faults.WriteReport(os.Stdout, faults.Run(o.rows[0], o.seed, os.Stderr))
	case o.minutes > 0:
		failed, err = soak(o)
	default:
		failed, err = run(o)
	}
	e2e.RemoveBinary()
	if err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
	}
	if failed || err != nil {
		os.Exit(1)
	}
}

// parse reads the flags and says what is wrong with them.
func parse(args []string, usage io.Writer) (o options, err error) {
	flags := flag.NewFlagSet("faults", flag.ContinueOnError)
	flags.SetOutput(usage)
	rows := flags.String("row", "all", "rows to run, comma-separated; quick; or all")
	flags.Uint64Var(&o.seed, "seed", 0, "seed of the first run, or of the soak; 0 draws one")
	flags.IntVar(&o.runs, "runs", 1, "how often to run each row; each run after the first has the next seed")
	flags.Float64Var(&o.minutes, "minutes", 0, "soak for so long instead: one load, and random faults one after another")
	flags.Float64Var(&o.rate, "rate", 10_000, "records a second of the soak")
	flags.StringVar(&o.kafka, "kafka-version", "", "version of Apache Kafka; default: "+kafkatest.VersionVariable+", or deploy/kafka.sh's")
	flags.StringVar(&o.writer, "writer", "", "the server's --writer: native, librdkafka or auto; default: RINGTAIL_WRITER, or the server's")
	flags.StringVar(&o.ledger, "ledger", "", "append a line for each run to this file")
	flags.BoolVar(&o.score, "score", false, "run nothing: print the table of docs/RELIABILITY.md from the ledger")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	given := map[string]bool{}
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	if o.rows, err = choose(*rows); err != nil {
		return o, err
	}
	switch {
	case flags.NArg() > 0:
		return o, fmt.Errorf("%s: takes flags only", flags.Arg(0))
	case o.runs < 1:
		return o, fmt.Errorf("--runs %d: must be 1 or more", o.runs)
	case given["minutes"] && !(o.minutes > 0 && o.minutes < 1e5):
		return o, fmt.Errorf("--minutes %v: must be over 0 and under 100000", o.minutes)
	case given["minutes"] && (given["row"] || given["runs"]):
		return o, errors.New("--minutes: a soak has no --row and no --runs")
	case given["rate"] && !given["minutes"]:
		return o, errors.New("--rate: is a soak's, which needs --minutes")
	case !(o.rate >= 100 && o.rate <= 1e6):
		return o, fmt.Errorf("--rate %v: must be 100 to 1000000", o.rate)
	case !slices.Contains([]string{"", "auto", "native", "librdkafka"}, o.writer):
		return o, fmt.Errorf("--writer %s: must be native, librdkafka or auto", o.writer)
	}
	if o.seed == 0 {
		o.seed = rand.Uint64N(1_000_000) + 1
	}
	return o, nil
}

// soak runs a soak. What it says meanwhile is for standard error.
func soak(flags options) (failed bool, err error) {
	o := faults.SoakOptions{Length: time.Duration(flags.minutes * float64(time.Minute)), Rate: flags.rate, Seed: flags.seed}
	fmt.Fprintf(os.Stderr, "soak, seed %d: %v of random faults at %.0f records/s\n", o.Seed, o.Length, o.Rate)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	report := faults.Soak(ctx, o, os.Stderr)
	if report.Failure != "" {
		fmt.Fprintf(os.Stderr, "soak, seed %d: FAILED: %s\n", o.Seed, report.Failure)
	}
	return report.Failure != "", faults.WriteSoak(os.Stdout, o, report)
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

func run(o options) (failed bool, err error) {
	var reports []faults.Report
	for _, row := range o.rows {
		for i := range o.runs {
			s := o.seed + uint64(i)
			fmt.Fprintf(os.Stderr, "row %s, seed %d: %s\n", row.Name, s, row.Fault)
			report := faults.Run(row, s, os.Stderr)
			reports = append(reports, report)
			if err := record(o, report); err != nil {
				return true, err
			}
			result := "passed"
			switch {
			case report.Absent != "":
				result = "cannot be done here: " + report.Absent
			case report.Failure != "":
				result, failed = "FAILED: "+report.Failure, true
			}
			fmt.Fprintf(os.Stderr, "row %s, seed %d: %s\n", row.Name, s, result)
		}
	}
	return failed, faults.WriteTable(os.Stdout, reports)
}

// record writes a run into the ledger at once: those before a Ctrl-C count.
func record(o options, report faults.Report) error {
	if o.ledger == "" {
		return nil
	}
	return faults.Append(o.ledger, cmp.Or(o.writer, os.Getenv("RINGTAIL_WRITER"), "auto"), report)
}

// score prints what the ledger says of each row.
func score() error {
	entries, err := faults.Ledger()
	if err != nil {
		return err
	}
	return faults.WriteScore(os.Stdout, entries)
}
