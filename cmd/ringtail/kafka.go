package main

import (
	"io"
	"os"

	"golang.org/x/term"

	"github.com/ringtail/ringtail/internal/config"
	"github.com/ringtail/ringtail/internal/kafkatools"
)

// kafkaFlags are how a verb reaches Kafka.
type kafkaFlags struct {
	Brokers       string            `placeholder:"HOST:PORT,…" help:"Kafka's brokers (RINGTAIL_BROKERS)."`
	KafkaProperty config.Properties `short:"X" placeholder:"K=V" help:"A property of librdkafka. Repeatable."`
}

func (f *kafkaFlags) cluster() kafkatools.Cluster {
	return kafkatools.Cluster{Brokers: f.Brokers, Properties: f.KafkaProperty}
}

func (p *process) streams() kafkatools.Streams {
	return kafkatools.Streams{
		In: p.In, Out: p.Out, Err: p.Err,
		OutTerminal: isTerminal(p.Out), ErrTerminal: isTerminal(p.Err),
	}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
