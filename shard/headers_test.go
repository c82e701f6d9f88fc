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
	c, err := r.Claim(count, count*size+HeadersBytes(len(headers)))
	if err != nil {
		tb.Fatal(err)
	}
	fill(&c, from, count, size)
	publishWith(&c, headers)
}

// publishWith publishes a batch whose records are in, with headers if there are any.
func publishWith(c *Claim, headers []byte) {
	if len(headers) > 0 {
		c.AppendHeaders(headers)
	}
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
	o.Headers = true
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
	for _, o.Headers = range []bool{false, true, false} {
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

// TestVersionTellsOfHeaders: a file says by its version whether a batch in it may have headers, so
// that a server which knows none refuses it. Without --header it is the version that it was.
func TestVersionTellsOfHeaders(t *testing.T) {
	o := dirOptions(ringDir(t))
	for _, c := range []struct {
		headers bool
		version uint32
	}{{false, 1}, {true, 2}, {false, 2}} { // batches of before may be there still
		o.Headers = c.headers
		d := openDir(t, o)
		if err := d.SetCluster("cluster"); err != nil {
			t.Fatal(err)
		}
		leave(d)
		for i, want := range []uint32{c.version, c.version, 1} {
			name := ringFileName([]int{0, 1, -1}[i])
			if got := binary.LittleEndian.Uint32(read(t, filepath.Join(o.Path, name))[atVersion:]); got != want {
				t.Errorf("headers %v: %s is of version %d, want %d", c.headers, name, got, want)
			}
		}
	}
}

// TestOlderFile opens a file that a version from before headers has left (what fillFirst filled
// then): shard 0 of 2, with records 0 to 59 behind a few laps, a hole among them, and a batch that
// had been entered.
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
	for _, headers := range []bool{false, true} {
		o := dirOptions(ringDir(t))
		o.Headers = headers
		path := filepath.Join(o.Path, ringFileName(0))
		write(t, path, old)
		d := openDir(t, o)
		r := d.set.Rings[0]
		if want := (Recovered{Records: 60, Bytes: 60 * 250, PossibleDuplicates: 3, Largest: 250}); r.Recovered() != want || len(d.Damaged()) > 0 {
			t.Errorf("recovered %+v, want %+v; damaged %v", r.Recovered(), want, d.Damaged())
		}
		if headers {
			putWith(t, r, 60, 3, 250, someHeaders(1))
		} else {
			put(t, r, 60, 3, 250)
		}
		if got := take(t, r); !slices.Equal(got, run(0, 63)) {
			t.Errorf("records %v", got)
		}
		d = reopen(t, d)
		if got := take(t, d.set.Rings[0]); !slices.Equal(got, run(0, 63)) {
			t.Errorf("records %v after another life", got)
		}
		leave(d)
	}
}

// TestHostileHeaders: headers that no server writes are damage, though every checksum is right: a
// writer copies them, and Kafka would refuse the batch for ever.
func TestHostileHeaders(t *testing.T) {
	o := hostileOptions(ringDir(t))
	o.Headers = true
	good := AppendHeader(AppendHeader(AppendHeaderCount(nil, 2), "a", "xyz"), "bc", "")
	for _, c := range []struct {
		why    string
		change func(tail []byte) // headers and their length
		good   bool
	}{
		{"as they were", func([]byte) {}, true},
		{"too long", func(b []byte) { b[len(good)]++ }, false},
		{"too short", func(b []byte) { b[len(good)]-- }, false},
		{"far too long", func(b []byte) { b[len(good)+3] = 0xff }, false},
		{"one more", func(b []byte) { b[0] = 6 }, false},
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
		_ = os.RemoveAll(o.Path)
		d := openDir(t, o)
		r := d.set.Rings[0]
		putWith(t, r, 0, 2, 100, good)
		leave(d)
		path := filepath.Join(o.Path, ringFileName(0))
		b := read(t, path)
		h, _ := decodeHeader(b)
		batch := b[h.dataAt():]
		used := binary.LittleEndian.Uint32(batch[atUsed:])
		c.change(batch[int(used)-HeadersBytes(len(good)) : used])
		binary.LittleEndian.PutUint32(batch[atCRC:], checksum(h.salt, 0, batch[:used]))
		write(t, path, b)
		d = openDir(t, o)
		if damaged := len(d.Damaged()) > 0; damaged == c.good {
			t.Errorf("%s: damaged %v", c.why, damaged)
		}
		leave(d)
	}
}

// FuzzHeaders: what passes for headers is what AppendHeader makes of the names and values in it.
func FuzzHeaders(f *testing.F) {
	for n := range 9 {
		f.Add(someHeaders(n))
	}
	f.Add(AppendHeaderCount(nil, 0))
	f.Fuzz(func(t *testing.T, b []byte) {
		if !endsWithHeaders(binary.LittleEndian.AppendUint32(bytes.Clone(b), uint32(len(b)))) {
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
		if !bytes.Equal(again, b) || count == 0 {
			t.Errorf("%d headers in %q; made again they are %q", count, b, again)
		}
	})
}
