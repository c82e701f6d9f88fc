package producer

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/ringtail/ringtail/shard"
)

// TestChooseWriter: whoever sets a property gets a writer that knows it, or is told its
// name.
func TestChooseWriter(t *testing.T) {
	for _, c := range []struct {
		properties, writer string
		native             bool
		said               string // in the error, or in the log
	}{
		{"", WriterAuto, true, ""},
		{"", WriterLibrdkafka, false, ""},
		{"", "", false, ""},
		{"", "kafka", false, `--writer is "kafka"`},
		{"linger.ms=20 queue.buffering.max.ms=20 topic.compression.codec=lz4 batch.size=10000 client.id=me request.timeout.ms=1000", WriterNative, true, ""},
		{"compression.type=gzip compression.level=3 acks=-1 statistics.interval.ms=0", WriterAuto, true, ""},
		{"compression.type=zstd compression.level=-1", WriterAuto, true, ""},
		{"compression.type=zstd compression.level=3", WriterAuto, false, "compression.level=3"},
		{"compression.type=lz4 compression.level=3", WriterNative, false, "compression.level=3"},
		{"security.protocol=sasl_plaintext sasl.mechanism=PLAIN sasl.username=u sasl.password=p", WriterAuto, true, ""},
		{"broker.address.family=v4", WriterAuto, false, "broker.address.family"},
		{"broker.address.family=v4", WriterNative, false, "broker.address.family"},
		{"debug=broker", WriterAuto, false, "debug"},
		{"security.protocol=sasl_plaintext sasl.mechanism=OAUTHBEARER", WriterAuto, false, "OAUTHBEARER"},
		{"security.protocol=ssl ssl.sigalgs.list=ECDSA+SHA256", WriterNative, false, "ssl.sigalgs.list"},
	} {
		var log bytes.Buffer
		o := Options{
			Brokers: "127.0.0.1:1", Topic: "t", Producers: 1, MaxRecordBytes: 1000, Writer: c.writer, Properties: map[string]string{},
			Logger: slog.New(slog.NewTextHandler(&log, nil)),
		}
		for p := range strings.FieldsSeq(c.properties) {
			k, v, _ := strings.Cut(p, "=")
			o.Properties[k] = v
		}
		ring, err := shard.New(shard.Options{Name: "0", Bytes: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		w, err := Open(o, shard.Set{Rings: []*shard.Ring{ring}})
		if err != nil {
			log.WriteString(err.Error())
			if c.writer == WriterAuto {
				t.Errorf("%q with %s: %v", c.properties, c.writer, err)
			}
		} else {
			if w.opts.native != c.native {
				t.Errorf("%q with %s: native %v", c.properties, c.writer, w.opts.native)
			}
			w.Close()
		}
		ring.Release()
		if said := log.String(); !strings.Contains(said, c.said) || c.said == "" && said != "" {
			t.Errorf("%q with %s: %q, want %q", c.properties, c.writer, said, c.said)
		}
	}
}

// TestUnsafeIsLibrdkafkas: a promise that is given up is one that native would keep.
func TestUnsafeIsLibrdkafkas(t *testing.T) {
	o := Options{Brokers: "h:1", MaxRecordBytes: 1000, Unsafe: true, Properties: map[string]string{"topic.acks": "1"}}
	if got := o.librdkafkaOnly(); got != "topic.acks" {
		t.Errorf("only librdkafka knows %q, want topic.acks", got)
	}
}

// TestNativeOptions: what native is told is what librdkafka would be.
func TestNativeOptions(t *testing.T) {
	o := Options{Brokers: "PLAINTEXT://a:1, b:2", MaxRecordBytes: 1_000_000, Properties: map[string]string{}}
	n, err := o.nativeOptions(topicState{Name: "t", Limit: 70_000})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Join(n.Brokers, " ") != "a:1 b:2" || n.Topic != "t" || n.ClientID != "ringtail" || n.BatchBytes != 70_000 || n.BatchRecords != 10_000 ||
		n.RequestTimeout != 30*time.Second || n.SocketTimeout != time.Minute || n.Backoff != 100*time.Millisecond || n.BackoffMax != time.Second ||
		n.RefreshEvery != 2*time.Second || n.Compressor != nil || n.TLS != nil || n.SASL != nil {
		t.Errorf("%+v", n)
	}
	o.Properties = map[string]string{
		"batch.size": "20000", "batch.num.messages": "7", "socket.timeout.ms": "5000", "topic.request.timeout.ms": "4000", "retry.backoff.ms": "9",
		"retry.backoff.max.ms": "99", "topic.metadata.refresh.interval.ms": "700", "statistics.interval.ms": "0", "compression.type": "lz4", "client.id": "me",
	}
	if n, err = o.nativeOptions(topicState{}); err != nil {
		t.Fatal(err)
	}
	if n.ClientID != "me" || n.BatchBytes != 20_000 || n.BatchRecords != 7 || n.RequestTimeout != 4*time.Second || n.SocketTimeout != 5*time.Second ||
		n.Backoff != 9*time.Millisecond || n.BackoffMax != 99*time.Millisecond || n.RefreshEvery != 700*time.Millisecond || n.Compressor == nil {
		t.Errorf("%+v", n)
	}
}
