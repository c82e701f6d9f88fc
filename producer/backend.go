package producer

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringtail/ringtail/internal/kafkaclient"
	"github.com/ringtail/ringtail/producer/backend"
	"github.com/ringtail/ringtail/producer/native"
)

// Values of --writer: which client writes.
const (
	WriterLibrdkafka = "librdkafka"
	WriterNative     = "native"
	WriterAuto       = "auto" // native where it knows every property that is set and gets through to Kafka, else librdkafka
)

// nativeProperties are librdkafka's properties that package native knows as well, beside those in
// defaults and those of security.
var nativeProperties = []string{
	"batch.size", "compression.codec", "compression.level",
	"request.timeout.ms", "socket.timeout.ms", "retry.backoff.ms", "retry.backoff.max.ms",
}

// librdkafkaOnly returns a property of the user that only librdkafka knows, "" if there is none.
func (o *Options) librdkafkaOnly() string {
	for _, k := range slices.Sorted(maps.Keys(o.Properties)) {
		name := canonical(k)
		known := slices.Contains(nativeProperties, name) || kafkaclient.IsSecurity(name)
		for _, d := range defaults {
			// --unsafe may have given up a promise; native can only keep it.
			known = known || d.name == name && name != "debug" && (d.fixed == "" || sameValue(name, o.Properties[k], d.value))
		}
		if !known {
			return k
		}
	}
	return ""
}

// nativeOptions are the options of a native client.
func (o *Options) nativeOptions(t topicState) (native.Options, error) {
	n := native.Options{
		Brokers: kafkaclient.Seeds(o.Brokers), Topic: t.Name, ClientID: o.property("client.id"),
		BatchBytes: min(int(o.number("batch.size")), t.batchMax()), BatchRecords: int(o.number("batch.num.messages")),
		RequestTimeout: o.milliseconds("request.timeout.ms"), SocketTimeout: o.milliseconds("socket.timeout.ms"),
		Backoff: o.milliseconds("retry.backoff.ms"), BackoffMax: o.milliseconds("retry.backoff.max.ms"),
		RefreshEvery: o.milliseconds(refreshInterval),
	}
	security, err := kafkaclient.SecurityOf(o.Properties)
	if err != nil {
		return n, err
	}
	n.TLS, n.SASL = security.TLS, security.SASL
	n.Compressor, err = compressor(strings.ToLower(o.property("compression.codec")), int(o.number("compression.level")))
	return n, err
}

// compressor returns franz-go's compressor for librdkafka's name and level. Only the levels of gzip
// mean the same to both: the libraries that franz-go uses number those of lz4 and zstd in other
// ways.
func compressor(codec string, level int) (kgo.Compressor, error) {
	codecs := map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}
	c, ok := codecs[codec]
	switch {
	case !ok:
		return nil, fmt.Errorf("compression.codec=%s is one that only librdkafka understands", codec)
	case level >= 0 && codec == "gzip":
		c = c.WithLevel(level)
	case level >= 0 && (codec == "lz4" || codec == "zstd"):
		return nil, fmt.Errorf("compression.level=%d of %s is one that only librdkafka understands", level, codec)
	}
	return kgo.DefaultCompressor(c)
}

// traits are those of the client that writes.
func (o *Options) traits() backend.Traits {
	if o.native {
		return native.Traits
	}
	return librdkafkaTraits
}

// chooseWriter decides which client writes. Its error names the property that native does not know.
func (o *Options) chooseWriter() error {
	o.why = "as --writer says"
	switch o.Writer {
	case "", WriterLibrdkafka:
		if !HasLibrdkafka {
			return fmt.Errorf("--writer %s: this build has none; build with a C compiler (CGO_ENABLED=1), or leave --writer out", WriterLibrdkafka)
		}
		return nil
	case WriterNative, WriterAuto:
	default:
		return fmt.Errorf("--writer is %q, must be %s, %s or %s", o.Writer, WriterAuto, WriterNative, WriterLibrdkafka)
	}
	var err error
	if name := o.librdkafkaOnly(); name != "" {
		err = fmt.Errorf("%s is a property that only librdkafka understands", name)
	} else {
		_, err = o.nativeOptions(topicState{})
	}
	switch {
	case err == nil:
		o.native = true
		if o.Writer == WriterAuto {
			o.why = "it knows every property that is set"
		}
	case errors.Is(err, kafkaclient.ErrKey), errors.Is(err, kafkaclient.ErrMissing):
		return fmt.Errorf("--kafka-property %w", err)
	case !HasLibrdkafka:
		return fmt.Errorf("--kafka-property %w, and this build has none; build with a C compiler (CGO_ENABLED=1)", err)
	case o.Writer == WriterNative:
		return fmt.Errorf("--writer %s: --kafka-property %w", WriterNative, err)
	default:
		o.why = err.Error()
	}
	return nil
}
