package codec

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ringtail/ringtail/wire"
)

// oracle is a python3 that runs oracle.py beside the test.
type oracle struct {
	t   *testing.T
	in  *bufio.Writer
	out *bufio.Reader
}

func startOracle(t *testing.T) *oracle {
	t.Helper()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Fatal("codec: python3 is missing; this test compares with it (make test installs it)")
	}
	cmd := exec.Command(python, "testdata/oracle.py")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("oracle.py: %v", err)
		}
	})
	return &oracle{t, bufio.NewWriter(in), bufio.NewReader(out)}
}

// ask sends requests of one kind and reads the answers into what make returns.
func (o *oracle) ask(what byte, limit int, data []string, into func(i int) any) {
	o.t.Helper()
	written := make(chan struct{})
	go func() {
		defer close(written)
		for _, s := range data {
			header := binary.BigEndian.AppendUint32([]byte{what}, uint32(limit))
			o.in.Write(binary.BigEndian.AppendUint32(header, uint32(len(s))))
			o.in.WriteString(s)
		}
		o.in.Flush()
	}()
	for i := range data {
		line, err := o.out.ReadBytes('\n')
		if err != nil && err != io.EOF {
			o.t.Fatal(err)
		}
		if err := json.Unmarshal(line, into(i)); err != nil {
			o.t.Fatalf("oracle.py answers %q to %q: %v", line, data[i], err)
		}
	}
	<-written
}

// seeded returns a source of randomness whose seed it prints, and how many
// inputs to make. TEST_SEED repeats a run, TEST_INPUTS lengthens it.
func seeded(t *testing.T, inputs int) (*rand.Rand, int) {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("TEST_SEED"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatalf("TEST_SEED: %v", err)
		}
		seed = n
	}
	if s := os.Getenv("TEST_INPUTS"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatalf("TEST_INPUTS: %v", err)
		}
		inputs = n
	}
	t.Logf("TEST_SEED=%d TEST_INPUTS=%d", seed, inputs)
	return rand.New(rand.NewPCG(seed, 0)), inputs
}

// fragments are what inputs are made and mutated of.
var fragments = strings.Fields(`{ } [ ] : , " \ { } , : "number" "number": "key": "a": "\u006eumber": 0 1 7 -1 12 345 -0 01 1.5 1e3 1E-2 1e400 -
	. e + _ true false null NaN Infinity tru \u0037 \ud835\udfd7 \ud800 \u \n \" \\ \/ \x ü € 🚀 ٣ ７ 𝟗 ½ "7" "-12" "1_0" "x" "" [] {} [1,2] {"b":3}
	18446744073709551616 99999999999999999999999 "{" "}" "[{"`)

var rawFragments = []string{"\n", "\r\n", " ", "\t", "\r", "\x00", "\x1f", "\x7f", "\x80", "\xff", "\xc3", "\xe2\x82", "\xed\xa0\x80", "\xef\xbb\xbf", "\u00a0", "\u2028", "\x1c", "\x0b"}

func fragment(rng *rand.Rand) string {
	if rng.IntN(4) == 0 {
		return rawFragments[rng.IntN(len(rawFragments))]
	}
	return fragments[rng.IntN(len(fragments))]
}

