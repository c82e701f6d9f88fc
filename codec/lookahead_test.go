package codec

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// lookaheadStream makes a stream of n records, most of them simd.
func lookaheadStream(rng *rand.Rand, f Framing, n int) string {
	var records [][]byte
	for range n {
		record := shapes[rng.IntN(6)].make(rng)
		switch rng.IntN(20) {
		case 0:
			record = shapes[6+rng.IntN(3)].make(rng)
		case 1:
			record = []string{`{"number":1`, `{"number":1}}`, "{\"number\":1,\"a\":\"\xff\"}", `{"number":01}`, "{\"number\":\n1}", "[]", "", " \r"}[rng.IntN(8)]
		}
		if f == Newline {
			record += []string{"", "\r", " ", "\n"}[rng.IntN(100)/30]
		} else if f != Length {
			record += []string{"", "\n", "\r\n", " "}[3-rng.IntN(100)/30]
		}
		records = append(records, []byte(record))
	}
	var s strings.Builder
	for _, chunk := range stream(f, records) {
		s.Write(chunk)
	}
	return s.String()
}

// TestStreamsWithLookahead decodes streams longer than what simd finds in one go, in chunks
// of all sizes; decode compares machines with vectors and without.
func TestStreamsWithLookahead(t *testing.T) {
	rng, inputs := seeded(t, 400)
	for _, f := range []Framing{Newline, Length, JSON, Auto} {
		r := testRouter(t, Options{MaxRecordBytes: 235, KeyField: "site"})
		lines := 0
		for range inputs / 4 {
			s := lookaheadStream(rng, f, 1+rng.IntN(200))
			whole := decode(r, f, s)
			var chunks []string
			most := 1 + rng.IntN(6000)
			for rest := s; len(rest) > 0; {
				n := min(len(rest), 1+rng.IntN(most))
				chunks, rest = append(chunks, rest[:n]), rest[n:]
			}
			got := decode(r, f, chunks...)
			for i := range max(len(got), len(whole)) {
				if i >= min(len(got), len(whole)) || got[i] != whole[i] {
					t.Fatalf("%v, chunks of up to %d, record %d of %d:\n%.500q\nin one piece, %d:\n%.500q", f, most, i, len(got), got[i:], len(whole), whole[i:])
				}
			}
			lines += len(whole)
		}
		if lines < inputs {
			t.Errorf("%v: %d records", f, lines)
		}
	}
}

// TestRoutersAndDecodersMix calls Next of two Decoders in turn, with one Router
// and another: what was found ahead belongs to one Decoder and one Router.
func TestRoutersAndDecodersMix(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 4))
	for round := range 50 {
		streams := [2]string{lookaheadStream(rng, Newline, 150), lookaheadStream(rng, Newline, 150)}
		for _, r := range paths(testRouter(t, Options{})) {
			other := paths(testRouter(t, Options{Field: "id"}))[rng.IntN(1+int(vectors))]
			want := [2][]string{decodeOnce(r, Newline, streams[0]), decodeOnce(r, Newline, streams[1])}
			var got [2][]string
			var decoders [2]Decoder
			for i := range decoders {
				decoders[i].Init(Newline)
				decoders[i].Feed([]byte(streams[i]))
			}
			for busy := true; busy; {
				busy = false
				for i := range decoders {
					for range rng.IntN(4) {
						var rec Record
						with := r
						if i == 0 && rng.IntN(8) == 0 {
							with = other
						}
						if decoders[i].Next(with, &rec) {
							busy = true
							if with == r {
								got[i] = append(got[i], line(rec))
							} else { // its shard is another
								got[i] = append(got[i], want[i][len(got[i])])
							}
						}
					}
					busy = busy || decoders[i].Rest() > 0
				}
			}
			for i := range got {
				decoders[i].End()
				for rec := (Record{}); decoders[i].Next(r, &rec); {
					got[i] = append(got[i], line(rec))
				}
				if !slices.Equal(got[i], want[i]) {
					t.Fatalf("round %d, decoder %d:\n%q\nwant\n%q", round, i, got[i], want[i])
				}
			}
		}
	}
}

// TestAttemptsGetRare feeds records that simd cannot read, and then some that it can.
func TestAttemptsGetRare(t *testing.T) {
	for _, v := range available() {
		r := testRouter(t, Options{})
		r.lookahead = eager(r.names, v)
		var d Decoder
		var rec Record
		d.Init(Newline)
		attempts := 0
		for range 1000 {
			d.Feed([]byte(`{"number":1,"a":1e0}` + "\n"))
			resting := r.lookahead.rest > 0
			if !d.Next(r, &rec) || rec.Reason != OK {
				t.Fatal(rec.Reason)
			}
			if !resting {
				attempts++
			}
		}
		if attempts < 10 || attempts > 30 {
			t.Errorf("%d attempts in a thousand records", attempts)
		}
		for n := 0; r.lookahead.misses > 0; n++ {
			if n == 1<<maxMisses {
				t.Fatal("simd is not tried again")
			}
			d.Feed([]byte(before + "\n"))
			for d.Next(r, &rec) {
			}
		}
	}
}

// TestWhatIsFoundInVainMakesAttemptsRare: simd finds a hundred records ahead, and next
// declines the second of them, over and over.
func TestWhatIsFoundInVainMakesAttemptsRare(t *testing.T) {
	for _, v := range available() {
		for _, pair := range []string{before + "\n{\"a\":\"\xff\"}\n", before + "\n" + before + before + "\n"} {
			r := testRouter(t, Options{})
			r.lookahead = eager(r.names, v)
			var d Decoder
			var rec Record
			d.Init(Newline)
			d.Feed([]byte(strings.Repeat(pair, 1000)))
			const mark = 1 << 30 // as good as any number but 0, and simd writes another
			attempts, records := 0, 0
			for r.lookahead.kernel.high = mark; d.Next(r, &rec); records++ {
				if r.lookahead.kernel.high != mark {
					attempts++
					r.lookahead.kernel.high = mark
				}
			}
			if records != 2000 || attempts < 10 || attempts > 100 {
				t.Errorf("%q: %d attempts in %d records", pair, attempts, records)
			}
		}
	}
}

