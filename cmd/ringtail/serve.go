//go:build !windows

package main

import (
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"github.com/ringtail/ringtail/codec"
	"github.com/ringtail/ringtail/internal/certs"
	"github.com/ringtail/ringtail/internal/config"
	"github.com/ringtail/ringtail/internal/node"
	"github.com/ringtail/ringtail/shard"
)

// serveFlags are the flags of serve and of check. Each is a key of the --config
// file and an environment variable as well.
type serveFlags struct {
	Listen               config.List       `default:"tcp://127.0.0.1:8888" placeholder:"URL" help:"Where to take records: tcp://HOST:PORT, tls://HOST:PORT, unix:///PATH or systemd://NAME, with ?framing=…&ack=…&allow=…&proxy-protocol=…&token=off for this listener alone; unix also ?mode=0660&owner=…&group=…, systemd ?tls=on. Repeatable."`
	TLSCert              config.List       `name:"tls-cert" placeholder:"FILE" help:"For tls://: the certificate and its chain, in PEM. Read again when it changes. Repeatable: clients get the one of the name that they ask for, or the first."`
	TLSKey               config.List       `name:"tls-key" placeholder:"FILE" help:"Its key, without a passphrase; as many as certificates. Default: in the certificates' files."`
	TLSClientCA          string            `name:"tls-client-ca" placeholder:"FILE" help:"For tls://: clients need a certificate that one of these has signed. Default: none needed."`
	Framing              string            `default:"auto" values:"${framings}" help:"How records are told apart: ${framings_help}."`
	Field                string            `default:"number" help:"The field that routes: at the top level, or inside of others as a.b or /a/b."`
	Shards               int               `default:"10" help:"Shard = number mod shards; shard i is written to partition i."`
	Sink                 string            `default:"kafka" enum:"kafka,discard" help:"kafka, or discard: count records, throw them away, ack at once; needs no broker."`
	Brokers              string            `placeholder:"HOST:PORT,…" help:"Kafka's brokers."`
	Embedded             bool              `help:"Run a broker in this process, with the topics made. Nothing survives it."`
	EmbeddedPort         int               `default:"9092" help:"Its port on 127.0.0.1; 0 for any."`
	Topic                string            `default:"records" help:"The topic that records go to."`
	FoldPartitions       bool              `help:"Let the topic have fewer partitions than shards: shard i goes to partition i mod partitions."`
	KeyField             string            `help:"Top-level field whose value becomes the Kafka key. Default: no key."`
	Header               config.List       `placeholder:"NAME=WHAT" help:"Give records the Kafka header NAME. WHAT is address (the client's IP:port, or unix), time (when the record was taken, in milliseconds since 1970), or name (of the client's certificate or token; no header without one). Repeatable."`
	DeadLetterTopic      string            `help:"The topic that rejected records go to. Default: none."`
	Ack                  string            `default:"off" enum:"off,kafka" help:"kafka: tell clients what is in Kafka."`
	MaxRecordBytes       config.Size       `default:"${max_record_bytes}" help:"Longer records, with their key and headers, are rejected; the topic's own limit counts too, if lower. With lengths, at most 16MiB."`
	MaxConnections       config.Count      `default:"${max_connections}" help:"Over it, connections are closed at once. 0: as many as the descriptor limit allows, which caps it in any case."`
	MaxConnectionsPerIP  config.Count      `name:"max-connections-per-ip" default:"0" help:"The same for one address. 0: no limit."`
	Allow                config.List       `placeholder:"CIDR" help:"Who may connect, by address. Unix sockets have modes instead. Default: everybody. Repeatable."`
	Deny                 config.List       `placeholder:"CIDR" help:"Who may not, whatever --allow says. Repeatable."`
	ProxyProtocol        string            `default:"off" enum:"on,off" help:"on: a balancer says in a PROXY header (v1 or v2) for whom it connects; whoever does not is refused."`
	ProxyFrom            config.List       `placeholder:"CIDR" help:"The balancers that are believed. Repeatable."`
	TokenFile            string            `placeholder:"FILE" help:"Clients begin with {\"token\":\"…\"}, one of this file's: token or name:token, one a line. Read again when it changes."`
	MaxRatePerIP         config.Rate       `name:"max-rate-per-ip" default:"0" placeholder:"RATE" help:"Records (1000/s) or bytes (5MB/s) a second from one address; beyond it clients are not read. 0: no limit."`
	MaxRatePerConnection config.Rate       `default:"0" placeholder:"RATE" help:"The same for one connection."`
	ClientMemory         config.Size       `default:"256MiB" help:"What all connections together may hold of unfinished records. 0: 256MiB."`
	IdleTimeout          config.Duration   `default:"0" help:"Close connections that have sent nothing for so long. 0: never."`
	FrameTimeout         config.Duration   `default:"30s" help:"Close connections whose unfinished record is older; while others wait for memory, also those that read none of their rejected lines. 0: never."`
	FirstRecordTimeout   config.Duration   `default:"10m" help:"Close connections that have not sent a record by then, once half of the places are taken. 0: never."`
	MaxConnectionAge     config.Duration   `default:"0" help:"Close connections that are older. 0: never."`
	RingBytes            config.Size       `default:"0" help:"Memory of each shard for what Kafka does not have yet. 0: 8MiB, or its part of --ring-memory."`
	RingMemory           config.Size       `default:"0" placeholder:"SIZE" help:"Memory of all shards together, dead letters included, instead of --ring-bytes for each."`
	RingDir              string            `placeholder:"DIR" help:"Keep them in files there instead, made if missing: they survive the death of the process, not of the machine. One server a directory."`
	Loops                int               `default:"0" help:"Event loops. 0: one a core."`
	Writer               string            `default:"auto" enum:"auto,native,librdkafka" help:"Who writes to Kafka: librdkafka, Ringtail itself (native), or native where it knows every --kafka-property (auto)."`
	Producers            int               `default:"1" help:"Instances of the writer."`
	KafkaProperty        config.Properties `short:"X" placeholder:"K=V" help:"A property of librdkafka; one that would break a promise is refused. V as @FILE is what FILE holds, and $${NAME} in V a variable. Repeatable."`
	Unsafe               bool              `help:"Allow properties that may break order or lose records."`
	StartTimeout         config.Duration   `default:"60s" help:"How long to wait for the brokers at start. 0: for ever."`
	DrainTimeout         config.Duration   `default:"30s" help:"How long to take on SIGTERM or SIGINT to bring everything into Kafka."`
	TakeoverTimeout      config.Duration   `default:"10m" help:"How long to go on with the connections there are after SIGUSR2, by which a new process takes over. 0: drain them at once."`
	LogLevel             string            `default:"info" enum:"debug,info,warn,error" help:"debug, info, warn or error."`
	LogFormat            string            `default:"text" enum:"text,json" help:"text or json."`

	adminFlags

	Config      string `placeholder:"FILE" help:"YAML file of these flags, without the dashes. Flags win over the environment, the environment over the file."`
	PrintConfig bool   `source:"command-line" help:"Print the effective configuration, secrets hidden, and end."`
}

