package shard

import (
	"bytes"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// FuzzRecord: what passes for a record in a ring file is what franz-go makes of its parts, byte for
// byte; so a writer may send it.
func FuzzRecord(f *testing.F) {
	for n := range 6 {
		b := make([]byte, 400)
		var key []byte
		if n%2 == 1 {
			key = []byte("key")
		}
		end := putRecord(b, 0, 70*n, bytes.Repeat([]byte{'v'}, 40*n), key, someHeaders(n))
		f.Add(b[:end], 70*n)
	}
	f.Fuzz(func(t *testing.T, b []byte, number int) {
		value, key, headers, n, ok := checkRecord(b, number)
		if !ok {
			return
		}
		var r kmsg.Record
		if err := r.ReadFrom(b[:n]); err != nil || !bytes.Equal(r.AppendTo(nil), b[:n]) {
			t.Fatalf("%x: %v, %+v", b[:n], err, r)
		}
		if int(r.OffsetDelta) != number || !bytes.Equal(r.Value, value) || !bytes.Equal(r.Key, key) || (r.Key == nil) != (key == nil) {
			t.Errorf("%x: %+v", b[:n], r)
		}
		again := make([]byte, n+RecordExtra)
		if len(headers) == 1 {
			headers = nil
		}
		if end := putRecord(again, 0, number, value, key, headers); !bytes.Equal(again[:end], b[:n]) {
			t.Errorf("%x, made again %x", b[:n], again[:end])
		}
	})
}
