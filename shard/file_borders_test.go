package shard

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestSealedFirst: a batch in a file is not there before its checksum is. A process that dies
// between the two must leave none.
func TestSealedFirst(t *testing.T) {
	d := openDir(t, dirOptions(ringDir(t)))
	defer leave(d)
	r := d.set.Rings[0]
	c, err := r.Claim(1, 100)
	if err != nil {
		t.Fatal(err)
	}
	fill(&c, 0, 1, 100)
	r.unsummed = true
	c.count, c.want = len(c.buf), len(c.buf) // sealing it panics, which is like dying
	func() {
		defer func() {
			if recover() == nil {
				t.Error("sealed")
			}
		}()
		c.Publish()
	}()
	if r.Pending() {
		t.Error("a batch without checksum is published")
	}
}

// TestStalledIsNoLongerThanItTook: what was held up is a part of the time that went by.
func TestStalledIsNoLongerThanItTook(t *testing.T) {
	d := openDir(t, dirOptions(ringDir(t)))
	defer leave(d)
	r, begun := d.set.Rings[0], Now()
	for i := range 100 {
		put(t, r, i, 1, 100)
	}
	if s, most := r.Stalled(), Now()-begun; s > most {
		t.Errorf("stalled for %d ns of %d", s, most)
	}
	c, err := r.Claim(1, 100)
	if err != nil {
		t.Fatal(err)
	}
	fill(&c, 0, 1, 100)
	before := r.Stalled()
	c.began -= 2 * stallAfter
	if c.Publish(); r.Stalled() < before+2*stallAfter {
		t.Errorf("a copy of %d ns counts as %d", 2*stallAfter, r.Stalled()-before)
	}
}

// TestChecksumTies: a batch's checksum is that of its bytes, its place, its lap and its file.
func TestChecksumTies(t *testing.T) {
	b := make([]byte, 2*granule)
	sum := checksum(1, 0, b)
	for what, other := range map[string]uint32{
		"another file":        checksum(2, 0, b),
		"the next place":      checksum(1, granule, b),
		"a lap of 64 KiB":     checksum(1, 1<<16, b),
		"2^32 granules later": checksum(1, granule<<32, b),
		"other bytes":         checksum(1, 0, append(slices.Clone(b[:2*granule-1]), 1)),
	} {
		if other == sum {
			t.Errorf("%s: the same checksum", what)
		}
	}
}

