//go:build cgo

// Command ratio measures what a record costs: librdkafka alone (the ceiling), the
// whole server, the server without Kafka, stock confluent-kafka-go, and rsyslog, in turn and
// in one run, against one real Kafka on this machine; then the reading: confluent-kafka-go's
// consumer and `ringtail consume`. What counts are the ratios: absolute numbers drift
// with the machine.
//
//	go run ./bench/ratio -records 1000000 -rounds 3
//	go run ./bench/ratio -subjects library,consume,group,partition,text,json,count   reading alone
//	go run ./bench/ratio -rate 20000 -records 400000        paced: cost of small batches, latency
//	go run ./bench/ratio -idle 20s -connections 10          what a server costs that has nothing to do
//	go run ./bench/ratio -subjects server,other -other PATH does a change pay? PATH is a ringtail built before it
//
// CPU is user and system time of the measured process alone, from the first record
// until the topic holds all of them.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/ringtail/ringtail/bench"
	"github.com/ringtail/ringtail/internal/e2e"
	"github.com/ringtail/ringtail/internal/kafkatest"
)

// options are the same for every subject of a run.
type options struct {
	Records, Size, Connections int
	Rate                       float64
	Linger                     string
	OneDigit                   bool
	Brokers, Topic             string
	Binary, Other              string
	ServeArgs                  []string
	Framing                    string
	Idle                       time.Duration

	tb    kafkatest.TB
	kafka *kafkatest.Cluster
}

// measure is what one subject did once.
type measure struct {
	CPUNanos  float64 // a record
	Seconds   float64
	PerSecond float64 // records, of a reader
	PeakMiB   float64
	P50, P99  float64 // ms; with a rate only
	LoaderNs  float64 // CPU a record of the load generator, where there is one

	CPUMsPerSecond float64 // with Idle only
}

type subject struct {
	name, what string
	run        func(options) (measure, error)
}

var subjects = []subject{
	{"ceiling", "librdkafka alone, a C loop", child("ceiling")},
	{"server", "ringtail serve", serve},
	{"librdkafka", "ringtail serve --writer librdkafka", serveWith("--writer", "librdkafka")},
	{"other", "ringtail serve of -other", serveOther},
	{"digit", "ringtail serve, all records of one digit", serveOneDigit},
	{"discard", "ringtail serve --sink discard", serveWith("--sink", "discard")},
	{"confluent", "confluent-kafka-go Produce() with delivery reports", child("confluent")},
	{"rsyslog", "rsyslog: imptcp, mmjsonparse, omkafka", rsyslog},
}

func main() {
	if name := os.Getenv(childEnv); name != "" {
		runChild(name)
		return
	}
	var o options
	flag.IntVar(&o.Records, "records", 1_000_000, "records of a run")
	flag.IntVar(&o.Size, "size", 220, "mean bytes of a record")
	flag.IntVar(&o.Connections, "connections", 16, "connections to the server")
	flag.Float64Var(&o.Rate, "rate", 0, "records a second; 0: as fast as possible")
	flag.StringVar(&o.Linger, "linger", "5", "linger.ms of every subject")
	flag.StringVar(&o.Framing, "framing", "newline", "of the server's clients")
	rounds := flag.Int("rounds", 3, "alternations; medians are printed")
	only := flag.String("subjects", "ceiling,server,librdkafka,other,digit,discard,confluent,rsyslog,library,consume,group", "which to measure")
	serveArgs := flag.String("serve-args", "", "more flags for ringtail serve")
	out := flag.String("o", "", "append the table, as Markdown, to this file")
	flag.DurationVar(&o.Idle, "idle", 0, "measure a server whose clients are silent, for so long, and nothing else")
	flag.StringVar(&o.Other, "other", "", "another ringtail binary to measure in turn with this source's")
	flag.Parse()
	o.ServeArgs = strings.Fields(*serveArgs)
	r := &kafkatest.Runner{Log: os.Stderr}
	o.tb = r
	failure := r.Run(func() {
		if err := run(o, *rounds, strings.Split(*only, ","), *out); err != nil {
			r.Fatalf("%v", err)
		}
	})
	e2e.RemoveBinary()
	if failure != "" {
		log.Fatal(failure)
	}
}

