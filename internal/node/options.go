package node

import (
	"errors"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ringtail/ringtail/codec"
	"github.com/ringtail/ringtail/internal/certs"
	"github.com/ringtail/ringtail/internal/config"
	"github.com/ringtail/ringtail/internal/kafkaclient"
	"github.com/ringtail/ringtail/producer"
	"github.com/ringtail/ringtail/server"
	"github.com/ringtail/ringtail/shard"
)

// The values of --sink.
const (
	SinkKafka   = "kafka"
	SinkDiscard = "discard"
)

// MaxConnectionsDefault is --max-connections where nobody says anything: enough for everybody, so that
// a lower limit of descriptors, which counts too, is nothing to warn of.
const MaxConnectionsDefault = 100_000

// MaxRecordBytesDefault is --max-record-bytes where nobody says anything: what a topic takes unless it
// was told otherwise.
const MaxRecordBytesDefault = 1_000_000

// Options of a node; each is the flag of `ringtail serve` of that name.
type Options struct {
	Listeners []server.Listener // --listen, with --framing and --ack applied
	Headers   []server.Header   // --header
	Codec     codec.Options     // --field, --shards, --key-field, --max-record-bytes
	TLS       certs.Files       // --tls-cert, --tls-key, --tls-client-ca

	Sink            string
	Brokers         string
	Embedded        bool
	EmbeddedPort    int
	Topic           string
	DeadLetterTopic string
	FoldPartitions  bool
	Producers       int
	Writer          string            // --writer
	Properties      map[string]string // --kafka-property
	Unsafe          bool

	TokenFile            string // "": nobody is asked for a token
	MaxRatePerIP         config.Rate
	MaxRatePerConnection config.Rate

	MaxConnections      int
	MaxConnectionsPerIP int
	ClientMemory        int64
	IdleTimeout         time.Duration
	FrameTimeout        time.Duration
	FirstRecordTimeout  time.Duration
	MaxConnectionAge    time.Duration
	RingBytes           int
	RingDir             string // "": memory
	Loops               int

	StartTimeout    time.Duration
	DrainTimeout    time.Duration
	TakeoverTimeout time.Duration
	Admin           AdminOptions

	Version string
}

// serverOptions are those that are the server's, without what a node makes for it.
func (o *Options) serverOptions() server.Options {
	return server.Options{
		Listeners:            o.Listeners,
		Codec:                o.Codec,
		Loops:                o.Loops,
		Headers:              o.Headers,
		MaxRatePerIP:         server.Rate(o.MaxRatePerIP),
		MaxRatePerConnection: server.Rate(o.MaxRatePerConnection),
		MaxConnections:       o.MaxConnections,
		MaxConnectionsPerIP:  o.MaxConnectionsPerIP,
		ClientMemory:         o.ClientMemory,
		IdleTimeout:          o.IdleTimeout,
		FrameTimeout:         o.FrameTimeout,
		FirstRecordTimeout:   o.FirstRecordTimeout,
		MaxConnectionAge:     o.MaxConnectionAge,
	}
}

// Env is what a node has of the process it runs in.
type Env struct {
	Out     io.Writer        // the ready line
	Err     *Stderr          // the drained line
	Log     *slog.Logger     // writes to Err, too
	Signals <-chan os.Signal // the first one drains, the second one ends at once
	Control <-chan os.Signal // SIGHUP reloads, SIGUSR1 logs the verdict, SIGUSR2 begins a takeover

	Config map[string]string // the effective configuration, by flag, without secrets

	Metrics *prometheus.Registry // where the node's metrics are registered; nil: in one of its own

	Level  *slog.LevelVar                // of Log; nil: it stays as it is
	Flags  map[string]any                // the flags' values, to tell what a reload changes
	Reload func() (Configuration, error) // reads them anew; nil: nothing can be reloaded
	Args   []string                      // what started this program; nil: nothing can take over
}