// TestPositions: which positions can be.
func TestPositions(t *testing.T) {
	h := &fileHeader{capacity: 1 << 16, salt: 7}
	good := filePositions{claimed: 3 * granule, sent: 2 * granule, done: granule, freed: granule}
	stopped := func(m filePositions, at, index uint64) filePositions {
		m.stopAt, m.stopIndex, m.stopSum = at, index, stopMarkSum(h.salt, m.freed, at, index)
		return m
	}
	of := func(change func(*filePositions)) filePositions {
		m := good
		change(&m)
		return m
	}
	for _, c := range []struct {
		name string
		m    filePositions
		ok   bool
	}{
		{"good", good, true},
		{"new", filePositions{}, true},
		{"full", filePositions{claimed: 1 << 16}, true},
		{"over full", filePositions{claimed: 1<<16 + granule}, false},
		{"died between done and freed", of(func(m *filePositions) { m.freed = 0 }), true},
		{"freed above done", of(func(m *filePositions) { m.done = 0 }), false},
		{"done above sent", of(func(m *filePositions) { m.done = 3 * granule }), false},
		{"sent above claimed", of(func(m *filePositions) { m.sent = 4 * granule }), false},
		{"sent is part of a granule", of(func(m *filePositions) { m.sent++ }), false},
		{"done is part of a granule", of(func(m *filePositions) { m.done++ }), false},
		{"freed is part of a granule", of(func(m *filePositions) { m.freed-- }), false},
		{"stopped", stopped(good, 2*granule, 5), true},
		{"stopped, and nothing left", stopped(good, 3*granule, 0), true},
		{"stopped below freed", stopped(good, 0, 0), false},
		{"stopped above claimed", stopped(good, 4*granule, 0), false},
		{"stopped in a granule", stopped(good, 2*granule+1, 0), false},
		{"stopped in a batch that is none", stopped(good, 3*granule, 1), false},
		{"stopped in a batch of too many", stopped(good, 2*granule, 1<<16/recordLeast+1), false},
		{"not stopped cleanly, so what it says is nothing", of(func(m *filePositions) { m.stopAt, m.stopIndex = 1, 1<<40 }), true},
	} {
		if err := c.m.check(h); (err == nil) != c.ok || err != nil && !isDamage(err) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if m := (filePositions{}); m.hasStopMark(0) {
		t.Error("zeros are taken for what a stop noted")
	}
	if m := stopped(good, 2*granule, 5); m.hasStopMark(h.salt + 1) {
		t.Error("another file's note is taken")
	}
	m := stopped(good, 2*granule, 5)
	if at, index := m.begin(h.salt); at != 2*granule || index != 5 {
		t.Errorf("goes on at record %d of %d", index, at)
	}
	m.freed = 2 * granule
	if at, index := m.begin(h.salt); at != 2*granule || index != 0 {
		t.Errorf("once more was freed, goes on at record %d of %d", index, at)
	}
}

// TestClosedRingOpens: a process that died while it stopped leaves a file like any other.
func TestClosedRingOpens(t *testing.T) {
	for _, state := range []func(*Ring){func(*Ring) {}, (*Ring).Close} {
		d := openDir(t, dirOptions(ringDir(t)))
		put(t, d.set.Rings[0], 0, 3, 100)
		state(d.set.Rings[0])
		d = reopen(t, d)
		r := d.set.Rings[0]
		if got := take(t, r); len(d.Damaged()) > 0 || !slices.Equal(got, run(0, 3)) || r.Closed() {
			t.Errorf("damaged %v, found %v, closed %v", d.Damaged(), got, r.Closed())
		}
		put(t, r, 3, 1, 100)
		if b, ok := r.Next(); !ok || b.Conn != 99 {
			t.Errorf("its own batch is of connection %d, want 99", b.Conn)
		}
		leave(d)
	}
}

// TestCreateFile: what could not be made leaves nothing behind, and what is made is for nobody
// else.
func TestCreateFile(t *testing.T) {
	dir := ringDir(t)
	h := fileHeader{capacity: bytesMin, shards: 1, topic: "records"}
	path := filepath.Join(dir, "ring")
	if err := os.MkdirAll(filepath.Join(path, "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := createFile(path, h); err == nil {
		t.Error("a directory was replaced")
	}
	if names, err := os.ReadDir(dir); err != nil || len(names) != 1 {
		t.Errorf("%v, %v", names, err)
	}
	path = filepath.Join(dir, "other")
	if err := createFile(path, h); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 || info.Size() != h.size() {
		t.Errorf("%v, %v", info, err)
	}
}

// TestSendingOnlyGrows: what may be in Kafka stays so, also where the cursor went back.
func TestSendingOnlyGrows(t *testing.T) {
	d := openDir(t, dirOptions(ringDir(t)))
	r := d.set.Rings[0]
	for i := range 3 {
		put(t, r, i, 1, 100)
	}
	var ends []uint64
	for range 3 {
		b, _ := r.Next()
		ends = append(ends, b.End)
	}
	r.Sending(ends[1])
	r.Sending(ends[0])
	if got := r.pos.sent.Load(); got != ends[1] {
		t.Errorf("sent %d, want %d", got, ends[1])
	}
	r.Free(ends[2])
	if p := r.pos; p.sent.Load() != ends[2] || p.done.Load() != ends[2] || p.freed.Load() != ends[2] {
		t.Errorf("freed: sent %d, done %d, freed %d; want %d", p.sent.Load(), p.done.Load(), p.freed.Load(), ends[2])
	}
	leave(d)
}

// TestLargestFound: a record counts with its meta.
func TestLargestFound(t *testing.T) {
	d := openDir(t, dirOptions(ringDir(t)))
	c, err := d.set.Rings[0].Claim(2, 100+50+120)
	if err != nil {
		t.Fatal(err)
	}
	c.Append(make([]byte, 100), make([]byte, 50), 0)
	c.Append(make([]byte, 120), nil, 1)
	c.Publish()
	d = reopen(t, d)
	if got := d.set.Rings[0].Recovered(); got.Largest != 150 || got.Bytes != 270 || got.Records != 2 {
		t.Errorf("%+v", got)
	}
	leave(d)
}

// TestWordWins: what has a word is a batch, and what seems to be one around it, and has none, is
// not.
func TestWordWins(t *testing.T) {
	d := openDir(t, dirOptions(ringDir(t)))
	r := d.set.Rings[0]
	value := make([]byte, 500)
	c, err := r.Claim(1, len(value))
	if err != nil {
		t.Fatal(err)
	}
	const at = granule // where a granule begins: header, ordinal and what is before the value fill one
	forge(value[at:at+2*granule], "inside")
	inner := c.start + 2*granule
	sealBatch(value[at:], r.file.header.salt, inner)
	c.Append(value, nil, 0)
	c.Publish()
	r.words[c.start/granule].Store(0)
	r.words[inner/granule].Store(word(0, 2*granule))
	d = reopen(t, d)
	r = d.set.Rings[0]
	if len(d.Damaged()) > 0 || r.Recovered().Records != 1 {
		t.Fatalf("damaged %v, %+v", d.Damaged(), r.Recovered())
	}
	for b, ok := r.Next(); ok; b, ok = r.Next() {
		b.Records(func(_ int, rec Record) bool {
			if string(rec.Value) != "inside" {
				t.Errorf("found %q", rec.Value)
			}
			return true
		})
	}
	leave(d)
}

// TestNoteAtAHole: a stop that noted the second record of a batch which is none is damage.
func TestNoteAtAHole(t *testing.T) {
	for _, index := range []int{0, 1} {
		d := openDir(t, dirOptions(ringDir(t)))
		r := d.set.Rings[0]
		c := put(t, r, 0, 3, 100)
		r.MarkStop(c.start, index, true)
		r.words[c.start/granule].Store(0)
		r.data[c.start+uint64(recordsAt(3))] ^= 1
		if d = reopen(t, d); (len(d.Damaged()) == 1) != (index > 0) {
			t.Errorf("record %d: damaged %v", index, d.Damaged())
		}
		leave(d)
	}
}

// TestNothingAboveClaimed: a batch that begins or ends there says that the position is wrong.
func TestNothingAboveClaimed(t *testing.T) {
	for _, c := range []struct {
		before int
		inside uint64
	}{{1, 0}, {1, granule}, {0, granule}} {
		d := openDir(t, dirOptions(ringDir(t)))
		r := d.set.Rings[0]
		for range c.before {
			put(t, r, 0, 1, 100)
		}
		r.pos.claimed.Store(uint64(claimWordAt(put(t, r, 1, 1, 100).start + c.inside)))
		if d = reopen(t, d); len(d.Damaged()) != 1 {
			t.Errorf("damaged %v", d.Damaged())
		}
		leave(d)
	}
}

// forge makes a batch of one record of b, all but its checksums.
func forge(b []byte, value string) {
	le := binary.LittleEndian
	clear(b[:batchHeader])
	used := putRecord(b, recordsAt(1), 0, []byte(value), nil, nil)
	le.PutUint32(b[atCount:], 1)
	le.PutUint32(b[atUsed:], uint32(used))
	le.PutUint32(b[atValues:], uint32(len(value)))
	le.PutUint32(b[atRoom:], uint32(len(b)))
}

// TestBatchThatCannotBe: what passes its checksums, and cannot be all the same.
func TestBatchThatCannotBe(t *testing.T) {
	le := binary.LittleEndian
	const salt, pos, room = 7, 3 * granule, 4 * granule
	for _, c := range []struct {
		name   string
		change func(b []byte)
		fits   bool
		ok     bool
	}{
		{"good", func([]byte) {}, true, true},
		{"later in its Kafka batch", func(b []byte) { le.PutUint32(b[atNumber:], 1); b[recordsAt(2)+3] += 2; b[recordsAt(2)+27] += 2 }, true, true},
		{"a number that no claim has", func(b []byte) { le.PutUint32(b[atNumber:], recordsMax+1) }, true, false},
		{"another number", func(b []byte) { le.PutUint32(b[atNumber:], 1) }, true, false},
		{"a second record with the first's number", func(b []byte) { b[recordsAt(2)+27] -= 2 }, true, false},
		{"attributes", func(b []byte) { b[recordsAt(2)+1] = 1 }, true, false},
		{"a time", func(b []byte) { b[recordsAt(2)+2] = 2 }, true, false},
		{"a record is shorter", func(b []byte) { b[recordsAt(2)] -= 2 }, true, false},
		{"a record is longer", func(b []byte) { b[recordsAt(2)] += 2 }, true, false},
		{"a length below 0", func(b []byte) { b[recordsAt(2)]++ }, true, false},
		{"a key is longer", func(b []byte) { b[recordsAt(2)+4] += 2 }, true, false},
		{"no key, and its bytes", func(b []byte) { b[recordsAt(2)+4] = 1 }, true, false},
		{"a value is shorter", func(b []byte) { b[recordsAt(2)+8] -= 2 }, true, false},
		{"a value is longer", func(b []byte) { b[recordsAt(2)+8] += 2 }, true, false},
		{"a value that is null", func(b []byte) { b[recordsAt(2)+8] = 1 }, true, false},
		{"a header", func(b []byte) { b[recordsAt(2)+23] = 2 }, true, false},
		{"fewer records", func(b []byte) { le.PutUint32(b[atCount:], 1) }, true, false},
		{"more records", func(b []byte) { le.PutUint32(b[atCount:], 3) }, true, false},
		{"bytes behind the last", func(b []byte) { le.PutUint32(b[atUsed:], le.Uint32(b[atUsed:])+1) }, true, false},
		{"fewer bytes of values", func(b []byte) { le.PutUint32(b[atValues:], le.Uint32(b[atValues:])-1) }, true, false},
		{"no room for its ordinals", func(b []byte) { le.PutUint32(b[atCount:], 99) }, false, false},
		{"more than there is", func(b []byte) { le.PutUint32(b[atUsed:], room+1) }, false, false},
		{"a granule less", func(b []byte) { le.PutUint32(b[atRoom:], room-granule) }, false, false},
	} {
		b := make([]byte, room)
		at := putRecord(b, recordsAt(2), 0, make([]byte, 14), []byte("key"), nil)
		if at != recordsAt(2)+24 {
			t.Fatalf("a record has %d bytes", at-recordsAt(2))
		}
		at = putRecord(b, at, 1, make([]byte, 30), nil, nil)
		le.PutUint32(b[atCount:], 2)
		le.PutUint32(b[atUsed:], uint32(at))
		le.PutUint32(b[atValues:], 44)
		le.PutUint32(b[atRoom:], room)
		c.change(b)
		sealBatch(b, salt, pos)
		if fits := checkHead(b[:granule], room) == ""; fits != c.fits {
			t.Errorf("%s: fits %v", c.name, fits)
		} else if ok := fits && checkBody(salt, pos, b) == ""; ok != c.ok {
			t.Errorf("%s: right %v", c.name, ok)
		}
		for _, at := range []int{at - 1, recordsAt(2) - 1, atTaken} {
			if b[at] ^= 1; c.ok && checkBody(salt, pos, b) == "" {
				t.Errorf("%s: byte %d was changed, and the batch is right", c.name, at)
			}
			b[at] ^= 1
		}
	}
}
