package main

import (
	"fmt"

	"github.com/alecthomas/kong"
)

// Windows has the tools alone. The verbs that need the server, or its files, say so.
type (
	serveCmd struct{ needsLinux }
	checkCmd struct{ needsLinux }
	ringCmd  struct{ needsLinux }
)

type needsLinux struct {
	Args []string `arg:"" optional:"" passthrough:"" help:"Of no use on Windows."`
}

// Run refuses.
func (*needsLinux) Run(ctx *kong.Context) error {
	return fmt.Errorf("%s needs Linux; for development it runs on macOS, too", ctx.Selected().Name)
}

const hasLibrdkafka = false

func librdkafkaVersion() string { return "none (Windows has the tools alone)" }

func told(error) bool { return false }

var serveVars = kong.Vars{}

func crashBySignal() {} // there are no signals