// Validate finds what is wrong without asking anybody else. Its errors are
// config.UsageError.
func (o *Options) Validate() error {
	if _, err := codec.NewRouter(o.Codec); err != nil {
		return config.Usagef("%w", err)
	}
	switch {
	case o.Sink != SinkKafka && o.Sink != SinkDiscard:
		return config.Usagef("--sink %q is unknown; one of kafka, discard", o.Sink)
	case o.Sink == SinkDiscard && o.Embedded:
		return config.Usagef("--embedded makes no sense with --sink discard, which needs no broker; leave one of them out")
	case o.Embedded && o.Brokers != "":
		return config.Usagef("--embedded brings its own broker; leave out --brokers %s", o.Brokers)
	case o.Sink == SinkKafka && !o.Embedded && o.Brokers == "":
		return config.Usagef("--brokers is missing; give host:port,… or, for a try without Kafka, --embedded")
	case o.Sink == SinkKafka && o.Codec.Shards > producer.ShardsMax:
		return config.Usagef("--shards is %d; must be at most %d", o.Codec.Shards, producer.ShardsMax)
	case o.EmbeddedPort < 0 || o.EmbeddedPort > 65535:
		return config.Usagef("--embedded-port is %d; a port is 1 to 65535, 0 for any", o.EmbeddedPort)
	}
	if err := errors.Join(producer.CheckTopics(o.Topic, o.DeadLetterTopic), producer.CheckProducers(o.Producers, o.Codec.Shards)); err != nil {
		return config.Usagef("%w", err)
	}
	switch {
	case shard.MinBytes(o.Codec.MaxRecordBytes) > shard.MaxBytes:
		return config.Usagef("--max-record-bytes is %s; a ring has %s at most, and room for four of the largest", config.Size(o.Codec.MaxRecordBytes), config.Size(shard.MaxBytes))
	case o.RingBytes < shard.MinBytes(o.Codec.MaxRecordBytes) || o.RingBytes > shard.MaxBytes:
		return config.Usagef("--ring-bytes is %s; --max-record-bytes %s needs %s to %s", config.Size(o.RingBytes),
			config.Size(o.Codec.MaxRecordBytes), config.Size(shard.MinBytes(o.Codec.MaxRecordBytes)), config.Size(shard.MaxBytes))
	case o.Loops < 0 || o.Loops > 256:
		return config.Usagef("--loops is %d; must be 1 to 256, 0 for one a core", o.Loops)
	}
	if err := o.validateFramings(); err != nil {
		return err
	}
	if err := o.validateTLS(); err != nil {
		return err
	}
	if err := producer.CheckProperties(o.Properties, o.Unsafe); err != nil {
		return config.Usagef("%w", err)
	}
	return o.validateAddresses()
}

// validateFramings refuses a limit that a framing cannot reach: a client that trusted it would be
// cut off.
func (o *Options) validateFramings() error {
	for _, l := range o.Listeners {
		if codec.Bounded(l.Framing) && o.Codec.MaxRecordBytes > codec.MaxLength {
			return config.Usagef("--max-record-bytes is %s; --framing %v, which --listen %s has, takes records of %s at most",
				config.Size(o.Codec.MaxRecordBytes), l.Framing, l.URL(), config.Size(codec.MaxLength))
		}
	}
	return nil
}

// validateTLS refuses certificates that nobody would use, and listeners that have none.
func (o *Options) validateTLS() error {
	encrypted := slices.IndexFunc(o.Listeners, func(l server.Listener) bool { return l.TLS })
	switch {
	case encrypted >= 0 && len(o.TLS.Certs) == 0:
		return config.Usagef("--listen %s: --tls-cert is missing; give the certificate's file, in PEM, and with --tls-key its key's",
			named(o.Listeners[encrypted]))
	case encrypted < 0 && o.TLS.Given():
		return config.Usagef("--tls-cert, --tls-key and --tls-client-ca are for a --listen tls://HOST:PORT or systemd://NAME?tls=on, and there is none; nothing would be encrypted")
	}
	return nil
}

// named is a TLS listener as --listen has it.
func named(l server.Listener) string {
	if l.Network == "systemd" {
		return l.URL() + "?tls=on"
	}
	return l.URL()
}

func (o *Options) validateAddresses() error {
	if o.Brokers != "" {
		if err := kafkaclient.CheckSeeds(o.Brokers); err != nil {
			return config.Usagef("%w", err)
		}
	}
	if err := o.Admin.validate(); err != nil {
		return err
	}
	used := map[string]bool{"tcp://" + o.Admin.Address: true}
	for _, l := range o.Listeners {
		address := l.Network + "://" + l.Address
		if used[address] && !strings.HasSuffix(address, ":0") {
			return config.Usagef("--listen %s is given twice, or is --admin's; every one needs an address of its own", l.URL())
		}
		used[address] = true
	}
	return nil
}
