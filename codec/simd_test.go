package codec

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/ringtail/ringtail/internal/invariant"
)

// available lists what this machine can run simd with.
func available() []vectorSet {
	return []vectorSet{avx2, avx512}[:vectors]
}

// checkSIMD runs simd over b, which begins with a brace, and holds every record
// it finds against scan. It returns how many bytes and records that were.
func checkSIMD(t *testing.T, r *Router, b []byte, lf bool) (n, records int) {
	t.Helper()
	r.tryLookahead()
	if !r.lookahead.read(b, lf) {
		return 0, 0
	}
	k := &r.lookahead.kernel
	for i, end := range k.ends[:k.numEnds] {
		if i > 0 {
			if b[n] != '\n' || b[n+1] != '{' {
				t.Fatalf("%q: record %d of %q is not behind a new line", b[n:], i, b)
			}
			n++
		}
		r.lookahead.at = n
		r.lookahead.end = i
		length := r.next(b[n:])
		got := r.found
		if length == 0 { // not UTF-8
			if k.high == 0 && len(b[n:]) >= 8 {
				t.Fatalf("simd finds %q, next does not", b[n:end+1])
			}
			return n, records
		}
		if want := r.scan(b[n:], lf); length != want || got != r.found {
			t.Fatalf("simd takes %d bytes of %q and finds %v, scan takes %d and finds %v", length, b[n:], got, want, r.found)
		}
		n += length
		records++
	}
	return n, records
}

// simdRecords are all simd can read, in small pieces.
var simdRecords = []string{
	`{"number":17,"a":-0.5,"bc":"","d":true,"k":"x"}`,
	`{"a":"x}\u007f{,:","b":null,"number":"-04","n":0,"d":1.25}`,
	`{ "number" : -1 , "a":false ,"k": 10.0 }`,
	"{\t\"nu\" :\t\"\"\r,  \"numbex\":\"é\",\"number\":100200300400500600700800900 }",
	`{"k":7,"number":true,"x":false,"y":null,"z":"a b","numbes":-7.125}`,
	`{"a":[17,"oslo"],"number":[],"n":[ ],"k":[true,-0.5,"b"]}`,
	"{ \"a\" : [ 1 , \"]\" ,null\t,2 ] , \"number\":[\t-1\t]\t}",
	`{"s":[1,2.5,"` + strings.Repeat("s", 66) + `",true ],"n":[` + strings.Repeat("-70,", 18) + `"x"],"number":5}`,
	`{"a":{"number":7,"b":[]},"k":[{"k":1.5},[2,[true]],{}],"number":{"k":{"k":-3}}}`,
	"{ \"a\" : [ { \"number\" : 7\t, \"}\":\"]\" } , [ { } ,[ ]] ]\t,\"k\":{\"x\":{},\"y\":null } }",
	`{"l":true,"s":"` + strings.Repeat("s", 114) + `","n":55}`, // the last digit is two blocks behind the literal's second letter
}

// simdBytes tell tokens apart, and what is just beside them.
const simdBytes = "\x00\t\n\r\x1f !\"#+,-./0159:;@AEZ[\\]_`aeflnrstuz{|}~\x7f\x80\xff"

// isSIMD tells whether simd knows all of a record, given that scan takes it.
func isSIMD(record string) bool {
	if strings.Contains(record, `\`) {
		return false
	}
	for i, s := range strings.Split(record, `"`) {
		if i%2 == 0 && unknown.MatchString(s) {
			return false
		}
	}
	return true
}

// unknown is what simd does not know outside strings: exponents, and some white
// space before a brace, which may go unnoticed.
var unknown = regexp.MustCompile(`[0-9][eE]|[\t\n\r]\{`)

// TestSIMDAgainstScan puts every byte in every place of the records above, at
// every distance from the borders of blocks, and takes bytes away and adds them.
func TestSIMDAgainstScan(t *testing.T) {
	for _, v := range available() {
		r := testRouter(t, Options{KeyField: "k"})
		r.lookahead = eager(r.names, v)
		taken := 0
		step := 1
		if invariant.Enabled { // with the race detector it would take minutes
			step = 21
		}
		for phase := 0; phase < 64; phase += step {
			prefix := fmt.Sprintf("{\"%s\":1}\n", strings.Repeat("p", 64+phase))
			if n, records := checkSIMD(t, r, []byte(prefix), false); n != len(prefix)-1 || records != 1 {
				t.Fatalf("simd takes %d bytes of %q", n, prefix)
			}
			for _, record := range simdRecords {
				record = strings.ReplaceAll(record, `\u007f`, "\x7f")
				for i := range len(record) {
					for j := range len(simdBytes) {
						for end := i; end < i+3 && end <= len(record); end++ {
							if phase%8 != 0 && end != i+1 { // a longer record is another phase
								continue
							}
							changed := record[:i] + simdBytes[j:j+1] + record[end:]
							stream := prefix + changed + "\n" + before
							_, records := checkSIMD(t, r, []byte(stream), j%2 == 0)
							taken += records
							if records < 3 && isSIMD(changed) && r.scan([]byte(stream[len(prefix):]), j%2 == 0) == len(changed) {
								t.Fatalf("simd stops in %q", stream)
							}
						}
					}
				}
			}
		}
		if taken < 1_000_000/step {
			t.Errorf("simd has taken %d records", taken)
		}
	}
}