// randomValue makes a value, valid mostly.
func randomValue(rng *rand.Rand, depth int) string {
	switch rng.IntN(12) {
	case 0:
		return strconv.FormatFloat(rng.NormFloat64()*pow10(rng.IntN(40)-10), "eEfgG"[rng.IntN(5)], rng.IntN(20)-1, 64)
	case 1:
		return []string{"true", "false", "null"}[rng.IntN(3)]
	case 2, 3:
		return strconv.FormatInt(rng.Int64N(1<<rng.IntN(62))-rng.Int64N(2)<<rng.IntN(60), 10)
	case 4:
		digits := make([]byte, 1+rng.IntN(60))
		for i := range digits {
			digits[i] = byte('1' + rng.IntN(9))
		}
		return string(digits)
	case 5, 6:
		var s strings.Builder
		for range rng.IntN(5) {
			s.WriteString([]string{" ", "-", "+", "_", "1", "23", "٣", "７", `\u0031`, "\u00a0", `\t`, "0", "𝟘", `\ud835\udfd7`}[rng.IntN(14)])
		}
		return `"` + s.String() + `"`
	case 7, 8:
		if depth > 0 {
			return randomObject(rng, depth-1)
		}
	case 9:
		s := "["
		for i := range rng.IntN(4) {
			s += ","[:min(i, 1)] + randomValue(rng, depth-1)
		}
		return s + "]"
	}
	var s strings.Builder
	for range rng.IntN(4) {
		s.WriteString(word(rng))
		if rng.IntN(3) == 0 {
			s.WriteString([]string{`\n`, `\u00e9`, "é", "東", `\"`, " ", "}", "{", `\\`}[rng.IntN(9)])
		}
	}
	return `"` + s.String() + `"`
}

func pow10(n int) float64 {
	f, _ := strconv.ParseFloat(fmt.Sprintf("1e%d", n), 64)
	return f
}

func randomObject(rng *rand.Rand, depth int) string {
	names := []string{"number", "number", "key", "a", "b", `\u006eumber`, "numbe", "numbers", "long name of a field", "ü", `k\u0065y`}
	var s strings.Builder
	for i := range rng.IntN(6) {
		s.WriteString(","[:min(i, 1)])
		space := []string{"", "", " ", "\t", "\r\n"}[rng.IntN(5)]
		fmt.Fprintf(&s, `%s"%s"%s:%s%s`, space, names[rng.IntN(len(names))], space, space, randomValue(rng, depth))
	}
	return "{" + s.String() + "}"
}

// mutated changes a record in a few places.
func mutated(rng *rand.Rand, s string) string {
	for range rng.IntN(4) {
		i := rng.IntN(len(s) + 1)
		j := min(len(s), i+rng.IntN(3))
		switch rng.IntN(5) {
		case 0:
			s = s[:i] + s[j:]
		case 1, 2:
			s = s[:i] + fragment(rng) + s[j:]
		case 3:
			s = s[:i] + fragment(rng) + s[i:]
		case 4:
			if i < len(s) {
				s = s[:i] + string([]byte{s[i] ^ 1<<rng.IntN(8)}) + s[i+1:]
			}
		}
	}
	return s
}

// randomRecord makes an input: something of the corpus or something new,
// mutated or not.
func randomRecord(rng *rand.Rand, entries []corpusEntry) string {
	switch rng.IntN(4) {
	case 0:
		if s := entries[rng.IntN(len(entries))].record; len(s) < 1000 {
			return mutated(rng, s)
		}
		fallthrough
	case 1:
		return mutated(rng, shapes[rng.IntN(9)].make(rng))
	case 2:
		return randomObject(rng, 3)
	}
	return mutated(rng, randomObject(rng, 3))
}

// TestVerdictsAgainstCPython compares verdicts of random records.
func TestVerdictsAgainstCPython(t *testing.T) {
	o := startOracle(t)
	entries := corpus(t)
	rng, inputs := seeded(t, 20_000)
	data := make([]string, inputs)
	for i := range data {
		data[i] = strings.Trim(randomRecord(rng, entries), " \t\r\n")
	}
	reasons := map[string]int{}
	answers := make([]answer, inputs)
	o.ask('v', 1, data, func(i int) any { return &answers[i] })
	for i, a := range answers {
		checkVerdict(t, data[i], a)
		reasons[a.Reason]++
	}
	t.Log(reasons)
}

