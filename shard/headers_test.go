package shard

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ringtail/ringtail/internal/crc32c"
)

// someHeaders are those of the nth batch: none for every third, else one or two.
func someHeaders(n int) []byte {
	if n%3 == 0 {
		return nil
	}
	b := AppendHeaderCount(nil, n%3)
	b = AppendHeader(b, "n", fmt.Sprint(n))
	if n%3 == 2 {
		b = AppendHeader(b, "long", bytes.Repeat([]byte{'h'}, n%200))
	}
	return b
}

// putWith is put with headers.
func putWith(tb testing.TB, r *Ring, from, count, size int, headers []byte) {
	tb.Helper()
	c, err := r.Claim(count, count*(size+len(headers)))
	if err != nil {
		tb.Fatal(err)
	}
	c.SetHeaders(headers)
	fill(&c, from, count, size)
	c.Publish()
}

// TestHeadersComeBack: over laps of a ring, each batch has the headers that it was given, and none
// where it was given none; its records are as without them.
func TestHeadersComeBack(t *testing.T) {
	r := newRing(t, 1<<14)
	for n := range 500 {
		putWith(t, r, 4*n, 4, 100+n%60, someHeaders(n))
		b, ok := r.Next()
		if !ok || b.Count != 4 {
			t.Fatalf("batch %d: %+v, %v", n, b, ok)
		}
		h := b.Headers()
		if !bytes.Equal(h, someHeaders(n)) || (h == nil) != (n%3 == 0) {
			t.Fatalf("batch %d has the headers %q, want %q", n, h, someHeaders(n))
		}
		_ = append(h, "######"...) // changes nothing in the ring
		if !bytes.Equal(b.Headers(), someHeaders(n)) {
			t.Fatalf("batch %d: its headers were changed", n)
		}
		b.Records(func(i int, rec Record) bool {
			if want := numbered(4*n+i, 100+n%60); !bytes.Equal(rec.Value, want) || rec.Ordinal != uint64(4*n+i) {
				t.Errorf("record %d of batch %d is %q (%d)", i, n, rec.Value, rec.Ordinal)
			}
			return true
		})
		r.Free(b.End)
	}
}

// TestHeadersFormat: they stand in the batch as in each record of Kafka's log.
func TestHeadersFormat(t *testing.T) {
	b := AppendHeader(AppendHeaderCount(nil, 2), "remote", "unix")
	b = AppendHeader(b, "x", bytes.Repeat([]byte{'y'}, 64))
	if want := "\x04\x0cremote\x08unix\x02x\x80\x01" + strings.Repeat("y", 64); string(b) != want {
		t.Errorf("%q, want %q", b, want)
	}
}

// TestHeadersAreRecovered: a file's batches keep their headers, whatever ends the process, and
// whether the next one makes any or not; what counts records counts as without them.
func TestHeadersAreRecovered(t *testing.T) {
	o := dirOptions(ringDir(t))
	d := openDir(t, o)
	const batches = 9
	put := func(r *Ring) {
		for n := range batches {
			putWith(t, r, 3*n, 3, 250, someHeaders(n))
		}
	}
	put(d.set.Rings[0])
	if n := d.set.Rings[0].Unfreed(); n != 3*batches {
		t.Errorf("%d unfreed, want %d", n, 3*batches)
	}
	if n := d.set.Rings[0].MarkStop(0, 1, true); n != 3*batches-1 {
		t.Errorf("%d kept, want %d", n, 3*batches-1)
	}
	leave(d)
	for range 3 {
		d = openDir(t, o)
		r := d.set.Rings[0]
		largest := 250 + len(someHeaders(8))
		if got := r.Recovered(); got.Records != 3*batches-1 || got.Bytes != 250*(3*batches-1) || got.Largest != largest {
			t.Fatalf("recovered %+v, want %d records, the largest of %d bytes", got, 3*batches-1, largest)
		}
		for n := range batches {
			if b, ok := r.Next(); !ok || b.Conn != 0 || !bytes.Equal(b.Headers(), someHeaders(n)) {
				t.Fatalf("batch %d: %q, %v; want %q", n, b.Headers(), ok, someHeaders(n))
			}
		}
		leave(d)
	}
	var exported []int
	path := filepath.Join(o.Path, ringFileName(0))
	wrong, err := ExportFile(path, func(rec Record) error {
		n := 0
		_, err := fmt.Sscanf(string(rec.Value), `{"number":%d,`, &n)
		exported = append(exported, n)
		return err
	})
	if err != nil || len(wrong) > 0 || !slices.Equal(exported, run(1, 3*batches)) {
		t.Errorf("exported %v: %v, %v", exported, wrong, err)
	}
}

