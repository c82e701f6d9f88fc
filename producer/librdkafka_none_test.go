//go:build !cgo

package producer

import (
	"log/slog"
	"strings"
	"testing"
)

// TestWithoutLibrdkafka: where a writer is asked for that this build does not have, this is said,
// with the property that only it knows; what native knows is written by native.
func TestWithoutLibrdkafka(t *testing.T) {
	for _, c := range []struct{ writer, property, value, want string }{
		{WriterAuto, "linger.ms", "5", ""},
		{WriterNative, "linger.ms", "5", ""},
		{WriterAuto, "debug", "broker", "--kafka-property debug is a property that only librdkafka understands, and this build has none; build with a C compiler (CGO_ENABLED=1)"},
		{WriterAuto, "compression.codec", "nonsense", "one of none, gzip"},
		{WriterNative, "ssl.sigalgs.list", "ECDSA+SHA256", "ssl.sigalgs.list is a property that only librdkafka understands"},
		{WriterLibrdkafka, "linger.ms", "5", "--writer librdkafka: this build has none; build with a C compiler (CGO_ENABLED=1), or leave --writer out"},
	} {
		o := Options{
			Brokers: "127.0.0.1:1", Topic: "t", Producers: 1, MaxRecordBytes: 1000, Writer: c.writer, Logger: slog.New(slog.DiscardHandler),
			Properties: map[string]string{"security.protocol": "ssl", c.property: c.value},
		}
		err := o.validate(1)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v", c, err)
		}
		if err == nil && !o.native {
			t.Errorf("%+v: not native", c)
		}
	}
	if got := LibrdkafkaVersion(); got != "none (built without C)" {
		t.Error(got)
	}
}
