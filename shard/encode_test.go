package shard

import (
	"bytes"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestRecordsAreKafkas: franz-go reads what putRecord writes, at each size where a varint grows, and
// it is as long as it must be and no longer; cutRecord and checkRecord read it too.
func TestRecordsAreKafkas(t *testing.T) {
	headers := AppendHeader(AppendHeaderCount(nil, 1), "name", "value")
	b := make([]byte, 1<<21+100)
	for _, size := range []int{0, 1, 56, 57, 58, 63, 64, 65, 127, 128, 8175, 8176, 8177, 8191, 8192, 1<<20 - 9, 1 << 20, 1 << 21} {
		value := bytes.Repeat([]byte{'v'}, size)
		for _, number := range []int{0, 1, 63, 64, 8191, 8192, recordsMax} {
			for _, key := range [][]byte{nil, {}, []byte("k"), bytes.Repeat([]byte("k"), 70)} {
				for _, h := range [][]byte{nil, headers} {
					end := putRecord(b, 3, number, value, key, h)
					if extra := end - 3 - size - len(key) - len(h); extra > RecordExtra {
						t.Fatalf("%d bytes beside a value of %d, number %d, key %q", extra, size, number, key)
					}
					checkKafkas(t, b[3:end], number, value, key, h)
				}
			}
		}
	}
}

func checkKafkas(t *testing.T, b []byte, number int, value, key, headers []byte) {
	t.Helper()
	var r kmsg.Record
	if err := r.ReadFrom(b); err != nil || int(r.Length) != len(b)-varintBytes(zigzag(int(r.Length))) {
		t.Fatalf("value of %d bytes, number %d, key %q: %v, length %d", len(value), number, key, err, r.Length)
	}
	if r.Attributes != 0 || r.TimestampDelta64 != 0 || int(r.OffsetDelta) != number || !bytes.Equal(r.Value, value) || r.Value == nil ||
		!bytes.Equal(r.Key, key) || (r.Key == nil) != (key == nil) || len(r.Headers) != min(len(headers), 1) {
		t.Errorf("value of %d bytes, number %d, key %q, headers %q: franz-go finds %d, %d, %q and %d headers",
			len(value), number, key, headers, len(r.Value), r.OffsetDelta, r.Key, len(r.Headers))
	}
	if again := r.AppendTo(nil); !bytes.Equal(again, b) {
		t.Errorf("value of %d bytes, number %d: %d bytes, franz-go makes %d", len(value), number, len(b), len(again))
	}
	want := headers
	if len(headers) == 0 {
		want = []byte{0}
	}
	behind := append(bytes.Clone(b), 7)
	v, k, h, n := cutRecord(behind)
	if n != len(b) || !bytes.Equal(v, value) || !bytes.Equal(k, key) || (k == nil) != (key == nil) || !bytes.Equal(h, want) {
		t.Errorf("cut: %d bytes of %d", n, len(b))
	}
	v, k, h, n, ok := checkRecord(behind, number)
	if !ok || n != len(b) || !bytes.Equal(v, value) || !bytes.Equal(k, key) || (k == nil) != (key == nil) || !bytes.Equal(h, want) {
		t.Errorf("checked: %v, %d bytes of %d", ok, n, len(b))
	}
}
