//go:build !race

package codec

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// Under the race detector sync.Pool drops at random, so these do not hold.

// TestNothingIsAllocated runs streams of many records through a Decoder, cut
// into chunks that cut records too.
func TestNothingIsAllocated(t *testing.T) {
	for _, f := range []Framing{Newline, Length, JSON, Auto} {
		for _, s := range shapes {
			records, _ := benchData(s)
			records = records[:min(len(records), 200)]
			chunks := stream(f, records)
			small := cutUp(chunks, 1000)
			for how, chunks := range map[string][][]byte{"whole": chunks, "cut": small} {
				t.Run(fmt.Sprintf("%v/%s/%s", f, s.name, how), func(t *testing.T) {
					r := testRouter(t, Options{KeyField: "site"})
					var d Decoder
					var rec Record
					d.Init(f)
					n := 0
					if allocs := testing.AllocsPerRun(20, func() {
						for _, c := range chunks {
							d.Feed(c)
							for d.Next(r, &rec) {
								if rec.Reason != OK {
									t.Fatalf("%s: %s", rec.Reason, rec.Data)
								}
								n++
							}
						}
					}); allocs != 0 {
						t.Errorf("%v allocations for %d records", allocs, len(records))
					}
					if n != 21*len(records) {
						t.Errorf("%d records, not %d", n, 21*len(records))
					}
				})
			}
		}
	}
}

func cutUp(chunks [][]byte, n int) (small [][]byte) {
	for _, c := range chunks {
		for len(c) > 0 {
			small = append(small, c[:min(n, len(c))])
			c = c[min(n, len(c)):]
		}
	}
	return small
}

// TestRejectsAllocateNothing does the same for what ends on the slow path.
func TestRejectsAllocateNothing(t *testing.T) {
	r := testRouter(t, Options{MaxRecordBytes: 10_000})
	for _, e := range []string{
		`{"numbe\u0072":7}`, `{"number":7.5}`, `{"number":" ٧ "}`, `{"number":null}`, `{"a":1}`, `{"a":`, `[1]`, "\xff", `nonsense`,
		`{"a":` + strings.Repeat("[", 600), `{"a":"` + strings.Repeat("x", 20_000) + `"}`,
	} {
		stream := []byte(e + "\n" + e + "\n")
		var d Decoder
		var rec Record
		d.Init(Newline)
		if allocs := testing.AllocsPerRun(200, func() {
			for _, cut := range []int{0, len(e) / 2, len(stream)} {
				d.Feed(stream[:cut])
				for d.Next(r, &rec) {
				}
				d.Feed(stream[cut:])
				for d.Next(r, &rec) {
				}
			}
		}); allocs != 0 {
			t.Errorf("%.80q: %v allocations", e, allocs)
		}
	}
}

// TestTrickledMegabyte feeds a record of a megabyte byte by byte. Were the
// unfinished record looked at again each time, this would take an hour.
func TestTrickledMegabyte(t *testing.T) {
	for _, f := range []Framing{Newline, Length, JSON, Auto} {
		record := `{"number":5,"text":"` + strings.Repeat(`{\"]`, 1_000_000/8) + `","list":[` + strings.Repeat(`[0,"x"],`, 1_000_000/16) + `7]}`
		r := testRouter(t, Options{MaxRecordBytes: 2_000_000})
		all := []byte(between(f, record))
		var d Decoder
		d.Init(f)
		var m0, m1 runtime.MemStats
		runtime.ReadMemStats(&m0)
		n := 0
		for i := range all {
			d.Feed(all[i : i+1])
			var rec Record
			for d.Next(r, &rec) {
				if rec.Reason != OK {
					t.Fatalf("%v: %s", f, rec.Reason)
				}
				n++
			}
			if d.Buffered() > 2*(i+1)+2<<minClassBits {
				t.Fatalf("%v: %d bytes held after %d", f, d.Buffered(), i+1)
			}
		}
		runtime.ReadMemStats(&m1)
		if n != 3 {
			t.Errorf("%v: %d records", f, n)
		}
		if got := m1.TotalAlloc - m0.TotalAlloc; got > uint64(5*len(all)) {
			t.Errorf("%v: %d bytes allocated for a stream of %d", f, got, len(all))
		}
		d.Release()
	}
}

// TestOversizeIsNotBuffered sends records far over the limit, whole and without an
// end, and looks at the memory.
func TestOversizeIsNotBuffered(t *testing.T) {
	chunk := []byte(strings.Repeat("x", 64<<10))
	for _, f := range []Framing{Newline, Length, JSON, Auto} {
		r := testRouter(t, Options{MaxRecordBytes: 100_000})
		var d Decoder
		var rec Record
		d.Init(f)
		start := map[Framing]string{
			Newline: `{"a":"`,
			Length:  "\x00\x00\x00\x0c" + before + "\x00\x80\x00\x00" + `{"a":"`,
			JSON:    `{"a":"`,
			Auto:    before + "\n" + `{"a":"`,
		}[f]
		d.Feed([]byte(start))
		for d.Next(r, &rec) {
		}
		for range 100 {
			d.Feed(chunk)
			if d.Next(r, &rec) {
				t.Fatalf("%v: %s", f, rec.Reason)
			}
			if d.Buffered() > 256<<10 || !d.Unfinished() {
				t.Fatalf("%v: %d bytes held, unfinished %t", f, d.Buffered(), d.Unfinished())
			}
		}
		if d.Buffered() > 2*MaxPrefix {
			t.Errorf("%v: %d bytes held of a record that is skipped", f, d.Buffered())
		}
		d.Release()
	}
}
