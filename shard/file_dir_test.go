package shard

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ringtail/ringtail/internal/crc32c"
)

// filled makes a directory whose first file holds records 0 to 59, one batch of them
// handed over, with laps behind it and a hole in it, and lets go of it.
func filled(t *testing.T) (o DirOptions, path string) {
	t.Helper()
	o = dirOptions(ringDir(t))
	return o, fillFirst(t, o)
}

// fillFirst is filled with options of one's own.
func fillFirst(tb testing.TB, o DirOptions) (path string) {
	tb.Helper()
	d := openDir(tb, o)
	if err := d.SetCluster("cluster-1"); err != nil {
		tb.Fatal(err)
	}
	r := d.set.Rings[0]
	for i := range 300 {
		put(tb, r, 1000+i, 1, 900)
		b, _ := r.Next()
		r.Free(b.End)
	}
	for i := range 20 {
		if i == 10 {
			if _, err := r.Claim(1, 500); err != nil {
				tb.Fatal(err)
			}
		}
		putWith(tb, r, 3*i, 3, 250, someHeaders(i))
	}
	b, _ := r.Next()
	r.Sending(b.End)
	leave(d)
	return filepath.Join(o.Path, ringFileName(0))
}

// contents sums up a directory's files.
func contents(t *testing.T, dir string) string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.ring*"))
	if err != nil {
		t.Fatal(err)
	}
	out := ""
	for _, p := range paths {
		out += fmt.Sprintf("%s %x\n", filepath.Base(p), sha256.Sum256(read(t, p)))
	}
	return out
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func write(t testing.TB, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestDirRefuses: files for other records are refused, with what would be right, and
// nothing in the directory is changed by that.
func TestDirRefuses(t *testing.T) {
	o, path := filled(t)
	version := o
	version.Path = ringDir(t)
	h, _ := decodeHeader(read(t, path))
	if err := createFile(filepath.Join(version.Path, ringFileName(1)), h); err != nil {
		t.Fatal(err)
	}
	newer := read(t, filepath.Join(version.Path, ringFileName(1)))
	newer[atVersion] = fileVersion + 1
	sealHeader(newer)
	write(t, filepath.Join(version.Path, ringFileName(1)), newer)

	withDeadLetters := dirOptions(ringDir(t))
	d := openDir(t, withDeadLetters)
	put(t, d.set.Dead, 0, 4, 100)
	leave(d)
	noDead := withDeadLetters
	noDead.DeadTopic = ""
	otherDead := withDeadLetters
	otherDead.DeadTopic = "graves"

	topic, fewer, more := o, o, o
	topic.Topic = "other"
	fewer.Shards, more.Shards = 1, 3
	for name, c := range map[string]struct {
		o    DirOptions
		says string
	}{
		"topic":             {topic, `shard-00.ring is for topic "records", --topic is "other"`},
		"fewer shards":      {fewer, "is one of 2 shards, --shards is 1"},
		"more shards":       {more, "is one of 2 shards, --shards is 3"},
		"version":           {version, "shard-01.ring was written by another version"},
		"letters, no topic": {noDead, "dead-letter.ring holds dead letters (4) for topic \"dead\"; give --dead-letter-topic dead"},
		"letters, other":    {otherDead, `dead-letter.ring is for topic "dead", --dead-letter-topic is "graves"`},
		"too small":         {DirOptions{Path: o.Path, Topic: "records", DeadTopic: "dead", Shards: 2, Bytes: 100}, "a ring of 100 bytes"},
		"topic's name":      {DirOptions{Path: o.Path, Topic: strings.Repeat("x", 256), Shards: 2, Bytes: 1 << 16}, "at most 255 bytes"},
		"below a file":      {DirOptions{Path: path, Topic: "records", Shards: 2, Bytes: 1 << 16}, "not a directory"},
	} {
		t.Run(name, func(t *testing.T) {
			before := contents(t, o.Path) + contents(t, withDeadLetters.Path) + contents(t, version.Path)
			if checked := CheckDir(c.o); strings.Contains(c.says, ".ring ") && (checked == nil || !strings.Contains(checked.Error(), c.says)) {
				t.Errorf("checked: %v; want %s", checked, c.says)
			}
			d, err := OpenDir(c.o)
			if err == nil {
				leave(d)
				t.Fatal("it is taken")
			}
			if !strings.HasPrefix(err.Error(), "--ring-dir "+c.o.Path+": ") || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v; want %s", err, c.says)
			}
			if after := contents(t, o.Path) + contents(t, withDeadLetters.Path) + contents(t, version.Path); after != before {
				t.Errorf("files have changed:\n%s\n%s", before, after)
			}
		})
	}
}

