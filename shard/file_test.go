package shard

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

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

// take reads all batches and answers the records' numbers, those done left out.
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
		for _, r := range d.set.all() {
			held := want[r.Name()]
			if got := take(t, r); !slices.Equal(got, held) || r.Recovered().Records != len(held) {
				t.Fatalf("life %d, ring %s: recovered %v, %+v; want %v", life, r.Name(), got, r.Recovered(), held)
			}
			r.read = r.Acked()
			next := 1000 * life
			for range 200 {
				put(t, r, next, 3, 700)
				held = append(held, run(next, next+3)...)
				next += 3
				if len(held) > 30 {
					b, _ := r.Next()
					r.Free(b.End)
					held = held[3:]
				}
			}
			want[r.Name()] = held
		}
		d = reopen(t, d)
		if len(d.Damaged()) > 0 {
			t.Fatalf("set aside: %v", d.Damaged())
		}
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
