package main

import (
	"os/signal"
	"syscall"

	"github.com/ringtail/ringtail/internal/kafkatools"
)

type consumeCmd struct {
	kafkaFlags
	Topic     string `help:"The topic to read."`
	Group     string `help:"Read as a member of this group and commit what was shown."`
	From      string `default:"end" values:"beginning,end" help:"Where to begin: beginning, end, an offset, -N (the last N of each partition), or a time (2026-11-26T17:00:00Z, \"2026-11-26 17:00\", 15m ago as 15m). A group's committed offset wins."`
	Partition int    `default:"-1" help:"Read this partition alone. Default: all."`
	Count     int64  `default:"0" help:"Stop after so many records. 0: no limit."`
	UntilEnd  bool   `help:"Stop at the ends that the partitions have now."`
	Format    string `default:"text" enum:"text,value,json" help:"text (topic:partition:offset: key=… value=…), value, or json (one object a line)."`
	CountBy   string `placeholder:"FIELD" help:"Count records by a top-level field instead of printing them: a live table on a terminal, else value and count at the end."`
	Metrics   string `source:"command-line" placeholder:"HOST:PORT" help:"Serve Prometheus metrics there, at /metrics: records read, and the lag of each partition."`

	MetricsTokenFile string `source:"command-line" placeholder:"FILE" help:"A token a line, or NAME:TOKEN, one of which is wanted there then."`
}

// Help is shown under the flags' list.
func (*consumeCmd) Help() string {
	return `Ctrl-C ends; what has been shown is committed for the group. Where records are gone before they were read, it says how many, goes on at the first that is there, and exits with 1 at its end.

Examples:

    ringtail consume --brokers 127.0.0.1:9092 --topic records --from beginning --until-end
    ringtail consume --brokers 127.0.0.1:9092 --topic records --partition 7 --from 1000 --count 10 --format json
    ringtail consume --brokers 127.0.0.1:9092 --topic records --from -10 --until-end
    ringtail consume --brokers 127.0.0.1:9092 --topic click_events --group click_counter_group --from beginning --count-by user_id
    ringtail consume --brokers 127.0.0.1:9092 --topic click_events --group click_counter_group --count-by user_id --metrics 127.0.0.1:9889`
}

// Run consumes.
func (c *consumeCmd) Run(p *process) error {
	// In "ringtail consume --group g | head" the group is left before the process ends: a
	// member that died holds up the others until its session has timed out.
	signal.Ignore(syscall.SIGPIPE)
	ctx, cancel := p.context()
	defer cancel()
	return kafkatools.Consume(ctx, c.cluster(), kafkatools.ConsumeOptions{
		Topic: c.Topic, Group: c.Group, From: c.From, Partition: c.Partition, Count: c.Count,
		UntilEnd: c.UntilEnd, Format: c.Format, CountBy: c.CountBy, Metrics: c.Metrics, MetricsTokenFile: c.MetricsTokenFile,
	}, p.streams())
}