func sealHeader(b []byte) {
	h := b[:atHeaderCRC]
	putCRC(b[atHeaderCRC:], h)
}

// TestDirInUse: two processes never have the same files, and the error says who has.
// TestMissingFileIsTold: a new directory's files are missing as well, but nobody misses
// them.
func TestMissingFileIsTold(t *testing.T) {
	o := dirOptions(ringDir(t))
	var log bytes.Buffer
	o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	leave(openDir(t, o))
	leave(openDir(t, o))
	if strings.Contains(log.String(), "missing") {
		t.Errorf("a new directory: %s", &log)
	}
	if err := os.Remove(filepath.Join(o.Path, ringFileName(1))); err != nil {
		t.Fatal(err)
	}
	leave(openDir(t, o))
	if n := strings.Count(log.String(), "missing"); n != 1 || !strings.Contains(log.String(), ringFileName(1)) {
		t.Errorf("told %d times, want once: %s", n, &log)
	}
	log.Reset()
	if err := os.WriteFile(filepath.Join(o.Path, ringFileName(0)), []byte("no ring file"), 0o600); err != nil {
		t.Fatal(err)
	}
	leave(openDir(t, o))
	if !strings.Contains(log.String(), "damaged") || strings.Contains(log.String(), "missing") {
		t.Errorf("of a damaged one, which is set aside: %s", &log)
	}
}

func TestDirInUse(t *testing.T) {
	d := openDir(t, dirOptions(ringDir(t)))
	_, err := OpenDir(d.opt)
	if want := fmt.Sprintf("is in use by the process %d", os.Getpid()); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %s", err, want)
	}
	leave(d)
	leave(openDir(t, d.opt))
}

// TestDirCluster: new files take the cluster's id, and keep it; another one is refused.
func TestDirCluster(t *testing.T) {
	o, _ := filled(t)
	d := openDir(t, o)
	if err := d.SetCluster("cluster-2"); err == nil || !strings.Contains(err.Error(), `shard-00.ring is for the Kafka cluster "cluster-1", this one is "cluster-2"`) {
		t.Errorf("another cluster: %v", err)
	}
	if err := d.SetCluster(strings.Repeat("x", 256)); err == nil {
		t.Error("an id of 256 bytes is taken")
	}
	d = reopen(t, d)
	if err := d.SetCluster("cluster-1"); err != nil {
		t.Error(err)
	}
	leave(d)
}

// TestDirSize: a file that holds records keeps its size, an empty one is made anew.
func TestDirSize(t *testing.T) {
	o, _ := filled(t)
	o.Bytes *= 2
	d := openDir(t, o)
	for i, want := range []int{1 << 16, 1 << 17} {
		if got := d.set.Rings[i].Capacity(); got != want {
			t.Errorf("ring %d has %d bytes, want %d", i, got, want)
		}
	}
	if err := d.SetCluster("cluster-2"); err == nil {
		t.Error("the file made anew has forgotten its cluster")
	}
	r := d.set.Rings[0]
	if got := take(t, r); !slices.Equal(got, run(0, 60)) {
		t.Errorf("recovered %v", got)
	}
	r.Free(r.read)
	d = reopen(t, d)
	if got := d.set.Rings[0].Capacity(); got != 1<<17 {
		t.Errorf("drained, ring 0 has %d bytes", got)
	}
	leave(d)
}

// TestUnfinishedFile: a process that died while it made a file leaves nothing that is
// taken for one.
func TestUnfinishedFile(t *testing.T) {
	o := dirOptions(ringDir(t))
	write(t, filepath.Join(o.Path, ringFileName(0)+".new"), []byte("RINGTAIL"))
	d := openDir(t, o)
	if entries, _ := filepath.Glob(filepath.Join(o.Path, "*.new")); len(entries)+len(d.Damaged()) != 0 {
		t.Errorf("left: %v, damaged: %v", entries, d.Damaged())
	}
	leave(d)
}

// TestFailedOpeningLeavesNothing: what an opening that failed has made is gone.
func TestFailedOpeningLeavesNothing(t *testing.T) {
	o := dirOptions(ringDir(t))
	if err := os.Mkdir(filepath.Join(o.Path, ringFileName(1)+".new"), 0o700); err != nil {
		t.Fatal(err)
	}
	if d, err := OpenDir(o); err == nil {
		leave(d)
		t.Fatal("a file was made where a directory is in the way")
	}
	if names, _ := ringNames(o.Path); len(names) != 0 {
		t.Errorf("left: %v", names)
	}
}

