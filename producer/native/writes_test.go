package native

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"slices"
	"testing"

	"github.com/ringtail/ringtail/internal/kafkatest"
	"github.com/ringtail/ringtail/producer/backend"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kversion"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// TestWrites: keys, values and headers, small and large, are in the topic as they were handed
// over, whatever version the broker speaks, however it lets us in, compressed or not.
func TestWrites(t *testing.T) {
	certificate, file := kafkatest.Certificate(t)
	authority, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority)
	codec := func(c kgo.CompressionCodec) func(*Options) {
		return func(o *Options) { o.Compressor, _ = kgo.DefaultCompressor(c) }
	}
	login := func(name string) []kfake.Opt {
		return []kfake.Opt{kfake.EnableSASL(), kfake.Superuser(name, "user", "secret")}
	}
	for name, c := range map[string]struct {
		kafka  []kfake.Opt
		change func(*Options)
		reader []kgo.Opt
	}{
		"newest": {},
		"2.8":    {kafka: []kfake.Opt{kfake.MaxVersions(kversion.V2_8_0())}},
		"2.0":    {kafka: []kfake.Opt{kfake.MaxVersions(kversion.V2_0_0())}},
		"gzip":   {change: codec(kgo.GzipCompression())},
		"snappy": {change: codec(kgo.SnappyCompression())},
		"lz4":    {change: codec(kgo.Lz4Compression())},
		"zstd":   {change: codec(kgo.ZstdCompression())},
		"plain": {
			login("PLAIN"),
			func(o *Options) { o.SASL = plain.Auth{User: "user", Pass: "secret"}.AsMechanism() },
			[]kgo.Opt{kgo.SASL(plain.Auth{User: "user", Pass: "secret"}.AsMechanism())},
		},
		"scram": {
			login("SCRAM-SHA-512"),
			func(o *Options) { o.SASL = scram.Auth{User: "user", Pass: "secret"}.AsSha512Mechanism() },
			[]kgo.Opt{kgo.SASL(scram.Auth{User: "user", Pass: "secret"}.AsSha512Mechanism())},
		},
		"tls": {
			[]kfake.Opt{kfake.TLS(&tls.Config{Certificates: []tls.Certificate{certificate}})},
			func(o *Options) { o.TLS = &tls.Config{RootCAs: roots} },
			[]kgo.Opt{kgo.DialTLSConfig(&tls.Config{RootCAs: roots})},
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := options()
			if c.change != nil {
				c.change(&o)
			}
			r := newRig(t, o, 3, c.kafka...)
			want := r.handThree()
			r.c.Send()
			r.until("acks", func() bool { return r.acked(0, 101)() && r.acked(1, 100)() && r.acked(2, 100)() })
			r.compare(want, c.reader)
		})
	}
}

// handThree hands over records with and without keys to three streams, one of which has headers, and a dead letter, and returns
// what is to be read back.
func (r *rig) handThree() map[int32][]*kgo.Record {
	want := map[int32][]*kgo.Record{}
	for stream := range 3 {
		var records []backend.Record
		var headers []byte
		if stream == 1 {
			headers = appendHeaders(nil, "remote", "unix", "received", "")
		}
		for i := range 100 {
			value := bytes.Repeat(fmt.Appendf(nil, "%d-%d;", stream, i), 1+i*i)
			rec := backend.Record{Value: value}
			if i%2 == 0 {
				rec.Key = fmt.Appendf(nil, "key %d", i)
			}
			records = append(records, rec)
			wanted := &kgo.Record{Key: rec.Key, Value: value}
			if headers != nil {
				wanted.Headers = []kgo.RecordHeader{{Key: "remote", Value: []byte("unix")}, {Key: "received", Value: []byte{}}}
			}
			want[int32(stream)] = append(want[int32(stream)], wanted)
		}
		r.handWith(stream, records, headers)
	}
	deadLetter := backend.DeadLetter{Reason: "too_large", Remote: "1.2.3.4:5", Truncated: 70_000}
	r.until("room", func() bool { return r.c.ProduceDeadLetter(0, 0, 100, []byte("letter"), deadLetter) == 0 })
	want[0] = append(want[0], &kgo.Record{Value: []byte("letter"), Headers: []kgo.RecordHeader{
		{Key: "reason", Value: []byte("too_large")}, {Key: "remote", Value: []byte("1.2.3.4:5")}, {Key: "truncated", Value: []byte("70000")},
	}})
	return want
}

func (r *rig) compare(want map[int32][]*kgo.Record, more []kgo.Opt) {
	r.t.Helper()
	reader, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(r.cluster.ListenAddrs()...), kgo.ConsumeTopics("t"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
	}, more...)...)
	if err != nil {
		r.t.Fatal(err)
	}
	defer reader.Close()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	total := 0
	for _, p := range want {
		total += len(p)
	}
	got := map[int32][]*kgo.Record{}
	for n := 0; n < total; {
		f := reader.PollFetches(ctx)
		if err := f.Err(); err != nil {
			r.t.Fatal(err)
		}
		f.EachRecord(func(rec *kgo.Record) {
			got[rec.Partition] = append(got[rec.Partition], rec)
			n++
		})
	}
	for p := range want {
		if !slices.EqualFunc(got[p], want[p], func(a, b *kgo.Record) bool {
			return bytes.Equal(a.Key, b.Key) && (a.Key == nil) == (b.Key == nil) && bytes.Equal(a.Value, b.Value) &&
				slices.EqualFunc(a.Headers, b.Headers, func(a, b kgo.RecordHeader) bool { return a.Key == b.Key && bytes.Equal(a.Value, b.Value) })
		}) {
			r.t.Errorf("partition %d holds something else than was written", p)
		}
	}
}
