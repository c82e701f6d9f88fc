package shard

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A hostile file has a word that no server writes, and every checksum is right all the same.

// place is a word of a ring file.
type place struct {
	name  string
	at    int // in the file, or in its first held batch
	bytes int
	part  int
}

const (
	inHeader = iota
	inPositions
	inStopMark // its sum is made right
	inTable
	inBatch
	inWord // of the first held batch
)

var places = []place{
	{"magic", 0, 8, inHeader}, {"version", atVersion, 4, inHeader}, {"behind version", 12, 4, inHeader},
	{"capacity", atCapacity, 8, inHeader}, {"shards", atShards, 4, inHeader}, {"shard", atShard, 4, inHeader},
	{"salt", atSalt, 4, inHeader}, {"behind salt", 36, 4, inHeader},
	{"topic's length", atTopic, 1, inHeader}, {"topic", atTopic + 1, 8, inHeader}, {"behind topic", atCluster - 8, 8, inHeader},
	{"cluster's length", atCluster, 1, inHeader}, {"cluster", atCluster + 1, 8, inHeader}, {"behind cluster", atHeaderCRC - 8, 8, inHeader},
	{"claimed", atPositions, 8, inPositions}, {"freed", atPositions + 64, 8, inPositions}, {"done", atPositions + 128, 8, inPositions},
	{"sent", atPositions + 136, 8, inPositions}, {"stopSum", atPositions + 160, 8, inPositions},
	{"stopAt", atPositions + 144, 8, inStopMark}, {"stopIndex", atPositions + 152, 8, inStopMark},
	{"first word", atWords, 8, inTable}, {"word of the middle", atWords + 8*500, 8, inTable}, {"last word", atWords + 8*1023, 8, inTable},
	{"its word", 0, 8, inWord},
	{"count", atCount, 4, inBatch}, {"used", atUsed, 4, inBatch}, {"connection", atConn, 8, inBatch}, {"first ordinal", atFirst, 8, inBatch},
	{"number", atNumber, 4, inBatch}, {"values", atValues, 4, inBatch}, {"room", atRoom, 4, inBatch},
	{"length of a record", batchHeader + 3*ordinalBytes, 2, inBatch}, {"behind it", batchHeader + 3*ordinalBytes + 2, 2, inBatch},
	{"number of a record", batchHeader + 3*ordinalBytes + 4, 1, inBatch}, {"length of a value", batchHeader + 3*ordinalBytes + 6, 2, inBatch},
}

type edit struct {
	place
	value uint64
}

func (e edit) String() string { return fmt.Sprintf("%s=%#x", e.name, e.value) }

// hostile makes the edits in a copy of a good file, and the checksums right.
func hostile(good []byte, edits ...edit) []byte {
	b := slices.Clone(good)
	le := binary.LittleEndian
	h, _ := decodeHeader(good)
	mark := func(at int) uint64 { return le.Uint64(b[atPositions+at:]) }
	start := mark(64) // of the first held batch
	batch := b[h.dataAt()+int64(start%h.capacity):]
	for _, e := range edits {
		to := b
		switch e.part {
		case inBatch:
			to = batch
		case inWord:
			to = b[atWords+start%h.capacity/granule*8:]
		}
		var word [8]byte
		le.PutUint64(word[:], e.value)
		copy(to[e.at:], word[:e.bytes])
	}
	for _, e := range edits {
		switch e.part {
		case inHeader:
			sealHeader(b)
		case inStopMark:
			le.PutUint64(b[atPositions+160:], stopMarkSum(le.Uint32(b[atSalt:]), mark(64), mark(144), mark(152)))
		case inBatch:
			sealBatch(batch, le.Uint32(b[atSalt:]), start)
		}
	}
	return b
}

// hostileOptions are those of a directory with one file, which hostileFile fills.
func hostileOptions(path string) DirOptions {
	return DirOptions{Path: path, Topic: "records", Shards: 1, Bytes: 1 << 16}
}