// TestSIMDAgainstScanByTokens writes every short sequence of tokens into the place
// of a value, and into arrays and objects, with a border of blocks before and
// behind each of its bytes.
func TestSIMDAgainstScanByTokens(t *testing.T) {
	tokens := []string{"[", "]", ",", "1", `"x"`, " ", ":", "{", "}"}
	most := 5
	if invariant.Enabled {
		most = 4
	}
	for _, v := range available() {
		r := testRouter(t, Options{KeyField: "k"})
		r.lookahead = eager(r.names, v)
		taken := 0
		try := func(begin, value, end string) {
			begin = fmt.Sprintf(`{"pad":"%s","k":%s`, strings.Repeat("p", 64), begin)
			for at := range len(value) + 1 { // bytes of the value before the border
				pad := (2*64 + 1 - at - len(begin)) & 63
				record := begin[:8] + strings.Repeat("p", pad) + begin[8:] + value + end
				_, records := checkSIMD(t, r, []byte(record+"\n"+before), false)
				taken += records
				if records < 2 && isSIMD(record) && r.scan([]byte(record), false) == len(record) {
					t.Fatalf("simd stops in %q", record)
				}
			}
		}
		for length := range most + 1 {
			for n := range pow(len(tokens), length) {
				value := ""
				for range length {
					value += tokens[n%len(tokens)]
					n /= len(tokens)
				}
				try("", value, `,"number":1}`)
				try("[2,", value, `],"number":1}`)
				try("{", value, `},"number":1}`)
			}
		}
		if taken < 2_000 {
			t.Errorf("simd has taken %d records", taken)
		}
	}
}

func pow(base, n int) int {
	p := 1
	for range n {
		p *= base
	}
	return p
}

// TestSIMDAgainstScanAtRandom does it with streams of random records.
func TestSIMDAgainstScanAtRandom(t *testing.T) {
	rng, inputs := seeded(t, 20_000)
	entries := corpus(t)
	for _, v := range available() {
		r := testRouter(t, Options{KeyField: "key"})
		r.lookahead = eager(r.names, v)
		taken := 0
		for range inputs {
			var s strings.Builder
			for range 1 + rng.IntN(8) {
				record := randomRecord(rng, entries)
				if rng.IntN(2) == 0 {
					record = shapes[rng.IntN(6)].make(rng)
				}
				s.WriteString(record + "\n")
			}
			b := []byte(s.String())
			for len(b) > 0 {
				n := 0
				if b[0] == '{' {
					var records int
					n, records = checkSIMD(t, r, b, rng.IntN(2) == 0)
					taken += records
				}
				b = b[n+bytes.IndexByte(b[n:], '\n')+1:]
			}
		}
		t.Logf("%d records taken", taken)
		if taken < 2*inputs {
			t.Errorf("simd has taken %d records of %d streams", taken, inputs)
		}
	}
}

// TestSIMDTakesTheOrdinary fails where what clients send is left to scan.
func TestSIMDTakesTheOrdinary(t *testing.T) {
	for _, v := range available() {
		for _, s := range shapes {
			switch s.name {
			case "escapes", "10KB", "200KB":
				continue
			}
			r := testRouter(t, Options{})
			r.lookahead = eager(r.names, v)
			records, _ := benchData(s)
			for _, chunk := range stream(Newline, records[:70]) {
				n, taken := checkSIMD(t, r, chunk, false)
				if taken < mostFound-8 {
					t.Errorf("%s: simd has taken %d records, %d bytes of %d", s.name, taken, n, len(chunk))
				}
			}
		}
	}
}

// TestSIMDAtDepth nests arrays and objects as deep as simd knows, and deeper.
func TestSIMDAtDepth(t *testing.T) {
	const most = 63
	open, shut := []string{"[", `{"number":`}, []string{"]", "}"}
	for _, v := range available() {
		r := testRouter(t, Options{KeyField: "k"})
		r.lookahead = eager(r.names, v)
		for depth := range most + 5 {
			for kinds := range 8 { // of three levels, and so on
				var begin, end string
				for i := range depth {
					kind := kinds >> (i % 3) & 1
					begin += open[kind]
					end = shut[kind] + end
				}
				for phase := range 64 {
					record := fmt.Sprintf(`{"%s":%s1%s,"number":5}`, strings.Repeat("p", phase), begin, end)
					_, records := checkSIMD(t, r, []byte(record+"\n"+before+strings.Repeat(" ", margin)), false)
					if depth <= most && records != 2 || depth > most && records != 0 {
						t.Fatalf("simd takes %d records of %q", records, record)
					}
				}
			}
		}
	}
}

