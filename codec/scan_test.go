package codec

import (
	"bytes"
	"math/bits"
	"math/rand/v2"
	"testing"
)

// TestMarks holds the word masks against one byte at a time: every byte value
// at every place, between random neighbours.
func TestMarks(t *testing.T) {
	for _, m := range []struct {
		name   string
		mark   func(uint64) uint64
		wanted func(c byte) bool
	}{
		{"special", special, func(c byte) bool { return c < ' ' || c == '"' || c == '\\' || c >= 0x80 }},
		{"structural", func(w uint64) uint64 { return structural(w, stopMask(false)) }, func(c byte) bool {
			return c == '"' || c == '{' || c == '}' || c == '[' || c == ']'
		}},
		{"structural and LF", func(w uint64) uint64 { return structural(w, stopMask(true)) }, func(c byte) bool {
			return c == '"' || c == '{' || c == '}' || c == '[' || c == ']' || c == '\n'
		}},
		{"nonDigit", nonDigit, func(c byte) bool { return c < '0' || c > '9' }},
	} {
		rng := rand.New(rand.NewPCG(1, 1))
		for range 200 {
			for c := range 256 {
				for at := range 8 {
					b := make([]byte, 16)
					for i := range b {
						if b[i] = byte(rng.Uint32()); i < at || rng.IntN(2) == 0 {
							b[i] = '0' + b[i]%10 // plain for all
						}
					}
					b[at] = byte(c)
					want := 8
					for i := 7; i >= 0; i-- {
						if m.wanted(b[i]) {
							want = i
						}
					}
					if got := bits.TrailingZeros64(m.mark(load(b, 0))) >> 3; got != want {
						t.Fatalf("%s: first in % x is %d, want %d", m.name, b[:8], got, want)
					}
				}
			}
		}
	}
}

// TestLoadAtTheEnd reads words at and behind the end of a slice: what lies
// there in memory must not be seen.
func TestLoadAtTheEnd(t *testing.T) {
	memory := bytes.Repeat([]byte{0xee}, 64)
	b := memory[:11]
	for i := range 40 {
		var want uint64
		for j := range 8 {
			if i+j < len(b) {
				want |= 0xee << (8 * j)
			}
		}
		if got := load(b, i); got != want {
			t.Errorf("load at %d of %d: %016x, want %016x", i, len(b), got, want)
		}
	}
}

// TestScanTakesTheOrdinary fails where what clients send is left to the slow
// path: that would be right, and slow.
func TestScanTakesTheOrdinary(t *testing.T) {
	r := testRouter(t, Options{KeyField: "device"})
	for _, s := range shapes {
		records, _ := benchData(s)
		for _, data := range records {
			if n := r.scan(data, false); n != len(data) {
				t.Fatalf("%s: scan declines %.300s", s.name, data)
			}
			var rec Record
			if r.judgeScanned(&rec, data, len(data)); rec.Reason != OK {
				t.Fatalf("%s: %s: %.300s", s.name, rec.Reason, data)
			}
			for _, cut := range []int{1, 2, 9, len(data) / 2, len(data) - 1} {
				if n := r.scan(data[:min(cut, len(data)-1)], false); n != 0 {
					t.Fatalf("%s: scan takes %d bytes of %.300q", s.name, n, data[:cut])
				}
			}
		}
	}
}
