//go:build cgo

package main

import (
	"encoding/json"
	"fmt"
	"log"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/ringtail/ringtail/bench"
)

// The ceiling and confluent-kafka-go run in a process of their own, this program
// again, told by these variables.
const (
	childEnv = "RINGTAIL_RATIO_CHILD"
	argsEnv  = "RINGTAIL_RATIO_OPTIONS"
)

func child(name string) func(options) (measure, error) {
	return func(o options) (measure, error) {
		self, err := os.Executable()
		if err != nil {
			return measure{}, err
		}
		cmd := exec.Command(self)
		cmd.Env = append(os.Environ(), childEnv+"="+name, argsEnv+"="+encode(o))
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err != nil {
			return measure{}, err
		}
		var m measure
		return m, json.Unmarshal(out, &m)
	}
}

func runChild(name string) {
	var o options
	if err := json.Unmarshal([]byte(os.Getenv(argsEnv)), &o); err != nil {
		log.Fatal(err)
	}
	if name == "library" {
		if err := library(o); err != nil {
			log.Fatal(err)
		}
		return // measured from outside
	}
	var cpu time.Duration
	var begun time.Time
	begin := func() { cpu, begun = bench.ProcessCPU(), time.Now() }
	var m measure
	var err error
	if name == "ceiling" {
		m, err = ceiling(o, begin)
	} else {
		err = confluent(o, begin)
	}
	if err != nil {
		log.Fatal(err)
	}
	m.CPUNanos, m.Seconds = float64(bench.ProcessCPU()-cpu)/float64(o.Records), time.Since(begun).Seconds()
	m.PeakMiB = peakMiB(os.Getpid())
	fmt.Println(encode(m))
}

// peakMiB is from /proc: what getrusage(2) tells begins with the parent's.
func peakMiB(pid int) (peak float64) {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if _, behind, ok := strings.Cut(string(status), "VmHWM:"); ok {
		_, _ = fmt.Sscan(behind, &peak)
	}
	return peak / 1024
}

// confluent is what one writes with the stock client: Produce, and a goroutine
// that looks at each delivery report; nothing is set that its documentation does not
// start with, so reports carry key and value.
func confluent(o options, begin func()) error {
	p, err := kafka.NewProducer(&kafka.ConfigMap{
		"bootstrap.servers": o.Brokers, "acks": "all", "enable.idempotence": true, "linger.ms": o.Linger,
		"batch.size": 1000000, "go.events.channel.size": 100000, "enable.metrics.push": false,
	})
	if err != nil {
		return err
	}
	if err := warmUp(p, &o.Topic); err != nil {
		return err
	}
	by := records(o)
	done := make(chan error)
	go func() {
		n := 0
		for e := range p.Events() {
			m, ok := e.(*kafka.Message)
			if !ok {
				continue
			}
			if m.TopicPartition.Error != nil {
				done <- m.TopicPartition.Error
				return
			}
			if n++; n == o.Records {
				done <- nil
				return
			}
		}
	}()
	begin()
	start := time.Now()
	for i := range o.Records {
		part := i / 512 % 10
		for o.Rate > 0 && time.Since(start).Seconds()*o.Rate < float64(i) {
			time.Sleep(time.Millisecond)
		}
		if o.Rate > 0 {
			part = i % 10
		}
		m := kafka.Message{
			TopicPartition: kafka.TopicPartition{Topic: &o.Topic, Partition: int32(part)},
			Value:          by[part][i%len(by[part])],
		}
		for {
			err := p.Produce(&m, nil)
			if err == nil {
				break
			}
			if e, ok := err.(kafka.Error); !ok || e.Code() != kafka.ErrQueueFull {
				return err
			}
			time.Sleep(time.Millisecond)
		}
	}
	err = <-done
	p.Close()
	return err
}

// warmUp sends one record and waits for its report, as the ceiling does.
func warmUp(p *kafka.Producer, topic *string) error {
	report := make(chan kafka.Event, 1)
	m := kafka.Message{TopicPartition: kafka.TopicPartition{Topic: topic}, Value: []byte("{}")}
	if err := p.Produce(&m, report); err != nil {
		return err
	}
	e := <-report
	if m, ok := e.(*kafka.Message); ok {
		return m.TopicPartition.Error
	}
	return fmt.Errorf("no report: %v", e)
}