func run(o options, rounds int, only []string, out string) error {
	o.Binary = e2e.Binary(o.tb)
	kafka := kafkatest.Start(o.tb, kafkatest.Options{Heap: "1g"})
	o.Brokers, o.kafka = kafka.Bootstrap(), kafka
	if o.Idle > 0 {
		o.Topic = "idle"
		kafka.CreateTopic(o.Topic, 10, 1, nil)
		m, err := serve(o)
		if err != nil {
			return err
		}
		return report(fmt.Sprintf("%d silent connections: %.2f ms of CPU a second, peak %.0f MiB\n", o.Connections, m.CPUMsPerSecond, m.PeakMiB), out)
	}
	results := map[string][]measure{}
	for round := range rounds {
		for _, s := range subjects {
			if !slices.Contains(only, s.name) || o.Rate > 0 && (s.name == "discard" || s.name == "rsyslog") || o.Other == "" && s.name == "other" {
				continue
			}
			o := o
			o.Topic = fmt.Sprintf("%s-%d", s.name, round)
			kafka.CreateTopic(o.Topic, 10, 1, nil)
			m, err := s.run(o)
			if err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			log.Printf("round %d %-9s %7.0f ns a record, %8.0f records/s, peak %4.0f MiB, p50 %.1f ms, p99 %.1f ms, loader %.0f ns",
				round+1, s.name, m.CPUNanos, float64(o.Records)/m.Seconds, m.PeakMiB, m.P50, m.P99, m.LoaderNs)
			results[s.name] = append(results[s.name], m)
			kafka.DeleteTopic(o.Topic)
		}
	}
	table := ""
	if len(results) > 0 {
		table = writersTable(o, rounds, results)
	}
	if o.Rate == 0 { // reading has none
		reading, err := compareReaders(o, rounds, only, kafka)
		if err != nil {
			return err
		}
		table += reading
	}
	return report(table, out)
}

// writersTable has medians, and ratios to the ceiling.
func writersTable(o options, rounds int, results map[string][]measure) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s, %d records of %d bytes, %d connections, %s, linger %s ms, rate %.0f, medians of %d\n\n",
		machine(), o.Records, o.Size, o.Connections, o.Framing, o.Linger, o.Rate, rounds)
	b.WriteString("| | CPU ns a record | of the ceiling | records/s | peak MiB | p50 ms | p99 ms |\n|---|---|---|---|---|---|---|\n")
	ceiling := median(results["ceiling"], func(m measure) float64 { return m.CPUNanos })
	for _, s := range subjects {
		r := results[s.name]
		if len(r) == 0 {
			continue
		}
		cpu := median(r, func(m measure) float64 { return m.CPUNanos })
		of := "–"
		if ceiling > 0 {
			of = fmt.Sprintf("%.2f", cpu/ceiling)
		}
		fmt.Fprintf(&b, "| %s | %.0f | %s | %.0f | %.0f | %.1f | %.1f |\n", s.what, cpu, of,
			float64(o.Records)/median(r, func(m measure) float64 { return m.Seconds }),
			median(r, func(m measure) float64 { return m.PeakMiB }),
			median(r, func(m measure) float64 { return m.P50 }), median(r, func(m measure) float64 { return m.P99 }))
	}
	return b.String()
}

// report prints a table, and appends it to a file if there is one.
func report(table, out string) error {
	fmt.Print(table)
	if out == "" {
		return nil
	}
	f, err := os.OpenFile(out, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if _, err := f.WriteString(table); err != nil {
		return err
	}
	return f.Close()
}

func median(r []measure, f func(measure) float64) float64 {
	if len(r) == 0 {
		return 0
	}
	v := make([]float64, len(r))
	for i := range r {
		v[i] = f(r[i])
	}
	slices.Sort(v)
	return v[len(v)/2]
}

// records are the load generator's, some thousand different ones, by digit.
func records(o options) [][][]byte {
	pool := bench.NewPool(1, o.Size, -1)
	by := make([][][]byte, 10)
	for seq := uint64(1); seq <= 8192; seq++ {
		s := pool.Shard(0, seq, 10)
		by[s] = append(by[s], pool.Append(nil, 0, seq))
	}
	return by
}

func encode(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // plain structs
	}
	return string(b)
}