// TestOlderFile: a file of an older format is refused, with a word about versions, and stays as it
// is.
func TestOlderFile(t *testing.T) {
	f, err := os.Open("testdata/format-1.ring.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	unzipped, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	old, err := io.ReadAll(unzipped)
	if err != nil {
		t.Fatal(err)
	}
	o := dirOptions(ringDir(t))
	path := filepath.Join(o.Path, ringFileName(0))
	write(t, path, old)
	if _, err := OpenDir(o); err == nil || !strings.Contains(err.Error(), "another version of ringtail") {
		t.Errorf("opened: %v", err)
	}
	if !bytes.Equal(read(t, path), old) {
		t.Error("the file was changed")
	}
}

// TestHostileHeaders: headers that no server writes are damage, though every checksum is right: a
// writer copies them, and Kafka would refuse the batch for ever.
func TestHostileHeaders(t *testing.T) {
	o := hostileOptions(ringDir(t))
	good := AppendHeader(AppendHeader(AppendHeaderCount(nil, 2), "a", "xyz"), "bc", "")
	for _, c := range []struct {
		why    string
		change func(headers []byte)
		good   bool
	}{
		{"as they were", func([]byte) {}, true},
		{"one more", func(b []byte) { b[0] = 6 }, false},
		{"far more", func(b []byte) { b[0] = 0x60 }, false},
		{"one less", func(b []byte) { b[0] = 2 }, false},
		{"none", func(b []byte) { b[0] = 0 }, false},
		{"a negative number", func(b []byte) { b[0] = 3 }, false},
		{"a longer varint", func(b []byte) { b[3], b[4] = 0x84, 0 }, false},
		{"an endless varint", func(b []byte) { copy(b, bytes.Repeat([]byte{0xff}, len(good))) }, false},
		{"a name beyond the end", func(b []byte) { b[1] = 0x7e }, false},
		{"a null", func(b []byte) { b[len(good)-1] = 1 }, false},
		{"a value beyond the end", func(b []byte) { b[len(good)-1] = 2 }, false},
		{"another name", func(b []byte) { b[2] = 'z' }, true},
	} {
		for _, both := range []bool{true, false} { // or one record has other headers than the other
			_ = os.RemoveAll(o.Path)
			d := openDir(t, o)
			putWith(t, d.set.Rings[0], 0, 2, 100, good)
			leave(d)
			path := filepath.Join(o.Path, ringFileName(0))
			b := read(t, path)
			h, _ := decodeHeader(b)
			batch := b[h.dataAt():]
			used := binary.LittleEndian.Uint32(batch[atUsed:])
			c.change(batch[int(used)-len(good) : used])
			if both {
				_, _, headers, _ := cutRecord(batch[recordsAt(2):used])
				c.change(headers)
			}
			sealBatch(batch, h.salt, 0)
			write(t, path, b)
			d = openDir(t, o)
			want := !c.good || !both && c.why != "as they were"
			if damaged := len(d.Damaged()) > 0; damaged != want {
				t.Errorf("%s, in both records %v: damaged %v", c.why, both, damaged)
			}
			leave(d)
		}
	}
}

// sealBatch makes the checksums of a batch right, as far as its words let.
func sealBatch(b []byte, salt uint32, start uint64) {
	le := binary.LittleEndian
	count, used := int64(le.Uint32(b[atCount:])), int64(le.Uint32(b[atUsed:]))
	at := batchHeader + count*ordinalBytes
	if used > int64(len(b)) || at > used {
		return
	}
	le.PutUint32(b[atSum:], crc32c.Sum(b[at:used]))
	le.PutUint32(b[atCRC:], checksum(salt, start, b[:at]))
}

// FuzzHeaders: what passes for headers is what AppendHeader makes of the names and values in it.
func FuzzHeaders(f *testing.F) {
	for n := range 9 {
		f.Add(someHeaders(n))
	}
	f.Add(AppendHeaderCount(nil, 0))
	f.Fuzz(func(t *testing.T, b []byte) {
		if !isHeaders(b) {
			return
		}
		count, rest, _ := cutVarint(b)
		again := AppendHeaderCount(nil, count)
		text := func() []byte {
			n, behind, _ := cutVarint(rest)
			rest = behind[n:]
			return behind[:n]
		}
		for range count {
			name := string(text())
			again = AppendHeader(again, name, text())
		}
		if !bytes.Equal(again, b) {
			t.Errorf("%d headers in %q; made again they are %q", count, b, again)
		}
	})
}
