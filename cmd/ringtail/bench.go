package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/ringtail/ringtail/bench"
	"github.com/ringtail/ringtail/internal/certs"
	"github.com/ringtail/ringtail/internal/config"
	"github.com/ringtail/ringtail/internal/kafkaclient"
	"github.com/ringtail/ringtail/internal/properties"
	"github.com/ringtail/ringtail/internal/tokens"
	"github.com/ringtail/ringtail/wire"
)

type benchCmd struct {
	Run     benchRunCmd     `cmd:"" default:"withargs" help:"Load a Ringtail and measure it (the default)."`
	Compare benchCompareCmd `cmd:"" help:"Compare two results that --json wrote."`
}

// Help is shown under the commands' list.
func (*benchCmd) Help() string {
	return "ringtail bench --records 1000000 is short for ringtail bench run --records 1000000; ringtail bench run --help lists the flags."
}

type benchRunCmd struct {
	Target        string            `default:"tcp://127.0.0.1:8888" placeholder:"URL" help:"The Ringtail: tcp://HOST:PORT, tls://HOST:PORT or unix:///PATH."`
	TLS           certs.ClientFiles `embed:""`
	Connections   config.Count      `default:"16" help:"How many connections."`
	Records       config.Count      `default:"0" help:"How many records over all connections: 500, 10k, 1M. Default: 1000000, without --duration."`
	Duration      config.Duration   `default:"0" help:"Send for so long instead."`
	Rate          config.PerSecond  `default:"0" help:"Records a second over all connections (open loop). 0: as fast as possible."`
	Size          config.Size       `default:"220" help:"Mean size of a record."`
	Framing       string            `default:"newline" enum:"${framings_sent}" help:"newline, length, json (objects back to back) or auto (objects mixed: one a line, and back to back)."`
	Digit         int               `default:"-1" help:"Last digit of every number. Default: all come alike."`
	Ack           bool              `help:"Read the server's acks and measure latency; needs its --ack kafka."`
	Resend        bool              `help:"Connect again where a connection breaks, and send again what was not acked."`
	TokenFile     string            `placeholder:"FILE" help:"The server has --token-file; the first token of this one is sent first."`
	Verify        bool              `help:"Read the topic back and look for every record."`
	VerifyTimeout config.Duration   `default:"30s" help:"How long the topic may stand still before what is missing counts as missing."`
	Brokers       string            `placeholder:"HOST:PORT,…" help:"With --verify: Kafka's brokers (RINGTAIL_BROKERS)."`
	KafkaProperty config.Properties `short:"X" placeholder:"K=V" help:"With --verify: a property of librdkafka about who you are, security.protocol, ssl.… or sasl.…; others are not looked at. V as @FILE is what FILE holds. Repeatable."`
	Topic         string            `default:"records" help:"With --verify: the topic."`
	Shards        int               `default:"10" help:"With --verify: the server's --shards."`
	JSON          string            `name:"json" placeholder:"FILE" help:"Write the result there; -: to standard output instead of the table."`
	Gobench       bool              `help:"Write the result as go test -bench does, for benchstat."`
}

// Help is shown under the flags' list.
func (*benchRunCmd) Help() string {
	return `Latency counts from the time a record was meant to be sent (--rate), so a server that stalls is charged for all that it kept waiting. Exit code 1 if --verify finds anything missing, doubled, out of order, misrouted or changed.

Examples:

    ringtail bench --records 5000000
    ringtail bench --rate 20000 --duration 30s --ack
    ringtail bench --records 1000000 --ack --verify --brokers 127.0.0.1:9092 --topic records --json before.json
    ringtail bench compare before.json after.json`
}

func (c *benchRunCmd) job(p *process) (*bench.Job, error) {
	framing, err := wire.ParseFraming(c.Framing)
	if err != nil {
		return nil, config.Usagef("%w", err)
	}
	tlsConfig, err := c.TLS.Config()
	if err != nil {
		return nil, config.Usagef("%w", err)
	}
	token, err := tokens.First(c.TokenFile)
	if err != nil {
		return nil, config.Usagef("%w", err)
	}
	security, err := c.security()
	if err != nil {
		return nil, config.Usagef("%w", err)
	}
	j := &bench.Job{
		Options: bench.Options{
			Target: c.Target, TLS: tlsConfig, Connections: int(c.Connections), Records: int64(c.Records), Duration: time.Duration(c.Duration), Rate: float64(c.Rate),
			Size: int(c.Size), Framing: framing, Ack: c.Ack, Resend: c.Resend, Digit: c.Digit, Token: token,
		},
		Verify: c.Verify, Brokers: kafkaclient.Seeds(c.Brokers), Security: security, Topic: c.Topic, Shards: c.Shards, Patience: time.Duration(c.VerifyTimeout),
	}
	if j.Records == 0 && j.Duration == 0 {
		j.Records = 1_000_000
	}
	if isTerminal(p.Err) {
		j.Progress = p.Err
	}
	if err := j.Validate(); err != nil {
		return nil, config.Usagef("%w", err)
	}
	return j, nil
}

// security is how --verify is let in.
func (c *benchRunCmd) security() (kafkaclient.Security, error) {
	given, err := c.KafkaProperty.Read()
	if err == nil {
		err = properties.Check(given)
	}
	if err != nil {
		return kafkaclient.Security{}, err
	}
	s, err := kafkaclient.SecurityOf(given)
	if err != nil {
		err = fmt.Errorf("--kafka-property: %w, and --verify reads without it", err)
	}
	return s, err
}

// Run loads, checks, and tells what came of it.
func (c *benchRunCmd) Run(p *process) error {
	j, err := c.job(p)
	if err != nil {
		return err
	}
	var file *os.File
	if c.JSON != "" && c.JSON != "-" { // before the load, which may take long and would be for nothing
		if file, err = os.Create(c.JSON); err != nil {
			return config.Usagef("--json: %w", err)
		}
		defer func() { _ = file.Close() }()
	}
	ctx, cancel := p.context()
	defer cancel()
	result, err := j.Run(ctx)
	if errors.Is(err, bench.ErrTopic) {
		err = config.Usagef("%w", err)
	}
	if result == nil {
		return err
	}
	if werr := c.write(p.Out, file, result); werr != nil {
		return werr
	}
	if warning := result.RateWarning(); warning != "" {
		_, _ = fmt.Fprintln(p.Err, "ringtail: "+warning)
	}
	if err != nil {
		return err
	}
	return result.Err()
}

func (c *benchRunCmd) write(out io.Writer, file *os.File, result *bench.Result) error {
	if c.JSON == "-" {
		return result.WriteJSON(out)
	}
	if file != nil {
		if err := result.WriteJSON(file); err != nil {
			return err
		}
		if err := file.Close(); err != nil {
			return err
		}
	}
	if c.Gobench {
		return result.WriteGoBench(out)
	}
	return result.WriteTable(out)
}

type benchCompareCmd struct {
	A string `arg:"" help:"A result, as --json wrote it."`
	B string `arg:"" help:"Another."`
}

// Run compares.
func (c *benchCompareCmd) Run(p *process) error {
	var results [2]*bench.Result
	for i, name := range []string{c.A, c.B} {
		f, err := os.Open(name)
		if err != nil {
			return config.Usagef("%w", err)
		}
		results[i], err = bench.ReadResult(f)
		_ = f.Close() // only read
		if err != nil {
			return config.Usagef("%s: %w", name, err)
		}
	}
	return bench.Compare(p.Out, results[0], results[1])
}
