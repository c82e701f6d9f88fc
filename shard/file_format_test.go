package shard

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/ringtail/ringtail/internal/crc32c"
	"github.com/ringtail/ringtail/internal/invariant"
)

// ringDir makes a directory that nobody else may write to, whatever the umask is.
func ringDir(tb testing.TB) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "rings")
	if err := os.Mkdir(path, 0o700); err != nil {
		tb.Fatal(err)
	}
	return path
}

// dirOptions are those of a directory with two small rings and dead letters.
func dirOptions(path string) DirOptions {
	return DirOptions{Path: path, Topic: "records", DeadTopic: "dead", Shards: 2, Bytes: 1 << 16}
}

func openDir(tb testing.TB, o DirOptions) *Dir {
	tb.Helper()
	d, err := OpenDir(o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(d.giveUp)
	d.made = nil
	return d
}

// reopen ends a directory's process, so to speak, and opens it again.
func reopen(tb testing.TB, d *Dir) *Dir {
	tb.Helper()
	leave(d)
	return openDir(tb, d.opt)
}

// leave lets go of a directory without a word, as a killed process does.
func leave(d *Dir) {
	d.made = nil
	d.giveUp()
	d.set = Set{}
}

// put publishes a batch of records that tell their numbers.
func put(tb testing.TB, r *Ring, from, count, size int) Claim {
	tb.Helper()
	c, err := r.Claim(count, count*size)
	if err != nil {
		tb.Fatal(err)
	}
	fill(&c, from, count, size)
	end := c
	c.Publish()
	return end
}

func fill(c *Claim, from, count, size int) {
	c.SetOrigin(99, uint64(from))
	for i := range count {
		c.Append(numbered(from+i, size), nil, uint32(i))
	}
}

func numbered(n, size int) []byte {
	s := fmt.Sprintf(`{"number":%d,"pad":"`, n)
	return []byte(s + strings.Repeat("x", size-len(s)-2) + `"}`)
}

// take reads all batches and returns the records' numbers, those done left out.
func take(tb testing.TB, r *Ring) (numbers []int) {
	tb.Helper()
	for {
		b, ok := r.Next()
		if !ok {
			return numbers
		}
		b.Records(func(i int, rec Record) bool {
			var n int
			if _, err := fmt.Sscanf(string(rec.Value), `{"number":%d,`, &n); err != nil {
				tb.Errorf("record %q", rec.Value)
			}
			if string(numbered(n, len(rec.Value))) != string(rec.Value) {
				tb.Errorf("record is changed: %q", rec.Value)
			}
			if i >= b.Done {
				numbers = append(numbers, n)
			}
			return true
		})
	}
}

// run is from, from+1 … to-1.
func run(from, to int) (out []int) {
	for i := from; i < to; i++ {
		out = append(out, i)
	}
	return out
}

// TestFileIsRecovered fills rings in files, over several laps, lets go of them and
// finds again exactly what was not freed.
func TestFileIsRecovered(t *testing.T) {
	d := openDir(t, dirOptions(filepath.Join(t.TempDir(), "new")))
	want := map[string][]int{}
	for life := range 4 {
		for _, r := range d.set.All() {
			there := want[r.Name()]
			if got := take(t, r); !slices.Equal(got, there) || r.Recovered().Records != len(there) {
				t.Fatalf("life %d, ring %s: recovered %v, %+v; want %v", life, r.Name(), got, r.Recovered(), there)
			}
			r.read = r.Acked()
			next := 1000 * life
			for range 200 {
				put(t, r, next, 3, 700)
				there = append(there, run(next, next+3)...)
				next += 3
				if len(there) > 30 {
					b, _ := r.Next()
					r.Free(b.End)
					there = there[3:]
				}
			}
			want[r.Name()] = there
		}
		d = reopen(t, d)
		if len(d.Damaged()) > 0 {
			t.Fatalf("set aside: %v", d.Damaged())
		}
	}
}

// TestFileLayout asserts what file_format.go draws.
func TestFileLayout(t *testing.T) {
	h := fileHeader{capacity: 0x0706050403020100 & (1<<30 - 1), shards: 0x11223344, shard: 0x55667788, salt: 0x99aabbcc,
		topic: "records", cluster: "abc"}
	b := h.encode()
	for at, want := range map[int]string{
		0: "RINGTAIL", 8: "\x03\x00\x00\x00", 16: "\x00\x01\x02\x03\x00\x00\x00\x00", 24: "\x44\x33\x22\x11",
		28: "\x88\x77\x66\x55", 32: "\xcc\xbb\xaa\x99", 40: "\x07records\x00", 296: "\x03abc\x00",
	} {
		if got := string(b[at : at+len(want)]); got != want {
			t.Errorf("header at %d is %q, want %q", at, got, want)
		}
	}
	if len(b) != 556 || binary.LittleEndian.Uint32(b[552:]) != crc32c.Sum(b[:552]) {
		t.Errorf("header of %d bytes, or its checksum is not at 552", len(b))
	}
	if back, err := decodeHeader(b); err != nil || back != h {
		t.Errorf("decoded %+v, %v", back, err)
	}
	var p positions
	for name, at := range map[string][2]uintptr{
		"claimed": {unsafe.Offsetof(p.claimed), 0}, "freed": {unsafe.Offsetof(p.freed), 64}, "done": {unsafe.Offsetof(p.done), 128},
		"sent": {unsafe.Offsetof(p.sent), 136}, "stopAt": {unsafe.Offsetof(p.stopAt), 144},
		"stopIndex": {unsafe.Offsetof(p.stopIndex), 152}, "stopSum": {unsafe.Offsetof(p.stopSum), 160},
	} {
		if at[0] != at[1] {
			t.Errorf("%s is at %d of the positions, file_scan.go reads it at %d", name, at[0], at[1])
		}
	}
	if h := (&fileHeader{capacity: 16 << 20}); h.dataAt()%dataAlign != 0 || h.dataAt() < atWords+(16<<20)/granule*8 {
		t.Errorf("data begins at %d", h.dataAt())
	}
}

// TestHoleIsSkipped: a writer that dies in the middle of its copy leaves a hole; what
// others published behind it is there, and nothing of the hole is.
func TestHoleIsSkipped(t *testing.T) {
	for _, holes := range []int{1, 5, 40} { // the last is over half the ring
		d := openDir(t, dirOptions(ringDir(t)))
		r := d.set.Rings[0]
		put(t, r, 0, 2, 100)
		for range holes {
			c, err := r.Claim(10, 10*100)
			if err != nil {
				t.Fatal(err)
			}
			fill(&c, 5000, 9, 100) // all but one record, no Publish
		}
		put(t, r, 2, 2, 100)
		if _, err := r.Claim(1, 100); err != nil { // and one at the end
			t.Fatal(err)
		}
		end := r.Claimed()
		for range 3 { // recovered once more before anything was freed
			d = reopen(t, d)
			r = d.set.Rings[0]
			if got := take(t, r); !slices.Equal(got, run(0, 4)) || r.Recovered().Records != 4 {
				t.Fatalf("%d holes: recovered %v, %+v", holes, got, r.Recovered())
			}
			if r.Claimed() != end {
				t.Errorf("claimed is %d, was %d", r.Claimed(), end)
			}
		}
		r.Free(r.read)
		if r.Used() != 0 {
			t.Errorf("%d bytes used", r.Used())
		}
		for i := range 500 { // the ring goes on, over laps
			put(t, r, i, 1, 1000)
			if got := take(t, r); !slices.Equal(got, run(i, i+1)) {
				t.Fatalf("record %d: %v", i, got)
			}
			r.Free(r.read)
		}
		leave(d)
	}
}

// TestChecksumBeforeWord: a writer that died after its checksum and before its word
// has left a whole batch.
func TestChecksumBeforeWord(t *testing.T) {
	d := openDir(t, dirOptions(ringDir(t)))
	r := d.set.Rings[0]
	put(t, r, 0, 2, 100)
	c := put(t, r, 2, 2, 100)
	put(t, r, 4, 2, 100)
	r.words[c.start/granule].Store(0)
	d = reopen(t, d)
	if got := take(t, d.set.Rings[0]); !slices.Equal(got, run(0, 6)) {
		t.Errorf("recovered %v", got)
	}
	leave(d)
}

// TestForgedBatch: a client's bytes that look like a batch, in a hole, are none.
func TestForgedBatch(t *testing.T) {
	d := openDir(t, dirOptions(ringDir(t)))
	r := d.set.Rings[0]
	c, err := r.Claim(1, 1000)
	if err != nil {
		t.Fatal(err)
	}
	fake := make([]byte, 1000)
	const at = granule // where a granule begins: header, ordinal and what is before the value fill one
	forge(fake[at:at+2*granule], "666")
	sealBatch(fake[at:], r.file.header.salt^1, 2*granule) // all but the salt is known
	c.Append(fake, nil, 0)
	if got := c.buf[2*granule:][:granule]; binary.LittleEndian.Uint32(got[atRoom:]) != 2*granule {
		t.Fatal("the forged batch does not begin where a granule does")
	}
	d = reopen(t, d)
	if got := take(t, d.set.Rings[0]); len(got) != 0 || len(d.Damaged()) != 0 {
		t.Errorf("recovered %v", got)
	}
	leave(d)
}

// TestRecoveredBatchIsNobodys: what a former process's connection and clock meant is
// not passed on.
func TestRecoveredBatchIsNobodys(t *testing.T) {
	d := openDir(t, dirOptions(ringDir(t)))
	put(t, d.set.Rings[0], 0, 2, 100)
	before := Now()
	d = reopen(t, d)
	r := d.set.Rings[0]
	put(t, r, 2, 2, 100)
	old, _ := r.Next()
	fresh, _ := r.Next()
	if old.Conn != 0 || old.Taken < before || fresh.Conn != 99 {
		t.Errorf("recovered: connection %d, taken %d (opened after %d); new: connection %d", old.Conn, old.Taken, before, fresh.Conn)
	}
	leave(d)
}

// TestPossibleDuplicates: records of batches that were entered may be in Kafka.
func TestPossibleDuplicates(t *testing.T) {
	d := openDir(t, dirOptions(ringDir(t)))
	r := d.set.Rings[0]
	for i := range 10 {
		put(t, r, 3*i, 3, 100)
	}
	for range 2 {
		b, _ := r.Next()
		r.Sending(b.End)
		r.Free(b.End)
	}
	for range 4 {
		b, _ := r.Next()
		r.Sending(b.End)
	}
	_, _ = r.Next() // read, not entered
	d = reopen(t, d)
	if got := d.set.Rings[0].Recovered(); got.Records != 24 || got.PossibleDuplicates != 12 || got.Bytes != 24*100 {
		t.Errorf("recovered %+v, want 24 records, 12 possible duplicates", got)
	}
	leave(d)
}

// TestMarkStop: a clean stop knows to the record what is done, and says so for the next
// opening only.
func TestMarkStop(t *testing.T) {
	for _, test := range []struct {
		batch, index int
		sure         bool
		want         Recovered
	}{
		{2, 0, true, Recovered{Records: 18}},
		{2, 0, false, Recovered{Records: 18, PossibleDuplicates: 9}},
		{2, 2, true, Recovered{Records: 16, PossibleDuplicates: 1}}, // that batch would be sent whole
		{4, 1, false, Recovered{Records: 11, PossibleDuplicates: 2}},
		{8, 0, false, Recovered{}},
	} {
		d := openDir(t, dirOptions(ringDir(t)))
		r := d.set.Rings[0]
		starts := []uint64{}
		for i := range 8 {
			starts = append(starts, put(t, r, 3*i, 3, 100).start)
		}
		starts = append(starts, r.Claimed())
		for i := range 5 {
			b, _ := r.Next()
			r.Sending(b.End)
			if i == 0 {
				r.Free(b.End)
			}
		}
		if n := r.Unfreed(); n != 21 {
			t.Errorf("%d unfreed, want 21", n)
		}
		if n := r.MarkStop(starts[test.batch], test.index, test.sure); n != test.want.Records {
			t.Errorf("%+v: %d kept", test, n)
		}
		for range 2 { // nothing happens in the second life
			d = reopen(t, d)
			r = d.set.Rings[0]
			got := r.Recovered()
			got.Bytes, got.Largest = 0, 0
			if got != test.want {
				t.Errorf("%+v: recovered %+v", test, got)
			}
			if numbers := take(t, r); !slices.Equal(numbers, run(24-test.want.Records, 24)) {
				t.Errorf("%+v: records %v", test, numbers)
			}
			if want := int(starts[8] - starts[test.batch]); r.Used() != want {
				t.Errorf("%+v: %d bytes used, want %d", test, r.Used(), want)
			}
		}
		if test.want.Records > 3 { // once a batch is freed the note means nothing
			r.read = r.Acked()
			b, _ := r.Next()
			r.Free(b.End)
			d = reopen(t, d)
			if got := d.set.Rings[0].Recovered().Records; got != test.want.Records-(b.Count-b.Done) {
				t.Errorf("%+v: %d records after one batch was freed", test, got)
			}
		}
		leave(d)
	}
}

// TestFileAllocatesNothing: as in memory, nothing is allocated for a batch.
func TestFileAllocatesNothing(t *testing.T) {
	d := openDir(t, dirOptions(ringDir(t)))
	r := d.set.Rings[0]
	value := numbered(1, 200)
	n := testing.AllocsPerRun(1000, func() {
		c, err := r.Claim(1, len(value))
		if err != nil {
			t.Fatal(err)
		}
		c.Append(value, nil, 0)
		c.Publish()
		b, _ := r.Next()
		r.Free(b.End)
	})
	if n != 0 && !invariant.Enabled {
		t.Errorf("%v allocations a batch", n)
	}
	leave(d)
}