type serveCmd struct {
	serveFlags
}

// Help is shown under the flags' list.
func (*serveCmd) Help() string {
	return `Every flag is also a key of the --config file and an environment variable (--ring-bytes: RINGTAIL_RING_BYTES).
Kafka's properties come together from all three. Everybody on the machine can read a command line: give
Kafka's password as the name of a file that holds it (-X sasl.password=@/run/secrets/kafka), in the
--config file, or in RINGTAIL_KAFKA_PROPERTY_SASL_PASSWORD.

Examples:

    ringtail serve --embedded
    ringtail serve --brokers kafka-1:9092,kafka-2:9092 --topic records
    ringtail serve --brokers kafka:9092 --listen 'tcp://:8888' --listen 'tcp://:8889?framing=length&ack=kafka'
    ringtail serve --brokers kafka:9092 --listen tls://:8899 --tls-cert cert.pem --tls-key key.pem
    ringtail serve --config /etc/ringtail/ringtail.yaml
    ringtail serve --brokers kafka:9092 --ring-dir /var/lib/ringtail
    ringtail serve --sink discard --ack kafka`
}

// Run serves until a signal.
func (c *serveCmd) Run(p *process, ctx *kong.Context) error {
	if c.PrintConfig {
		return printConfig(p.Out, ctx)
	}
	o, err := c.options()
	if err != nil {
		return err
	}
	// What is on Go's heap are connections, some hundred bytes each; records are in
	// rings beside it. Collecting half as often costs little memory.
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(200)
	}
	// Nobody may be left to read the log: in "ringtail serve 2>&1 | tee log" Ctrl-C ends
	// tee, too. Go's default is to die of the next line, in the middle of the drain.
	signal.Ignore(syscall.SIGPIPE)
	stderr := node.NewStderr(p.Err)
	var level slog.LevelVar
	level.Set(c.level())
	ends, control, done := p.apart()
	defer done()
	return node.Run(o, node.Env{
		Out: p.Out, Err: stderr, Log: c.logger(stderr, &level), Signals: ends, Control: control, Args: p.Args,
		Level: &level, Flags: flagValues(ctx, o.Properties), Config: effective(ctx), Metrics: p.Metrics,
		Reload: func() (node.Configuration, error) { return reread(ctx.Args) },
	})
}

// apart tells signals that end a server from those that it obeys and goes on.
func (p *process) apart() (ends, control <-chan os.Signal, done func()) {
	if p.Hear != nil {
		p.Hear(syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2)
	}
	end, obey, stop := make(chan os.Signal, 2), make(chan os.Signal), make(chan struct{})
	go func() {
		var waiting []os.Signal // to be obeyed, one of a kind: a second one says as much
		for {
			var first os.Signal
			var next chan<- os.Signal
			if len(waiting) > 0 {
				first, next = waiting[0], obey
			}
			select {
			case next <- first:
				waiting = waiting[1:]
			case s := <-p.Signals:
				if p.Ends != nil && p.Ends(s) || p.Ends == nil && s != syscall.SIGHUP && s != syscall.SIGUSR1 && s != syscall.SIGUSR2 {
					select {
					case end <- s:
					default: // two of them wait already
					}
				} else if !slices.Contains(waiting, s) {
					waiting = append(waiting, s)
				}
			case <-stop:
				return
			}
		}
	}()
	return end, obey, func() { close(stop) }
}

