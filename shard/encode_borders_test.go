package shard

import (
	"encoding/binary"
	"slices"
	"testing"
)

// TestRecordThatIsNone: what no producer writes does not pass, whatever lies behind it.
func TestRecordThatIsNone(t *testing.T) {
	b := make([]byte, 100)
	n := putRecord(b, 0, 7, []byte("value"), []byte("key"), nil)
	for cut := range n {
		if _, _, _, _, ok := checkRecord(b[:cut], 7); ok {
			t.Errorf("%d of %d bytes pass", cut, n)
		}
	}
	for _, number := range []int{6, 8} {
		if _, _, _, _, ok := checkRecord(b[:n], number); ok {
			t.Errorf("it passes for record %d", number)
		}
	}
	for _, c := range []struct {
		name string
		b    []byte
		ok   bool
	}{
		{"nothing but what must be", []byte{12, 0, 0, 14, 1, 0, 0}, true},
		{"nothing", []byte{0, 0, 0, 14, 1, 0, 0}, false},
		{"attributes alone", []byte{2, 0, 0, 14, 1, 0, 0}, false},
		{"no number", []byte{4, 0, 0, 14, 1, 0, 0}, false},
		{"it ends with its number", []byte{6, 0, 0, 14, 1, 0, 0}, false},
		{"it ends with its key", []byte{8, 0, 0, 14, 1, 0, 0}, false},
		{"it ends with its value", []byte{10, 0, 0, 14, 1, 0, 0}, false},
		{"a byte behind its headers", []byte{14, 0, 0, 14, 1, 0, 0, 0}, false},
		{"attributes", []byte{12, 1, 0, 14, 1, 0, 0}, false},
		{"a time", []byte{12, 0, 2, 14, 1, 0, 0}, false},
		{"a key of length -2", []byte{12, 0, 0, 14, 3, 0, 0}, false},
		{"a value of length -1", []byte{12, 0, 0, 14, 1, 1, 0}, false},
		{"a varint that is too long", []byte{14, 0, 0, 14 | 0x80, 0, 1, 0, 0}, false},
	} {
		if _, _, _, _, ok := checkRecord(append(slices.Clone(c.b), 0, 0, 0), 7); ok != c.ok {
			t.Errorf("%s: passes %v", c.name, ok)
		}
	}
}

// TestNumbersInAFile: a number that no claim gives is damage, though the records have it.
func TestNumbersInAFile(t *testing.T) {
	le := binary.LittleEndian
	for _, number := range []int{0, recordsMax, recordsMax + 1} {
		b := make([]byte, 2*granule)
		used := putRecord(b, recordsAt(1), number, []byte("value"), nil, nil)
		le.PutUint32(b[atCount:], 1)
		le.PutUint32(b[atUsed:], uint32(used))
		le.PutUint32(b[atNumber:], uint32(number))
		le.PutUint32(b[atValues:], 5)
		le.PutUint32(b[atRoom:], uint32(len(b)))
		sealBatch(b, 7, 0)
		if why := checkBody(7, 0, b); (why == "") != (number <= recordsMax) {
			t.Errorf("number %d: %q", number, why)
		}
	}
}

// TestBatchWithoutWord: it counts if it takes whole granules, as each claim does.
func TestBatchWithoutWord(t *testing.T) {
	for _, less := range []uint32{0, 1, granule / 2} {
		d := openDir(t, dirOptions(ringDir(t)))
		r := d.set.Rings[0]
		c, err := r.Claim(1, 300)
		if err != nil {
			t.Fatal(err)
		}
		fill(&c, 0, 1, 200) // so there is room that is not used
		b := c.buf
		c.Publish()
		binary.LittleEndian.PutUint32(b[atRoom:], uint32(len(b))-less)
		sealBatch(b, r.file.header.salt, c.start)
		r.words[c.start/granule].Store(0)
		d = reopen(t, d)
		if n := d.set.Rings[0].Recovered().Records; len(d.Damaged()) > 0 || (n == 1) != (less == 0) {
			t.Errorf("%d bytes less than whole granules: %d records, damaged %v", less, n, d.Damaged())
		}
		leave(d)
	}
}
