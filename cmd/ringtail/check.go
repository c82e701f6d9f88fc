//go:build !windows

package main

import (
	"fmt"

	"github.com/alecthomas/kong"

	"github.com/ringtail/ringtail/internal/node"
)

type checkCmd struct {
	serveFlags
	Connect bool `source:"command-line" help:"Ask the brokers about the topic, too."`
}

// Help is shown under the flags' list.
func (*checkCmd) Help() string {
	return `Examples:

    ringtail check --config /etc/ringtail/ringtail.yaml
    ringtail check --config /etc/ringtail/ringtail.yaml --connect`
}

// Run checks.
func (c *checkCmd) Run(p *process, ctx *kong.Context) error {
	if c.PrintConfig {
		return printConfig(p.Out, ctx)
	}
	o, err := c.options()
	if err != nil {
		return err
	}
	defer p.untilSignal()()
	writer, err := node.Check(o, c.Connect, c.logger(p.Err, c.level()))
	if err != nil {
		return err
	}
	if _, err = fmt.Fprintln(p.Out, "ok"); err == nil && writer != "" {
		_, err = fmt.Fprintln(p.Out, "writer: "+writer)
	}
	return err
}