// TestShortChunksAreLeftToScan: they are not worth being copied, nor a call each.
func TestShortChunksAreLeftToScan(t *testing.T) {
	r := testRouter(t, Options{})
	if r.lookahead == nil {
		return
	}
	for n := leastBytes - 2; n < leastBytes+2; n++ {
		record := before[:len(before)-1] + strings.Repeat(" ", n-len(before)) + "}"
		r.lookahead.kernel.numEnds = 0
		var rec Record
		if r.Judge(&rec, []byte(record)); rec.Reason != OK || r.lookahead.kernel.numEnds != n/leastBytes {
			t.Errorf("%d bytes: %s, %d records ahead", n, rec.Reason, r.lookahead.kernel.numEnds)
		}
	}
	for _, f := range []Framing{Length, JSON} { // one record a call
		attempts := 0
		var d Decoder
		var rec Record
		d.Init(f)
		for d.Feed([]byte(strings.Repeat(between(f, before), 300))); d.Next(r, &rec); r.lookahead.kernel.numEnds = 0 {
			attempts += r.lookahead.kernel.numEnds
		}
		if attempts > 20 {
			t.Errorf("%v: %d attempts in 900 records", f, attempts)
		}
	}
}

// TestLoneLongRecordsAreLeftToScan: simd reads no block that may reach beyond what
// it is given, so it would not see their end.
func TestLoneLongRecordsAreLeftToScan(t *testing.T) {
	r := testRouter(t, Options{})
	if r.lookahead == nil {
		return
	}
	for n := tailBytes - 66; n < tailBytes+66; n++ {
		record := before[:len(before)-1] + strings.Repeat(" ", n-len(before)) + "}"
		r.lookahead.kernel.numEnds = 0
		var rec Record
		if r.Judge(&rec, []byte(record)); rec.Reason != OK || r.lookahead.misses > 0 || r.lookahead.kernel.numEnds == 1 != (n < tailBytes) {
			t.Errorf("%d bytes: %s, %d misses, %d records ahead", n, rec.Reason, r.lookahead.misses, r.lookahead.kernel.numEnds)
		}
		if got := r.first([]byte(record+strings.Repeat(" ", margin)), n, true); got != n {
			t.Errorf("%d bytes and a margin: %d", n, got)
		}
	}
}

// TestLongNames have no room in simd's margin.
func TestLongNames(t *testing.T) {
	for n := longestName - 2; n < longestName+3; n++ {
		field := strings.Repeat("f", n)
		for _, names := range [][2]string{{field, ""}, {"n", field}} {
			if got := newLookahead(names, avx2) != nil; got != (n <= longestName) {
				t.Errorf("names of %d and %d bytes: %t", len(names[0]), len(names[1]), got)
			}
		}
		r := testRouter(t, Options{Field: field})
		stream := strings.Repeat(fmt.Sprintf(`{"%s":7,"x%s":1,"%s":2}`+"\n", field, field[1:], field[1:]), 20)
		for i, got := range decode(r, Newline, stream) {
			if !strings.HasPrefix(got, "7 ") {
				t.Fatalf("record %d: %s", i, got)
			}
		}
	}
}

// TestEveryFramingHasLookahead fails where a framing is left to scan.
func TestEveryFramingHasLookahead(t *testing.T) {
	for _, f := range []Framing{Newline, Length, JSON, Auto} {
		for _, r := range paths(testRouter(t, Options{}))[1:] {
			var d Decoder
			var rec Record
			d.Init(f)
			d.Feed([]byte(between(f, before)))
			if !d.Next(r, &rec) || rec.Reason != OK || r.lookahead.kernel.numEnds == 0 {
				t.Errorf("%v: %s, %d records ahead", f, rec.Reason, r.lookahead.kernel.numEnds)
			}
		}
	}
	for _, r := range paths(testRouter(t, Options{}))[1:] {
		var rec Record
		if r.Judge(&rec, []byte(before)); r.lookahead.kernel.numEnds != 1 {
			t.Errorf("Judge: %d records ahead", r.lookahead.kernel.numEnds)
		}
	}
}

// TestLookaheadForgets takes the chunk away while records are known in it.
func TestLookaheadForgets(t *testing.T) {
	for how, forget := range map[string]func(d *Decoder){
		"Feed":    func(*Decoder) {},
		"Drop":    func(d *Decoder) { d.Drop() },
		"Release": func(d *Decoder) { d.Release() },
	} {
		for _, r := range paths(testRouter(t, Options{})) {
			var d Decoder
			var rec Record
			d.Init(Newline)
			d.Feed([]byte(strings.Repeat(before+"\n", 3)))
			if !d.Next(r, &rec) {
				t.Fatal("no record")
			}
			forget(&d)
			if how != "Feed" && d.Next(r, &rec) {
				t.Errorf("%s: there is %s", how, rec.Data)
			}
			const other = "as long as 1" // and so with the same end
			d.Feed([]byte(other + "\n"))
			if !d.Next(r, &rec) || string(rec.Data) != other || rec.Reason != BadJSON {
				t.Errorf("%s: %s is %s", how, rec.Data, rec.Reason)
			}
		}
	}
}