// suffer looks into a hostile file in every way, and opens it. Whatever it is taken for, no record
// may have changed, and a ring must come of it that takes records and yields them again.
func suffer(t *testing.T, o DirOptions, b []byte, edits ...edit) {
	t.Helper()
	forged := slices.ContainsFunc(edits, func(e edit) bool { return e.part == inBatch })
	for _, left := range ringFiles(t, o.Path) {
		if err := os.Remove(left); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(o.Path, ringFileName(0))
	write(t, path, b)
	unchanged := func(r Record) {
		var n int
		_, _ = fmt.Sscanf(string(r.Value), `{"number":%d,`, &n)
		if !forged && string(numbered(n, max(len(r.Value), 40))) != string(r.Value) {
			t.Fatalf("%v: record is changed: %.60q", edits, r.Value)
		}
	}
	infos, err := Inspect(o.Path)
	if err != nil || len(infos) != 1 {
		t.Fatalf("%v: inspected: %v, %v", edits, infos, err)
	}
	_, _ = ExportFile(path, func(r Record) error { unchanged(r); return nil })
	d, err := OpenDir(o)
	if err != nil {
		if left := ringFiles(t, o.Path); len(left) != 1 || string(b) != string(read(t, path)) {
			t.Fatalf("%v: refused (%v), and changed: %v", edits, err, left)
		}
		return
	}
	r, n := d.set.Rings[0], 0
	for {
		b, ok := r.Next()
		if !ok {
			break
		}
		b.Records(func(i int, rec Record) bool {
			unchanged(rec)
			if i >= b.Done {
				n++
			}
			return true
		})
	}
	if (infos[0].Damage != nil) != (len(d.Damaged()) == 1) || infos[0].Damage == nil && infos[0].Contents != r.Recovered() || n != r.Recovered().Records {
		t.Fatalf("%v: inspected %+v; set aside %v, recovered %+v, read %d", edits, infos[0], d.Damaged(), r.Recovered(), n)
	}
	if r.read != r.Claimed() {
		t.Fatalf("%v: the shard stands still at %d of %d", edits, r.read, r.Claimed())
	}
	r.Free(r.read)
	put(t, r, 7000, 10, 100)
	for life := range 2 { // the second after a kill
		if got := take(t, r); !slices.Equal(got, run(7000, 7010)) {
			t.Fatalf("%v: life %d: of ten new records came %v", edits, life, got)
		}
		leave(d)
		d = openDir(t, o)
		r = d.set.Rings[0]
	}
	leave(d)
}

func ringFiles(t *testing.T, dir string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.ring*"))
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// hostileValues are those at which something may give way: around what the file has, and around
// what its words can count.
func hostileValues(good []byte) []uint64 {
	le := binary.LittleEndian
	claimed, freed := le.Uint64(good[atPositions:]), le.Uint64(good[atPositions+64:])
	if at := claimWord(claimed).position(freed); at > 0 {
		claimed = at
	}
	values := []uint64{0, 2, 62, granule, 255, 1 << 16, 1 << 30, claimed, freed, lapsMax << 16, 1 << 56, 1 << 63,
		word(claimed>>16, granule), word(freed>>16, 1<<15), word(freed>>16, 1<<16), word(lapsMax, granule),
		math.MaxUint32, math.MaxUint64 - 63}
	for _, v := range values[5:12] {
		values = append(values, v-1, v+1, v+granule)
	}
	return values
}

// TestHostileFile writes hostile words into every place, alone and, at random but always the same,
// several at a time.
func TestHostileFile(t *testing.T) {
	o := hostileOptions(ringDir(t))
	good := read(t, fillFirst(t, o))
	values := hostileValues(good)
	suffer(t, o, good)
	for _, p := range places {
		for _, v := range values {
			e := edit{p, v}
			suffer(t, o, hostile(good, e), e)
		}
	}
	rng := rand.New(rand.NewPCG(15, 16))
	marks := slices.DeleteFunc(slices.Clone(places), func(p place) bool { return p.part != inPositions && p.part != inStopMark })
	for i := range 500 {
		from := places
		if i%2 == 0 {
			from = marks
		}
		edits := make([]edit, 2+rng.IntN(4))
		for i := range edits {
			edits[i] = edit{from[rng.IntN(len(from))], values[rng.IntN(len(values))] + granule*rng.Uint64N(3)}
		}
		suffer(t, o, hostile(good, edits...), edits...)
	}
}

// TestHostileWordIsDamage: what no server writes is damage, also where it would do no harm yet.
func TestHostileWordIsDamage(t *testing.T) {
	o := hostileOptions(ringDir(t))
	path := fillFirst(t, o)
	good := read(t, path)
	le := binary.LittleEndian
	freed := le.Uint64(good[atPositions+64:])
	claimed := claimWord(le.Uint64(good[atPositions:])).position(freed)
	lap, n := freed>>16, le.Uint64(good[atWords+freed%(1<<16)/granule*8:])&(1<<wordLapShift-1)*granule
	const over = 1<<15 + granule // half the ring is the most
	type words map[string]uint64
	for _, w := range []words{
		{"behind version": 1}, {"behind salt": 1}, {"behind topic": 1}, {"behind cluster": 1}, {"shard": 1},
		{"claimed": uint64(claimWordAt(freed + 1<<16 + granule))}, {"claimed": uint64(claimWordAt(freed - granule))}, {"freed": claimed + granule}, {"done": 1}, {"sent": claimed + granule},
		{"stopAt": claimed - 1}, {"stopAt": freed - granule}, {"stopAt": claimed + granule},
		{"stopAt": claimed, "stopIndex": 1}, {"stopAt": freed, "stopIndex": 1 << 63}, {"stopAt": freed, "stopIndex": 4}, {"count": 1<<31 | 3},
		{"its word": word(lap, n+granule)}, {"its word": word(lap, n-granule)},
		{"its word": word(lap, granule), "count": 0, "used": n, "room": granule},
		{"its word": word(lap, over), "room": over, "claimed": uint64(claimWordAt(freed + over)), "sent": freed},
	} {
		var edits []edit
		for name, value := range w {
			i := slices.IndexFunc(places, func(p place) bool { return p.name == name })
			edits = append(edits, edit{places[i], value})
		}
		b := hostile(good, edits...)
		suffer(t, o, b, edits...)
		write(t, path, b)
		d := openDir(t, o)
		if len(d.Damaged()) != 1 {
			t.Errorf("%v is taken", edits)
		}
		leave(d)
	}
	m := filePositions{claimed: 1<<63 + granule, freed: 1<<63 + granule, done: 1<<63 + granule, sent: 1<<63 + granule}
	if err := m.check(&fileHeader{capacity: MaxBytes}); !isDamage(err) {
		t.Errorf("positions whose sum with the largest capacity overflows: %v", err)
	}
}

// TestHostilePositions moves all positions together, as they are only credible then: as far as a
// word can count a ring goes on, beyond it is damaged.
func TestHostilePositions(t *testing.T) {
	for _, c := range []struct {
		at      uint64
		damaged bool
	}{{1 << 40, false}, {lapsMax<<16 - 1<<16, false}, {lapsMax << 16, true}, {1<<63 + 1<<62, true}, {math.MaxUint64 - 63, true}} {
		o := hostileOptions(ringDir(t))
		d := openDir(t, o)
		leave(d)
		path := filepath.Join(o.Path, ringFileName(0))
		good := read(t, path)
		var edits []edit
		for _, p := range places {
			if p.part == inPositions && p.name != "stopSum" {
				at := c.at
				if p.name == "claimed" {
					at = uint64(claimWordAt(at))
				}
				edits = append(edits, edit{p, at})
			}
		}
		b := hostile(good, edits...)
		suffer(t, o, b, edits...)
		write(t, path, b)
		d = openDir(t, o)
		if damaged := len(d.Damaged()) == 1; damaged != c.damaged {
			t.Errorf("positions at %d: damaged %v, want %v", c.at, damaged, c.damaged)
		}
		leave(d)
	}
}

// TestManyFalseBatches: a long batch seems to begin at every granule. To compute all their
// checksums would take for ever, so that is damage.
func TestManyFalseBatches(t *testing.T) {
	const capacity = 1 << 20
	o := hostileOptions(ringDir(t))
	o.Bytes = capacity
	leave(openDir(t, o))
	path := filepath.Join(o.Path, ringFileName(0))
	b := read(t, path)
	h, _ := decodeHeader(b)
	le := binary.LittleEndian
	le.PutUint64(b[atPositions:], uint64(claimWordAt(capacity)))
	for g := uint64(0); g < capacity/granule; g++ {
		n := min(capacity/2, capacity-g*granule)
		batch := b[h.dataAt()+int64(g*granule):]
		le.PutUint32(batch[atCount:], 1)
		le.PutUint32(batch[atUsed:], uint32(n))
		le.PutUint32(batch[atRoom:], uint32(n))
	}
	suffer(t, o, b)
	_, err := scanFile(strings.NewReader(string(b)), h, nil)
	if want := "far more looks like a batch than fits"; !isDamage(err) || !strings.Contains(err.Error(), want) {
		t.Errorf("scanned: %v, want %s", err, want)
	}
	for g := uint64(0); g < capacity/granule; g++ { // as exportDamaged finds them
		n := min(capacity/2, capacity-g*granule)
		le.PutUint64(b[atWords+8*g:], word(capacity/granule-g, n))
	}
	le.PutUint64(b[atPositions:], uint64(claimWordAt(capacity+granule)))
	suffer(t, o, b)
}

// TestInspectQuotesNames: a name is nothing that a terminal obeys.
func TestInspectQuotesNames(t *testing.T) {
	o := hostileOptions(ringDir(t))
	leave(openDir(t, o))
	path := filepath.Join(o.Path, ringFileName(0))
	h, _ := decodeHeader(read(t, path))
	h.topic = "\x1b[2J"
	b := read(t, path)
	copy(b, h.encode())
	write(t, path, b)
	infos, err := Inspect(o.Path)
	if err != nil || len(infos) != 1 || infos[0].Topic != `"\x1b[2J"` {
		t.Errorf("%+v, %v", infos, err)
	}
}

func FuzzHostileFile(f *testing.F) {
	o := hostileOptions(ringDir(f))
	good := read(f, fillFirst(f, o))
	for i, v := range hostileValues(good) {
		f.Add(uint8(i), uint8(2*i), uint8(3*i), v, v+granule, v)
	}
	f.Fuzz(func(t *testing.T, p, q, r uint8, u, v, w uint64) {
		o := hostileOptions(ringDir(t))
		at := func(p uint8) place { return places[int(p)%len(places)] }
		edits := []edit{{at(p), u}, {at(q), v}, {at(r), w}}
		suffer(t, o, hostile(good, edits...), edits...)
	})
}