// reread reads the command line, the environment and the --config file of a server that runs.
func reread(args []string) (c node.Configuration, err error) {
	var cli root
	ctx, err := parse(&cli, args)
	if err != nil {
		return c, err
	}
	f := &cli.Serve.serveFlags
	if c.Options, err = f.options(); err != nil {
		return c, err
	}
	c.Level, c.Flags, c.Config = f.level(), flagValues(ctx, c.Options.Properties), effective(ctx)
	return c, nil
}

// flagValues are the values of serve's flags, those of properties as they were read.
func flagValues(ctx *kong.Context, properties map[string]string) map[string]any {
	values := map[string]any{}
	for _, flag := range ctx.Selected().Flags {
		if config.Resolvable(ctx.Selected(), flag) {
			values[flag.Name] = flag.Target.Interface()
		}
	}
	values["kafka-property"] = properties
	return values
}

// AfterApply says what stands behind a 0. Kong calls it when it has parsed the flags.
func (c *serveFlags) AfterApply() error {
	if c.RingBytes == 0 && c.RingMemory == 0 {
		c.RingBytes = 8 << 20
	}
	if c.ClientMemory == 0 {
		c.ClientMemory = 256 << 20
	}
	return nil
}

// ringBytes is the size of each ring.
func (c *serveFlags) ringBytes() (int, error) {
	rings := max(1, c.Shards)
	if c.DeadLetterTopic != "" {
		rings++
	}
	switch one := c.RingMemory / config.Size(rings); {
	case c.RingMemory == 0:
		return int(c.RingBytes), nil
	case c.RingBytes != 0:
		return 0, config.Usagef("--ring-bytes and --ring-memory: one ring's size follows from the other; leave one of them out")
	case int(one) < shard.MinBytes(int(c.MaxRecordBytes)):
		return 0, config.Usagef("--ring-memory is %s, which is %s for each of %d rings; --max-record-bytes %s needs %s for each", c.RingMemory, one, rings,
			c.MaxRecordBytes, config.Size(shard.MinBytes(int(c.MaxRecordBytes))))
	default:
		return int(min(one, shard.MaxBytes)), nil
	}
}

func (c *serveFlags) options() (node.Options, error) {
	listeners, err := node.ParseListeners(c.Listen, c.Framing, c.Ack, node.Who{
		ProxyProtocol: c.ProxyProtocol, ProxyFrom: c.ProxyFrom, Allow: c.Allow, Deny: c.Deny,
	})
	if err != nil {
		return node.Options{}, err
	}
	headers, err := node.ParseHeaders(c.Header)
	if err != nil {
		return node.Options{}, err
	}
	properties, err := c.KafkaProperty.Read()
	if err != nil {
		return node.Options{}, err
	}
	ringBytes, err := c.ringBytes()
	if err != nil {
		return node.Options{}, err
	}
	return node.Options{
		Listeners: listeners, Headers: headers,
		Codec: codec.Options{
			Field: c.Field, Shards: c.Shards, KeyField: c.KeyField, MaxRecordBytes: int(c.MaxRecordBytes),
		},
		TLS:  certs.Files{Certs: c.TLSCert, Keys: c.TLSKey, ClientCA: c.TLSClientCA},
		Sink: c.Sink, Brokers: c.Brokers, Embedded: c.Embedded, EmbeddedPort: c.EmbeddedPort,
		Topic: c.Topic, DeadLetterTopic: c.DeadLetterTopic, FoldPartitions: c.FoldPartitions,
		Producers: c.Producers, Writer: c.Writer, Properties: properties, Unsafe: c.Unsafe,
		TokenFile: c.TokenFile, MaxRatePerIP: c.MaxRatePerIP, MaxRatePerConnection: c.MaxRatePerConnection,
		MaxConnections: int(c.MaxConnections), MaxConnectionsPerIP: int(c.MaxConnectionsPerIP), ClientMemory: int64(c.ClientMemory),
		IdleTimeout: time.Duration(c.IdleTimeout), FrameTimeout: time.Duration(c.FrameTimeout),
		FirstRecordTimeout: time.Duration(c.FirstRecordTimeout),
		MaxConnectionAge:   time.Duration(c.MaxConnectionAge),
		RingBytes:          ringBytes, RingDir: c.RingDir, Loops: c.Loops,
		StartTimeout: time.Duration(c.StartTimeout), DrainTimeout: time.Duration(c.DrainTimeout), TakeoverTimeout: time.Duration(c.TakeoverTimeout),
		Admin: c.admin(), Version: ownVersion(),
	}, nil
}

func (c *serveFlags) level() (level slog.Level) {
	_ = level.UnmarshalText([]byte(c.LogLevel)) // one of four words, all of which it knows
	return level
}

func (c *serveFlags) logger(w io.Writer, level slog.Leveler) *slog.Logger {
	o := &slog.HandlerOptions{Level: level}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}
