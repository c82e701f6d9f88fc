package producer

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringtail/ringtail/internal/franz"
	"github.com/ringtail/ringtail/producer/native"
)

// Who writes, --writer.
const (
	WriterLibrdkafka = "librdkafka"
	WriterNative     = "native"
	WriterAuto       = "auto" // native where it knows every property that is set
)

// understood are librdkafka's properties that package native knows as well, beside those of
// defaults and of security.
var understood = []string{
	"batch.size", "compression.type", "compression.codec", "compression.level",
	"request.timeout.ms", "socket.timeout.ms", "retry.backoff.ms", "retry.backoff.max.ms",
}

// librdkafka's own defaults of what native needs to know.
var rdkDefaults = map[string]string{
	"compression.level": "-1", "request.timeout.ms": "30000", "socket.timeout.ms": "60000",
	"retry.backoff.ms": "100", "retry.backoff.max.ms": "1000",
}

// onlyRdk answers a property of the user that only librdkafka knows, "" if there is none.
func (o *Options) onlyRdk() string {
	for _, k := range slices.Sorted(maps.Keys(o.Properties)) {
		name := strings.TrimPrefix(k, "topic.")
		if name == "metadata.refresh.interval.ms" {
			name = k
		}
		if a, ok := aliases[name]; ok {
			name = a
		}
		known := slices.Contains(understood, name) || name == "security.protocol" || strings.HasPrefix(name, "sasl.") || strings.Contains(name, "ssl.")
		for _, d := range defaults {
			// With --unsafe a promise may have been given up, which native knows nothing of.
			known = known || d.name == name && name != "debug" && (d.fixed == "" || sameValue(name, o.Properties[k], d.value))
		}
		if !known {
			return k
		}
	}
	return ""
}

// native are the options of an instance with that many lines.
func (o *Options) native(t topicState, lines int) (native.Options, error) {
	p := maps.Clone(rdkDefaults)
	maps.Copy(p, o.properties(t, lines))
	for k, v := range o.Properties {
		p[strings.TrimPrefix(k, "topic.")] = v
	}
	p["batch.size"] = o.properties(t, lines)["batch.size"]
	number := func(name string) int { n, _ := strconv.Atoi(p[name]); return n } // librdkafka has seen that it is one
	ms := func(name string) time.Duration { return time.Duration(number(name)) * time.Millisecond }
	n := native.Options{
		Brokers: franz.Seeds(o.Brokers), Topic: t.Name, ClientID: p["client.id"],
		BatchBytes: number("batch.size"), BatchRecords: number("batch.num.messages"),
		RequestTimeout: ms("request.timeout.ms"), SocketTimeout: ms("socket.timeout.ms"),
		Backoff: ms("retry.backoff.ms"), BackoffMax: ms("retry.backoff.max.ms"),
		LookEvery: ms("topic.metadata.refresh.interval.ms"), TellEvery: ms("statistics.interval.ms"),
	}
	security, err := franz.SecurityOf(p)
	if err != nil {
		return n, err
	}
	n.TLS, n.SASL = security.TLS, security.SASL
	codec := p["compression.type"]
	if codec == "" {
		codec = p["compression.codec"]
	}
	n.Compressor, err = compressor(codec, number("compression.level"))
	return n, err
}

func compressor(codec string, level int) (kgo.Compressor, error) {
	codecs := map[string]kgo.CompressionCodec{
		"": kgo.NoCompression(), "none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}
	c, ok := codecs[strings.ToLower(codec)]
	if !ok {
		return nil, fmt.Errorf("compression.type=%s is one that only librdkafka understands", codec)
	}
	if level >= 0 {
		c = c.WithLevel(level)
	}
	return kgo.DefaultCompressor(c)
}

// chooseWriter decides who writes. The error names what native does not know.
func (o *Options) chooseWriter() error {
	switch o.Writer {
	case "", WriterLibrdkafka:
		return nil
	case WriterNative, WriterAuto:
	default:
		return fmt.Errorf("--writer is %q, must be %s, %s or %s", o.Writer, WriterAuto, WriterNative, WriterLibrdkafka)
	}
	err := error(nil)
	if name := o.onlyRdk(); name != "" {
		err = fmt.Errorf("%s is a property that only librdkafka understands", name)
	} else {
		_, err = o.native(topicState{}, 1)
	}
	switch {
	case err == nil:
		o.isNative = true
	case o.Writer == WriterNative:
		return fmt.Errorf("--writer %s: --kafka-property %w", WriterNative, err)
	default:
		o.Logger.Info("librdkafka writes to Kafka, as with --writer "+WriterLibrdkafka, "because", err)
	}
	return nil
}
