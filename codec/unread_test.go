package codec

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/ringtail/ringtail/wire"
)

// unreadStream is records good and bad, whose sizes reach over the reads below.
func unreadStream(f Framing, rng *rand.Rand) string {
	var b strings.Builder
	for k := range 60 {
		rec := fmt.Sprintf(`{"number":%d,"pad":"%s"}`, k, strings.Repeat("}", rng.IntN(300)))
		if rng.IntN(8) == 0 && k > 0 {
			rec = []string{`{"number":null}`, `{"n":1}`, `{"number":[1,2}`}[rng.IntN(3)]
		}
		switch f {
		case Length:
			rec = strings.Repeat(" ", rng.IntN(3)) + rec
			b.Write([]byte{0, 0, byte(len(rec) >> 8), byte(len(rec))})
			b.WriteString(rec)
		case Newline:
			b.WriteString(rec + "\r\n\n"[rng.IntN(2):])
		case Octet:
			fmt.Fprintf(&b, "%0*d %s", rng.IntN(9), len(rec), rec)
		case NUL:
			b.WriteString(rec + "\x00\x00"[rng.IntN(2):])
		case JSON, Auto:
			behind := []string{"", ",", "\x00\n\x1e"}[rng.IntN(3)]
			if k == 0 {
				begin := []string{"", bom, "\x1e", "[ \n", "[["}[rng.IntN(5)]
				b.WriteString(begin)
				behind += strings.Repeat("]", strings.Count(begin, "["))
			}
			if f == Auto && k > 0 && rng.IntN(8) == 0 {
				rec += "\n stray {\"" + strings.Repeat("}", rng.IntN(200)) // up to the line's end
			}
			b.WriteString(rec + " \n" + behind)
		default:
			b.WriteString(framed(f, rec, len(rec)))
		}
	}
	return b.String()
}

func describe(rec *Record) string {
	if rec.Reason != OK {
		return fmt.Sprintf("%s %d %s", rec.Reason, rec.Size, rec.Data)
	}
	return fmt.Sprintf("shard %d: %s", rec.Shard, rec.Data)
}

// A stream that is peeked at, in steps that end anywhere, yields the same records as
// one that is simply fed, whether the rest is dropped or taken back out of the partial record.
func TestDropAndUnreadYieldTheSameRecords(t *testing.T) {
	for _, f := range wire.All() {
		t.Run(f.String(), func(t *testing.T) {
			for seed := range uint64(200) {
				rng := rand.New(rand.NewPCG(seed, 1))
				stream := unreadStream(f, rng)
				want, separators := simplyFed(t, f, stream)
				got, skipped := peeked(t, f, stream, rng)
				if skipped != separators {
					t.Fatalf("seed %d: %d separators, want %d", seed, skipped, separators)
				}
				for i := range min(len(got), len(want)) {
					if got[i] != want[i] {
						t.Fatalf("seed %d, record %d: %s, want %s", seed, i, got[i], want[i])
					}
				}
				if len(got) != len(want) || len(want) < 50 {
					t.Fatalf("seed %d: %d records, want %d", seed, len(got), len(want))
				}
			}
		})
	}
}

func unreadRouter(t *testing.T) *Router {
	t.Helper()
	r, err := NewRouter(Options{Field: "number", Shards: 10, MaxRecordBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func simplyFed(t *testing.T, f Framing, stream string) (list []string, separators uint64) {
	var d Decoder
	var rec Record
	d.Init(f)
	d.Feed([]byte(stream))
	for r := unreadRouter(t); d.Next(r, &rec); {
		list = append(list, describe(&rec))
	}
	return list, d.Separators()
}

// peeked consumes what simplyFed does, by one of two ways at each step, chosen at
// random: feed and keep a partial; or take the partial record back, look, take whole records.
func peeked(t *testing.T, f Framing, stream string, rng *rand.Rand) (list []string, separators uint64) {
	var d Decoder
	var rec Record
	d.Init(f)
	r := unreadRouter(t)
	for off, look := 0, 0; off < len(stream); {
		look += 1 + rng.IntN(400)
		end := min(len(stream), off+look)
		if rng.IntN(2) == 0 {
			d.Feed([]byte(stream[off:end]))
			for d.Next(r, &rec) {
				list = append(list, describe(&rec))
			}
			off, look = end, 0
			continue
		}
		own, ok := d.Unread(nil)
		if !ok || d.Unfinished() {
			t.Fatalf("the partial record cannot be taken back: %v %v", ok, d.Unfinished())
		}
		chunk := append(bytes.Clone(own), stream[off:end]...)
		d.Feed(chunk)
		taken := 0
		for d.Next(r, &rec) {
			list = append(list, describe(&rec))
			taken = len(chunk) - d.Rest()
			d.Mark()
		}
		if d.Drop(); d.Unfinished() || d.Buffered() != 0 && d.partial != nil {
			t.Fatal("dropped, and still there")
		}
		if taken > 0 {
			off, look = off+taken-len(own), 0
			continue
		}
		d.Feed(own)
		if d.Next(r, &rec) {
			t.Fatalf("a record in what was none: %q", own)
		}
	}
	return list, d.Separators()
}

func TestUnreadCannotTakeBackWhatWasSkipped(t *testing.T) {
	r, err := NewRouter(Options{Field: "number", Shards: 10, MaxRecordBytes: 100})
	if err != nil {
		t.Fatal(err)
	}
	var d Decoder
	var rec Record
	d.Init(Newline)
	d.Feed([]byte(strings.Repeat("x", 200)))
	if d.Next(r, &rec) {
		t.Fatal("a record")
	}
	if _, ok := d.Unread(nil); ok || !d.Unfinished() {
		t.Fatalf("taken back: %v; unfinished: %v", ok, d.Unfinished())
	}
	d.Feed([]byte("y\n"))
	if !d.Next(r, &rec) || rec.Reason != TooLarge || rec.Size != 201 {
		t.Fatalf("%+v", rec)
	}
}

// A part of a byte order mark is given back like a part of a record, and is forgotten with what was
// only looked at.
func TestHalfAMarkIsFedAgain(t *testing.T) {
	for _, f := range []Framing{Newline, NUL, JSON, Auto} {
		for cut := 1; cut < len(bom); cut++ {
			var d Decoder
			d.Init(f)
			r := unreadRouter(t)
			var rec Record
			next := func(chunk string) bool {
				d.Feed([]byte(chunk))
				return d.Next(r, &rec)
			}
			next(bom[:cut])
			d.Drop() // as if it had never come
			next(bom[:cut])
			own, ok := d.Unread(nil)
			if next(string(own) + bom[cut:] + before + "\n\x00"); !ok || string(own) != bom[:cut] || rec.Reason != OK || rec.Shard != 1 {
				t.Errorf("%v, %d bytes: %q was given back, %v; then %s %q", f, cut, own, ok, rec.Reason, rec.Data)
			}
		}
	}
}
