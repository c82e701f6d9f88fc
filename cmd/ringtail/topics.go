package main

import (
	"context"

	"github.com/ringtail/ringtail/internal/kafkatools"
)

type topicsCmd struct {
	List     topicsListCmd     `cmd:"" help:"List all topics: name, partitions, replicas."`
	Create   topicsCreateCmd   `cmd:"" help:"Create a topic; returns once every live broker knows it and every partition has a leader."`
	Alter    topicsAlterCmd    `cmd:"" help:"Give a topic more partitions, or other settings."`
	Describe topicsDescribeCmd `cmd:"" help:"Show a topic's leaders, replicas, in-sync replicas, offsets and sizes."`
	Delete   topicsDeleteCmd   `cmd:"" help:"Delete a topic; returns once no live broker knows it."`
}

type topicsListCmd struct {
	kafkatools.Cluster
	JSON bool `name:"json" help:"Print an array of objects: name, partitions, replicas."`
}

// Help is shown under the flags' list.
func (*topicsListCmd) Help() string {
	return "Example:\n\n    ringtail topics list --brokers 127.0.0.1:9092\n    ringtail topics list --brokers 127.0.0.1:9092 --json | jq -r '.[].name'"
}

// Run lists.
func (c *topicsListCmd) Run(p *process) error {
	defer p.untilSignal()()
	return kafkatools.ListTopics(c.Cluster, c.JSON, p.streams())
}

type topicsCreateCmd struct {
	kafkatools.Cluster
	kafkatools.CreateOptions
}

// Help is shown under the flags' list.
func (*topicsCreateCmd) Help() string {
	return `Examples:

    ringtail topics create records --brokers 127.0.0.1:9092
    ringtail topics create click_events --brokers 127.0.0.1:9092 --partitions 6 --replication-factor 2 --config min.insync.replicas=1
    ringtail topics create records --brokers 127.0.0.1:9092 --if-not-exists`
}

// Run creates.
func (c *topicsCreateCmd) Run(p *process) error {
	ctx, cancel := p.asking(exitFailed)
	defer cancel()
	return kafkatools.CreateTopic(ctx, c.Cluster, c.CreateOptions, p.streams())
}

type topicsAlterCmd struct {
	kafkatools.Cluster
	kafkatools.AlterOptions
}

// Help is shown under the flags' list.
func (*topicsAlterCmd) Help() string {
	return `What Kafka refuses changes nothing. Records that are there stay where they are; a key's next ones may go to another partition than those before.

Examples:

    ringtail topics alter records --brokers 127.0.0.1:9092 --partitions 20
    ringtail topics alter records --brokers 127.0.0.1:9092 --config retention.ms=86400000 --config max.message.bytes=`
}

// Run alters.
func (c *topicsAlterCmd) Run(p *process) error {
	ctx, cancel := p.asking(exitFailed)
	defer cancel()
	return kafkatools.AlterTopic(ctx, c.Cluster, c.AlterOptions, p.streams())
}

type topicsDescribeCmd struct {
	kafkatools.Cluster
	kafkatools.DescribeOptions
}

// Help is shown under the flags' list.
func (*topicsDescribeCmd) Help() string {
	return `FIRST is the first offset that is still there, NEXT the one that the next record gets; BYTES are those on the leader's disk. Of a group, COMMITTED is the offset behind what it has done, LAG how many records are behind that. "-": not known, or nobody.

Examples:

    ringtail topics describe records --brokers 127.0.0.1:9092
    ringtail topics describe click_events --brokers 127.0.0.1:9092 --group click_counter_group
    ringtail topics describe records --brokers 127.0.0.1:9092 --json | jq '.partitions[] | select(.leader == null)'`
}

// Run describes.
func (c *topicsDescribeCmd) Run(p *process) error {
	defer p.untilSignal()()
	return kafkatools.DescribeTopic(context.Background(), c.Cluster, c.DescribeOptions, p.streams())
}

type topicsDeleteCmd struct {
	kafkatools.Cluster
	Name string `arg:"" help:"The topic."`
}

// Help is shown under the flags' list.
func (*topicsDeleteCmd) Help() string {
	return "Example:\n\n    ringtail topics delete records --brokers 127.0.0.1:9092"
}

// Run deletes.
func (c *topicsDeleteCmd) Run(p *process) error {
	ctx, cancel := p.asking(exitFailed)
	defer cancel()
	return kafkatools.DeleteTopic(ctx, c.Cluster, c.Name, p.streams())
}