// TestSIMDStops where its arrays are full, of records with and without a name in them.
func TestSIMDStops(t *testing.T) {
	for _, record := range []string{`{"":1}`, before, `{"number":1,"number":1,"number":1,"number":1,"number":1}`} {
		r := testRouter(t, Options{})
		for _, r := range paths(r)[1:] {
			_, records := checkSIMD(t, r, []byte(strings.Repeat(record+"\n", 1000)), false)
			k := &r.lookahead.kernel
			if max(k.numEnds, k.numKeys) < mostFound || k.numEnds > mostFound+10 || k.numKeys > mostFound+16 || records == 0 {
				t.Errorf("%s: %d records, %d names", record, k.numEnds, k.numKeys)
			}
		}
	}
}

// mostFound is from how many records on simd stops.
const mostFound = 64

// TestKernelLayout holds the offsets the assembly has against Go's.
func TestKernelLayout(t *testing.T) {
	text, err := os.ReadFile("simd_amd64.h")
	if err != nil {
		t.Fatal(err)
	}
	var k kernel
	want := map[string]uintptr{
		"K_SPACES": unsafe.Offsetof(k.spaces), "K_LAST": unsafe.Offsetof(k.last), "K_QUOTE": unsafe.Offsetof(k.quote),
		"K_SECOND": unsafe.Offsetof(k.second), "K_HIGH": unsafe.Offsetof(k.high), "K_ENDS": unsafe.Offsetof(k.numEnds),
		"K_KEYS": unsafe.Offsetof(k.numKeys), "K_END": unsafe.Offsetof(k.ends), "K_KEY": unsafe.Offsetof(k.keys), "MOST": mostFound,
	}
	found := 0
	for _, m := range regexp.MustCompile(`#define (K_\w+|MOST) +(\d+)`).FindAllStringSubmatch(string(text), -1) {
		n, _ := strconv.Atoi(m[2])
		if w, ok := want[m[1]]; !ok || w != uintptr(n) {
			t.Errorf("%s is %d, want %d", m[1], n, w)
		}
		found++
	}
	if found != len(want) {
		t.Errorf("simd_amd64.h defines %d of %d offsets", found, len(want))
	}
}

// guarded returns memory of two pages with none before and behind.
func guarded(t *testing.T) []byte {
	t.Helper()
	page := os.Getpagesize()
	all, err := unix.Mmap(-1, 0, 4*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Munmap(all); err != nil {
			t.Error(err)
		}
	})
	for _, p := range [][]byte{all[:page], all[3*page:]} {
		if err := unix.Mprotect(p, unix.PROT_NONE); err != nil {
			t.Fatal(err)
		}
	}
	return all[page : 3*page : 3*page]
}

// TestNothingIsReadBesideTheChunk puts chunks of every length against memory
// that cannot be read.
func TestNothingIsReadBesideTheChunk(t *testing.T) {
	memory := guarded(t)
	old := debug.SetPanicOnFault(true)
	defer debug.SetPanicOnFault(old)
	rng := rand.New(rand.NewPCG(1, 3))
	long := strings.Repeat("n", longestName)
	for _, o := range []Options{{Field: "n"}, {KeyField: "device"}, {Field: long, KeyField: long}} {
		r := testRouter(t, o)
		for _, r := range paths(r) {
			for _, f := range []Framing{Newline, Length, JSON, Auto} {
				for n := 1; n <= 1500; n += 1 + n/300 {
					var s strings.Builder
					for s.Len() < n {
						record := shapes[rng.IntN(9)].make(rng)
						if n < 9 || rng.IntN(4) == 0 {
							record = fmt.Sprintf(`{"%s":7}`, r.names[0])
						}
						if f == Length {
							s.WriteString("\x00\x00" + string([]byte{byte(len(record) >> 8), byte(len(record))}))
						}
						s.WriteString(record)
						if f != Length {
							s.WriteString("\n")
						}
					}
					for _, chunk := range [][]byte{memory[:n:n], memory[len(memory)-n:]} {
						copy(chunk, s.String())
						var d Decoder
						var rec Record
						d.Init(f)
						d.Feed(chunk)
						for d.Next(r, &rec) {
						}
						d.Release()
						if len(trimLeft(chunk)) > 0 {
							r.Judge(&rec, chunk)
						}
					}
				}
			}
		}
	}
}
