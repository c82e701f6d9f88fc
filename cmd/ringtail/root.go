package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ringtail/ringtail/internal/config"
	"github.com/ringtail/ringtail/internal/kafkatools"
	"github.com/ringtail/ringtail/internal/properties"
	"github.com/ringtail/ringtail/wire"
)

// root is the command line.
type root struct {
	Serve       serveCmd       `cmd:"" help:"Take records over TCP and write them to Kafka."`
	Check       checkCmd       `cmd:"" help:"Check the flags of serve without serving."`
	Topics      topicsCmd      `cmd:"" help:"List, create, alter, describe and delete topics."`
	Groups      groupsCmd      `cmd:"" help:"List and describe groups, and set their offsets."`
	Produce     produceCmd     `cmd:"" help:"Write records to a topic, or send them to a Ringtail."`
	Consume     consumeCmd     `cmd:"" help:"Read a topic."`
	Process     processCmd     `cmd:"" help:"Read a topic, compute, write another, exactly once."`
	DeadLetters deadLettersCmd `cmd:"" name:"letters" help:"Dead letters into their topic again, after a fix."`
	Ring        ringCmd        `cmd:"" help:"What the ring files of serve --ring-dir hold."`
	Status      statusCmd      `cmd:"" help:"Say what is wrong with a running server, if anything is, and what to do."`
	Bench       benchCmd       `cmd:"" help:"Load a Ringtail, measure it, and check every record."`
	Conformance conformanceCmd `cmd:"" help:"Try a client, in any language, on servers that do what real ones do in bad moments."`
	Completion  completionCmd  `cmd:"" help:"Print a script that completes ringtail's verbs and flags in bash, zsh or fish."`
	Version     versionCmd     `cmd:"" help:"Tell ringtail's release, commit and date, and its libraries' versions."`

	OwnVersion kong.VersionFlag `name:"version" short:"v" source:"command-line" help:"Tell the version of ringtail."`
}

// process is what a verb has of the process it runs in.
type process struct {
	In       io.Reader
	Out, Err io.Writer
	Signals  <-chan os.Signal
	Abort    func(code int) // ends the process at once

	Metrics *prometheus.Registry // as node.Env.Metrics

	Args []string             // what started the process; nil: that is of no use
	Hear func(...os.Signal)   // has more signals come by Signals; nil: all of them come
	Ends func(os.Signal) bool // whether a signal is to end the process; nil: all but SIGHUP, SIGUSR1 and SIGUSR2
}

// asking is context for a verb that asks Kafka before it changes anything: until it says that it
// begins to (kafkatools.Asking), the first signal ends the process at once, with that exit code.
// Kafka may be away.
func (p *process) asking(code int) (context.Context, context.CancelFunc) {
	ctx, begun := kafkatools.Asking(context.Background())
	return p.contextOf(ctx, func() {
		if !begun() {
			p.Abort(code)
		}
	})
}

// context ends with the first signal: the verb sees through what it has begun. With
// Kafka away that can take long, so a second signal ends the process.
func (p *process) context() (context.Context, context.CancelFunc) {
	return p.contextOf(context.Background(), func() {})
}

// contextOf calls first before the context ends: a verb that is told to end says so as a failure,
// and its exit code is not to win over that of first.
func (p *process) contextOf(parent context.Context, first func()) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(parent)
	done := make(chan struct{})
	go func() {
		for _, act := range []func(){func() { first(); cancel() }, func() { p.Abort(exitFailed) }} {
			select {
			case <-p.Signals:
				act()
			case <-done:
				return
			}
		}
	}()
	return ctx, func() { cancel(); close(done) }
}

// untilSignal lets a signal end the process at once: the verb only asks, and has
// nothing to see through. The returned function ends that.
func (p *process) untilSignal() (done func()) {
	ended := make(chan struct{})
	go func() {
		select {
		case <-p.Signals:
			p.Abort(exitFailed)
		case <-ended:
		}
	}()
	return func() { close(ended) }
}

// Exit codes.
const (
	exitDone   = 0
	exitFailed = 1 // at run time, or stopped with records neither in Kafka nor kept
	exitUsage  = 2 // the command line, a variable, or a key of the file

	exitPipe = 128 + int(syscall.SIGPIPE) // nobody reads the output any more: what a shell says of those that it ends
)

// run is the whole program; it returns the exit code.
func run(args []string, p *process) (code int) {
	if len(args) == 0 || args[0] == "help" {
		args = append(args[min(len(args), 1):], "--help")
	}
	// kong answers --help with a call of exit in the middle of parsing.
	type exit struct{ code int }
	defer func() {
		if r := recover(); r != nil {
			e, ok := r.(exit)
			if !ok {
				panic(r)
			}
			code = e.code
		}
	}()
	var cli root
	ctx, err := parse(&cli, args, kong.Writers(p.Out, p.Err), kong.Exit(func(code int) { panic(exit{code}) }))
	if err != nil {
		return p.report(err)
	}
	return p.report(ctx.Run(p))
}

// parse reads the command line, and the sources of what it leaves out.
func parse(cli *root, args []string, options ...kong.Option) (*kong.Context, error) {
	sources := config.Sources{Known: properties.Names}
	parser, err := kong.New(cli, append(append(sources.Options(),
		kong.Name("ringtail"),
		kong.Description("JSON records over TCP into Apache Kafka: one partition a digit, in order, nothing lost."),
		flagVars, serveVars,
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
	), options...)...)
	if err != nil {
		panic(err) // the struct tags are wrong; every test finds it
	}
	ctx, err := parser.Parse(joined(args))
	if err == nil {
		return ctx, nil
	}
	if err = plainly(err); sources.Where() != "" {
		err = fmt.Errorf("%s: %w", sources.Where(), err)
	}
	return nil, config.Usagef("%w", err)
}

// flagVars are, with serveVars, values, defaults and words of flags that others say.
var flagVars = kong.Vars{
	"version":           "ringtail " + ownVersion(),
	"framings":          wire.Words(wire.All()...),
	"framings_help":     wire.Help(),
	"framings_sent":     wire.Words(wire.Sent...),
	"framings_exported": wire.Words(wire.Newline, wire.Length, wire.JSON),
}

// joined ties a negative number to its flag, as in --from -10: kong takes what begins with a
// hyphen for a flag.
func joined(args []string) []string {
	var out []string
	for _, arg := range args {
		last := len(out) - 1
		if last >= 0 && len(arg) > 1 && arg[0] == '-' && arg[1] >= '0' && arg[1] <= '9' && strings.HasPrefix(out[last], "--") && !strings.Contains(out[last], "=") {
			out[last] += "=" + arg
			continue
		}
		out = append(out, arg)
	}
	return out
}

// report says an error in one line and gives the exit code for it.
func (p *process) report(err error) int {
	if err == nil {
		return exitDone
	}
	var usage *config.UsageError
	if told(err) || errors.Is(err, errNotOK) {
		return exitFailed
	}
	if errors.Is(err, syscall.EPIPE) {
		return exitPipe
	}
	_, _ = fmt.Fprintln(p.Err, "ringtail: "+strings.Join(strings.Fields(err.Error()), " "))
	if errors.As(err, &usage) {
		return exitUsage
	}
	return exitFailed
}
