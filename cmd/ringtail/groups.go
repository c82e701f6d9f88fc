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

type groupsListCmd struct {
	kafkatools.Cluster
	JSON bool `name:"json" help:"Print an array of objects: name, state."`
}

// Help is shown under the flags' list.
func (*groupsListCmd) Help() string {
	return "Example:\n\n    ringtail groups list --brokers 127.0.0.1:9092"
}

// Run lists.
func (c *groupsListCmd) Run(p *process) error {
	defer p.untilSignal()()
	return kafkatools.ListGroups(context.Background(), c.Cluster, c.JSON, p.streams())
}

type groupsDescribeCmd struct {
	kafkatools.Cluster
	Group string `arg:"" help:"The group."`
	JSON  bool   `name:"json" help:"Print one JSON object; what is not known is null."`
}

// Help is shown under the flags' list.
func (*groupsDescribeCmd) Help() string {
	return "Example:\n\n    ringtail groups describe click_counter_group --brokers 127.0.0.1:9092\n    ringtail groups describe click_counter_group --brokers 127.0.0.1:9092 --json | jq '[.partitions[].lag] | add'"
}

// Run describes.
func (c *groupsDescribeCmd) Run(p *process) error {
	defer p.untilSignal()()
	return kafkatools.DescribeGroup(context.Background(), c.Cluster, c.Group, c.JSON, p.streams())
}

type groupsResetCmd struct {
	kafkatools.Cluster
	kafkatools.ResetOptions
}

// Help is shown under the flags' list.
func (*groupsResetCmd) Help() string {
	return `Examples:

    ringtail groups reset click_counter_group --brokers 127.0.0.1:9092 --topic click_events --to beginning
    ringtail groups reset click_counter_group --brokers 127.0.0.1:9092 --topic click_events --to 2026-11-26T17:00:00Z`
}

// Run resets.
func (c *groupsResetCmd) Run(p *process) error {
	ctx, cancel := p.asking(exitFailed)
	defer cancel()
	return kafkatools.ResetGroup(ctx, c.Cluster, c.ResetOptions, p.streams())
}