// TestStreamsAgainstModel compares random streams, in random chunks and under
// a low limit, with the model's.
func TestStreamsAgainstModel(t *testing.T) {
	o := startOracle(t)
	entries := corpus(t)
	rng, inputs := seeded(t, 8_000)
	letters := map[Framing]byte{
		Auto: 'a', Newline: 'n', Length: 'l', JSON: 'j', NUL: '0', Octet: 'o', Length16: '2', LengthLittle: 'i', Length16Little: '3',
	}
	for _, f := range wire.All() {
		letter := letters[f]
		if letter == 0 {
			t.Fatalf("framing %v has no model: give it one in testdata/oracle.py, and its letter (not v) here, and its lengths in framed", f)
		}
		limit := 40 + rng.IntN(300)
		r := testRouter(t, Options{MaxRecordBytes: limit})
		data := make([]string, inputs/4)
		for i := range data {
			data[i] = randomStream(rng, f, entries)
		}
		answers := make([]pieces, len(data))
		o.ask(letter, limit, data, func(i int) any { return &answers[i] })
		for i, a := range answers {
			want := a.lines(data[i])
			for range 3 {
				chunks := randomChunks(rng, data[i])
				if got := decode(r, f, chunks...); !slices.Equal(got, want) {
					t.Fatalf("%v, limit %d, %q:\n%q\nthe model says\n%q", f, limit, chunks, got, want)
				}
			}
		}
	}
}

// framed puts a length before a record, n of them, where the framing has one.
func framed(f Framing, record string, n int) string {
	switch f {
	case Length:
		return string(binary.BigEndian.AppendUint32(nil, uint32(n))) + record
	case Length16:
		return string(binary.BigEndian.AppendUint16(nil, uint16(n))) + record
	case LengthLittle:
		return string(binary.LittleEndian.AppendUint32(nil, uint32(n))) + record
	case Length16Little:
		return string(binary.LittleEndian.AppendUint16(nil, uint16(n))) + record
	case Octet:
		return fmt.Sprintf("%d %s", n, record)
	}
	return record
}

// What people put before a stream, and between two records of it.
var (
	beginnings = []string{"", "", "", "\xef\xbb\xbf", "\xef\xbb", "\x00", "\x00\x00\x00\x00", "\x1e", "[", "[[\n", ",", "\xff\xfe"}
	betweens   = []string{"", ",", ",\n", "\x00", "\x00\x00", "\x1e", "\n\x1e", "\r", "],[", "]", "[", " [ \n", "[1,", "x", "\x00x"}
)

func randomStream(rng *rand.Rand, f Framing, entries []corpusEntry) string {
	var s strings.Builder
	if f != Length && rng.IntN(2) == 0 {
		s.WriteString(beginnings[rng.IntN(len(beginnings))])
	}
	auto := f == Auto
	if auto && rng.IntN(4) == 0 {
		f = []Framing{Length, Length, Octet, Length16, LengthLittle}[rng.IntN(5)]
	}
	text, separated := f == Auto || f == JSON, rng.IntN(2) == 0
	for range 1 + rng.IntN(6) {
		record := before
		if rng.IntN(2) == 0 {
			record = randomRecord(rng, entries)
		}
		n := len(record)
		if rng.IntN(40) == 0 {
			n += rng.IntN(3) - 1
		}
		s.WriteString(framed(f, record, max(0, n)))
		switch {
		case text && separated:
			s.WriteString(betweens[rng.IntN(len(betweens))])
		case f == NUL:
			s.WriteString([]string{"\x00", "\n\x00", "\x00\x00"}[rng.IntN(3)])
		case f == Newline || f == Auto && rng.IntN(2) == 0:
			s.WriteString([]string{"\n", "\r\n", " \n\n", strings.Repeat(" ", rng.IntN(500)) + "\n"}[rng.IntN(4)])
		}
	}
	if separated { // else it would hardly begin well
		return s.String()
	}
	return mutated(rng, s.String())
}

func randomChunks(rng *rand.Rand, s string) (chunks []string) {
	most := 1 + rng.IntN(1+rng.IntN(200))
	for len(s) > 0 {
		n := min(len(s), 1+rng.IntN(most))
		chunks = append(chunks, s[:n])
		s = s[n:]
	}
	return chunks
}
