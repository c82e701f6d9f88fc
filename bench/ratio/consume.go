package main

import (
	"fmt"
	"log"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/ringtail/ringtail/bench/ceiling"
	"github.com/ringtail/ringtail/internal/kafkatest"
)

// readers are measured from outside and as a whole, start and end included: all of
// them read the same topic, from its beginning to as many records as were written.
var readers = []struct {
	name, what string
	command    func(o options, round int) *exec.Cmd
}{
	{"loop", "librdkafka's consumer loop, in C", func(o options, _ int) *exec.Cmd {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childEnv+"=loop", argsEnv+"="+encode(o))
		return cmd
	}},
	{"consume", "`ringtail consume`", func(o options, _ int) *exec.Cmd { return consume(o) }},
	{"group", "`ringtail consume --group`", func(o options, round int) *exec.Cmd { return consume(o, "--group", fmt.Sprint("ratio-", round)) }},
}

func consume(o options, more ...string) *exec.Cmd {
	args := []string{"consume", "--brokers", o.Brokers, "--topic", o.Topic, "--from", "beginning", "--count", fmt.Sprint(o.Records), "--format", "value"}
	return exec.Command(o.Binary, append(args, more...)...)
}

// compareReaders writes a topic and has each of those asked for read it, in turn.
func compareReaders(o options, rounds int, only []string, kafka *kafkatest.Cluster) (string, error) {
	results := map[string][]measure{}
	o.Topic = "readers"
	for round := range rounds {
		for _, r := range readers {
			if !slices.Contains(only, r.name) {
				continue
			}
			if len(results) == 0 {
				if err := fill(o, kafka); err != nil {
					return "", err
				}
			}
			cmd := r.command(o, round)
			cmd.Stderr = os.Stderr // its output goes to /dev/null
			begun := time.Now()
			if err := cmd.Run(); err != nil {
				return "", fmt.Errorf("%s: %w", r.name, err)
			}
			cpu := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
			m := measure{Seconds: time.Since(begun).Seconds(), CPUNanos: float64(cpu) / float64(o.Records)}
			log.Printf("round %d %-9s %7.0f ns a record, %8.0f records/s", round+1, r.name, m.CPUNanos, float64(o.Records)/m.Seconds)
			results[r.name] = append(results[r.name], m)
		}
	}
	if len(results) == 0 {
		return "", nil
	}
	return readersTable(o, rounds, results), nil
}

// fill writes the topic that is read.
func fill(o options, kafka *kafkatest.Cluster) error {
	kafka.CreateTopic(o.Topic, 10, 1, nil)
	_, err := ceiling.Run(ceiling.Options{
		Brokers: o.Brokers, Topic: o.Topic, Records: o.Records, Linger: o.Linger, ByPartition: records(o),
	})
	return err
}

// readersTable has medians, and ratios to librdkafka's loop.
func readersTable(o options, rounds int, results map[string][]measure) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\nReading the same %d records back, value by value, medians of %d\n\n", o.Records, rounds)
	b.WriteString("| | records/s | of the loop | CPU ns a record | of the loop |\n|---|---|---|---|---|\n")
	perSecond := func(r []measure) float64 {
		return median(r, func(m measure) float64 { return float64(o.Records) / m.Seconds })
	}
	cpu := func(r []measure) float64 { return median(r, func(m measure) float64 { return m.CPUNanos }) }
	ratio := func(of func([]measure) float64, r []measure) string {
		if len(results["loop"]) == 0 {
			return "–"
		}
		return fmt.Sprintf("%.2f", of(r)/of(results["loop"]))
	}
	for _, reader := range readers {
		if r := results[reader.name]; len(r) > 0 {
			fmt.Fprintf(&b, "| %s | %.0f | %s | %.0f | %s |\n", reader.what, perSecond(r), ratio(perSecond, r), cpu(r), ratio(cpu, r))
		}
	}
	return b.String()
}
