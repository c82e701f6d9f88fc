//go:build cgo

package main

import (
	"bufio"
	"errors"
	"fmt"
	"log"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/ringtail/ringtail/internal/kafkatest"
)

// reader is a way to read a topic: a verb's arguments, or, without any, confluent-kafka-go.
type reader struct {
	name, what string
	args       []string
	partition  bool // reads one partition of the ten
}

// readers are measured from outside and as a whole, start and end included: all of them read the
// same topic from its beginning, as many records as were written or as one partition has.
var readers = []reader{
	{"library", "confluent-kafka-go, a loop of Poll", nil, false},
	{"consume", "`ringtail consume --format value`", []string{"--format", "value"}, false},
	{"group", "`… --format value --group`", []string{"--format", "value", "--group"}, false},
	{"partition", "`… --format value --partition 3`", []string{"--format", "value", "--partition", "3"}, true},
	{"text", "`… --format text`", []string{"--format", "text"}, false},
	{"json", "`… --format json`", []string{"--format", "json"}, false},
	{"count", "`… --count-by ok`", []string{"--count-by", "ok"}, false},
}

// inPartition is how many records of them one partition has at the least: the ceiling writes
// 512 to each in turn.
func inPartition(records int) int { return records / 5120 * 512 }

// command is how binary reads, or this program again for the library, and how many records.
func (r reader) command(o options, binary string) (*exec.Cmd, int) {
	if len(r.args) == 0 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childEnv+"="+r.name, argsEnv+"="+encode(o))
		return cmd, o.Records
	}
	count := o.Records
	if r.partition {
		count = inPartition(o.Records)
	}
	args := []string{"consume", "--brokers", o.Brokers, "--topic", o.Topic, "--from", "beginning", "--count", fmt.Sprint(count)}
	args = append(args, r.args...)
	if r.name == "group" {
		args = append(args, fmt.Sprintf("ratio-%d", time.Now().UnixNano())) // a new one each time
	}
	return exec.Command(binary, args...), count
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
			m, err := read(o, r, o.Binary, round)
			if err != nil {
				return "", err
			}
			results[r.name] = append(results[r.name], m)
			if o.Other == "" || len(r.args) == 0 {
				continue
			}
			if m, err = read(o, r, o.Other, round); err != nil {
				return "", err
			}
			results[r.name+other] = append(results[r.name+other], m)
		}
	}
	if len(results) == 0 {
		return "", nil
	}
	return readersTable(o, rounds, results), nil
}

// other marks what -other's binary did.
const other = " of -other"

func read(o options, r reader, binary string, round int) (measure, error) {
	cmd, records := r.command(o, binary)
	cmd.Stderr = os.Stderr // its output goes to /dev/null
	begun := time.Now()
	if err := cmd.Run(); err != nil {
		return measure{}, fmt.Errorf("%s: %w", r.name, err)
	}
	m := measure{Seconds: time.Since(begun).Seconds()}
	m.PerSecond = float64(records) / m.Seconds
	m.CPUNanos = float64(cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime()) / float64(records)
	log.Printf("round %d %-9s %7.0f ns a record, %8.0f records/s   %s", round+1, r.name, m.CPUNanos, m.PerSecond, binary)
	return m, nil
}

// fill writes the topic that is read.
func fill(o options, kafka *kafkatest.Cluster) error {
	kafka.CreateTopic(o.Topic, 10, 1, nil)
	_, err := ceiling(o, func() {})
	return err
}

// library is what one writes with the stock client, set up as well as it can be: messages by Poll,
// not through a channel, and no second's pause whenever its queue has been full.
func library(o options) error {
	c, err := kafka.NewConsumer(&kafka.ConfigMap{
		"bootstrap.servers": o.Brokers, "group.id": "library", "enable.auto.commit": false, "enable.metrics.push": false,
		"fetch.queue.backoff.ms": 10,
	})
	if err != nil {
		return err
	}
	var all []kafka.TopicPartition
	for p := range int32(10) {
		all = append(all, kafka.TopicPartition{Topic: &o.Topic, Partition: p, Offset: kafka.OffsetBeginning})
	}
	if err := c.Assign(all); err != nil {
		return err
	}
	out := bufio.NewWriterSize(os.Stdout, 64<<10)
	for seen := 0; seen < o.Records; {
		switch e := c.Poll(1000).(type) {
		case *kafka.Message:
			seen++
			_, _ = out.Write(e.Value)
			_ = out.WriteByte('\n')
		case kafka.Error:
			return e
		}
	}
	return errors.Join(out.Flush(), c.Close())
}

// readersTable has medians, and ratios to the library and to -other.
func readersTable(o options, rounds int, results map[string][]measure) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\nReading the same %d records of %d bytes back, %s, medians of %d\n\n", o.Records, o.Size, machine(), rounds)
	b.WriteString("| | records/s | of the library | CPU ns a record | of the library |\n|---|---|---|---|---|\n")
	perSecond := func(r []measure) float64 { return median(r, func(m measure) float64 { return m.PerSecond }) }
	cpu := func(r []measure) float64 { return median(r, func(m measure) float64 { return m.CPUNanos }) }
	ratio := func(of func([]measure) float64, r []measure) string {
		if len(results["library"]) == 0 {
			return "–"
		}
		return fmt.Sprintf("%.2f", of(r)/of(results["library"]))
	}
	for _, reader := range readers {
		for _, suffix := range []string{"", other} {
			if r := results[reader.name+suffix]; len(r) > 0 {
				fmt.Fprintf(&b, "| %s%s | %.0f | %s | %.0f | %s |\n", reader.what, suffix, perSecond(r), ratio(perSecond, r), cpu(r), ratio(cpu, r))
			}
		}
	}
	return b.String()
}
