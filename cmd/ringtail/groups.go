package main

import (
	"context"

	"github.com/ringtail/ringtail/internal/kafkatools"
)

type groupsCmd struct {
	List     groupsListCmd     `cmd:"" help:"List all groups and their states."`
	Describe groupsDescribeCmd `cmd:"" help:"Show a group's offsets, lag and members in every topic."`
	Reset    groupsResetCmd    `cmd:"" help:"Set a group's offsets in a topic, while none of its members runs."`
}

type groupsListCmd struct{ kafkaFlags }

// Help is shown under the flags' list.
func (*groupsListCmd) Help() string {
	return "Example:\n\n    ringtail groups list --brokers 127.0.0.1:9092"
}

// Run lists.
func (c *groupsListCmd) Run(p *process) error {
	defer p.untilSignal()()
	return kafkatools.ListGroups(context.Background(), c.cluster(), p.streams())
}

type groupsDescribeCmd struct {
	kafkaFlags
	Group string `arg:"" help:"The group."`
}

// Help is shown under the flags' list.
func (*groupsDescribeCmd) Help() string {
	return "Example:\n\n    ringtail groups describe click_counter_group --brokers 127.0.0.1:9092"
}

// Run describes.
func (c *groupsDescribeCmd) Run(p *process) error {
	defer p.untilSignal()()
	return kafkatools.DescribeGroup(context.Background(), c.cluster(), c.Group, p.streams())
}

type groupsResetCmd struct {
	kafkaFlags
	Group     string `arg:"" help:"The group."`
	Topic     string `help:"The topic."`
	To        string `source:"command-line" required:"" placeholder:"WHERE" help:"beginning, end, an offset, -N (the last N of each partition), or a time (2026-11-26T17:00:00Z, \"2026-11-26 17:00\", 15m ago as 15m)."`
	Partition int    `source:"command-line" default:"-1" help:"This partition alone. Default: all."`
}

// Help is shown under the flags' list.
func (*groupsResetCmd) Help() string {
	return `Examples:

    ringtail groups reset click_counter_group --brokers 127.0.0.1:9092 --topic click_events --to beginning
    ringtail groups reset click_counter_group --brokers 127.0.0.1:9092 --topic click_events --to 2026-11-26T17:00:00Z`
}

// Run resets.
func (c *groupsResetCmd) Run(p *process) error {
	ctx, cancel := p.context()
	defer cancel()
	return kafkatools.ResetGroup(ctx, c.cluster(), kafkatools.ResetOptions{Group: c.Group, Topic: c.Topic, To: c.To, Partition: c.Partition}, p.streams())
}