// TestDamagedIsSetAside: whatever is wrong with a file, it is kept as it is under
// another name, counted, and an empty one takes its place.
func TestDamagedIsSetAside(t *testing.T) {
	o, path := filled(t)
	good := read(t, path)
	cases := map[string][]byte{
		"empty":                        {},
		"not ours":                     bytes.Repeat([]byte("x"), len(good)),
		"another shard's":              read(t, filepath.Join(o.Path, ringFileName(1))),
		"longer":                       append(slices.Clone(good), 0),
		"positions not a granule's":    flip(good, atPositions+64, 1),
		"freed above done":             flip(good, atPositions+64+3, 0x80),
		"sent above claimed":           flip(good, atPositions+136+3, 0x80),
		"claimed is higher than it is": flip(good, atPositions+5, 0x80),
		"header":                       flip(good, atTopic+1, 0x20),
		"capacity of another size":     withCapacity(good, 1<<17),
		"capacity too small":           withCapacity(good, 64),
		"capacity too large":           withCapacity(good, 1<<40),
		"capacity of half a page":      append(withCapacity(good, 1<<16+2048), make([]byte, 2048)...),
	}
	for n := 0; n < len(good); n += 4096 {
		cases[fmt.Sprintf("cut at %d", n)] = good[:n]
	}
	for name, b := range cases {
		t.Run(name, func(t *testing.T) {
			write(t, path, b)
			d := openDir(t, o)
			r := d.set.Rings[0]
			aside, _ := filepath.Glob(path + ".damaged-*")
			if len(d.Damaged()) != 1 || !slices.Contains(aside, d.Damaged()[0]) || !bytes.Equal(read(t, d.Damaged()[0]), b) {
				t.Errorf("set aside: %v; there: %v", d.Damaged(), aside)
			}
			if got := take(t, r); len(got) != 0 || r.Recovered().Records != 0 {
				t.Errorf("of a damaged file %v is sent", got)
			}
			put(t, r, 7, 1, 100)
			d = reopen(t, d)
			if got := take(t, d.set.Rings[0]); !slices.Equal(got, run(7, 8)) || len(d.Damaged()) != 0 {
				t.Errorf("the new file holds %v", got)
			}
			leave(d)
		})
	}
	if aside, _ := filepath.Glob(path + ".damaged-*"); len(aside) != len(cases) {
		t.Errorf("%d files were set aside, %d are there", len(cases), len(aside))
	}
}

func withCapacity(b []byte, n uint64) []byte {
	b = slices.Clone(b)
	binary.LittleEndian.PutUint64(b[atCapacity:], n)
	sealHeader(b)
	return b
}

func flip(b []byte, at int, bits byte) []byte {
	b = slices.Clone(b)
	b[at] ^= bits
	return b
}

// TestFlippedBytes changes bytes at random. Either that is noticed, or nothing that
// matters has changed: never is a record changed or missing. What had been freed may
// come again where the positions themselves were hit, and is counted.
func TestFlippedBytes(t *testing.T) {
	_, path := filled(t)
	good := read(t, path)
	const header, places, table, batches = 0, 1, 2, 3
	at := [4][2]int{header: {0, headerBytes}, places: {atPositions, positionsBytes}, table: {atWords, 1 << 13}}
	h, _ := decodeHeader(good)
	at[batches] = [2]int{int(h.dataAt()), 1 << 16}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	noticed := [4]int{}
	for range 8000 {
		where := rng.IntN(4)
		b := good
		for range 1 + rng.IntN(2) {
			b = flip(b, at[where][0]+rng.IntN(at[where][1]), byte(1+rng.IntN(255)))
		}
		got, recovered, err := scanBytes(b)
		if err != nil {
			noticed[where]++
			continue
		}
		again := len(got) - 60
		if again < 0 || !slices.Equal(got[again:], run(0, 60)) || again > 0 && where != places || again > recovered.PossibleDuplicates {
			t.Fatalf("seed %d, part %d: %d records %v, %+v", seed, where, len(got), got, recovered)
		}
	}
	if noticed[header] == 0 || noticed[places] == 0 || noticed[table] == 0 || noticed[batches] == 0 {
		t.Errorf("noticed by part: %v", noticed)
	}
}

// scanBytes reads a file's bytes as an opening does.
func scanBytes(b []byte) (numbers []int, r Recovered, err error) {
	h, err := readHeader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return nil, r, err
	}
	s, err := scanFile(bytes.NewReader(b), h, func(b Batch) {
		b.Records(func(_ int, rec Record) bool {
			var n int
			_, _ = fmt.Sscanf(string(rec.Value), `{"number":%d,`, &n)
			if !bytes.Equal(rec.Value, numbered(n, len(rec.Value))) {
				n = -1
			}
			numbers = append(numbers, n)
			return true
		})
	})
	if err != nil {
		return nil, r, err
	}
	return numbers, s.recovered, nil
}

func putCRC(at, of []byte) { binary.LittleEndian.PutUint32(at, crc32c.Sum(of)) }
