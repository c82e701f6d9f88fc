package codec

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzVerdict holds the fast path against the slow one, and both against
// encoding/json and math/big.
func FuzzVerdict(f *testing.F) {
	for _, e := range corpus(f) {
		f.Add([]byte(e.record))
	}
	for _, record := range simdRecords {
		f.Add([]byte(record))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if data = trimRight(trimLeft(data)); len(data) > 0 {
			checkPaths(t, data)
		}
	})
}

// FuzzDigit is FuzzVerdict for the value that routes.
func FuzzDigit(f *testing.F) {
	r := testRouter(f, Options{})
	for _, e := range corpus(f) {
		if json.Valid([]byte(e.record)) && strings.HasPrefix(e.record, "{") {
			value, _ := r.members([]byte(e.record))
			f.Add(string(value))
		}
	}
	f.Fuzz(func(t *testing.T, value string) {
		checkPaths(t, []byte(`{"number":`+value+`}`))
		checkPaths(t, []byte(`{"number":"`+value+`","key":"`+value+`"}`))
	})
}

// checkPaths gives one record to both paths, and to the fast one also with
// other bytes behind it in memory.
func checkPaths(t *testing.T, data []byte) {
	t.Helper()
	r := testRouter(t, Options{Shards: 997, KeyField: "key"})
	routers := paths(r)
	var slow, fast Record
	r.judgeSlowly(&slow, data)
	for _, behind := range []string{"", "e}", "ll}\n", `":1}`, "0123456789", strings.Repeat(" ", 16)} {
		text := append(bytes.Clone(data), behind...)
		for i, r := range routers {
			r.tryLookahead()
			r.Judge(&fast, text[:len(data)])
			if fast.Reason != slow.Reason || fast.Shard != slow.Shard || !bytes.Equal(fast.Key, slow.Key) || !bytes.Equal(fast.Data, slow.Data) {
				t.Fatalf("%.300q before %q, vectors %d: Judge says %s %d key %q, judgeSlowly %s %d key %q",
					data, behind, i, fast.Reason, fast.Shard, fast.Key, slow.Reason, slow.Shard, slow.Key)
			}
		}
		for _, lf := range []bool{false, true} {
			if n := r.scan(text, lf); n > 0 && (n > len(text) || !json.Valid(text[:n]) || !utf8.Valid(text[:n]) || !lf && bytes.IndexByte(text[:n], '\n') >= 0) {
				t.Fatalf("scan took %d bytes of %.300q", n, text)
			}
		}
	}
	checkInPlace(t, r, data)
	switch valid := json.Valid(data); {
	case slow.Reason == BadUTF8 == utf8.Valid(data):
		t.Fatalf("%.300q is %s", data, slow.Reason)
	case slow.Reason == BadUTF8 || slow.Reason == TooDeep:
	case slow.Reason == BadJSON == valid:
		t.Fatalf("%.300q is %s, encoding/json says %t", data, slow.Reason, valid)
	case slow.Reason == OK:
		var members map[string]json.RawMessage
		if err := json.Unmarshal(data, &members); err != nil {
			t.Fatalf("%.300q is accepted, encoding/json: %v", data, err)
		}
		if want := referenceShard(t, members["number"], 997); slow.Shard != want {
			t.Fatalf("%.300q goes to %d, math/big says %d", data, slow.Shard, want)
		}
	}
}

// checkInPlace puts a record into a long stream, at a distance from the borders
// of simd's blocks that depends on its length; decode compares the paths.
func checkInPlace(t *testing.T, r *Router, data []byte) {
	t.Helper()
	padded := func(n int) string { return fmt.Sprintf(`{"pad":"%s","number":3}`+"\n", strings.Repeat("p", n)) }
	for _, f := range []Framing{Newline, JSON} {
		got := decode(r, f, before+"\n"+padded(5*len(data)%64)+string(data)+"\n"+padded(tailBytes)+after)
		if n := slices.IndexFunc(got, func(s string) bool { return strings.HasPrefix(s, "and with vectors") }); n >= 0 {
			t.Fatalf("%.300q in %v:\n%.300q\n%.300q", data, f, got[:n], got[n:])
		}
	}
}

// referenceShard computes the shard of an accepted value the long way.
func referenceShard(t *testing.T, value []byte, shards int64) int {
	t.Helper()
	n := new(big.Int)
	switch c := value[0]; {
	case c == 't':
		n.SetInt64(1)
	case c == 'f':
	case c == '"':
		var s string
		if err := json.Unmarshal(value, &s); err != nil {
			t.Fatal(err)
		}
		ascii := strings.Map(func(c rune) rune {
			if d, ok := decimal(c); ok {
				return rune('0' + d)
			}
			return c
		}, strings.ReplaceAll(strings.TrimFunc(s, intSpace), "_", ""))
		if _, ok := n.SetString(ascii, 10); !ok {
			t.Fatalf("%q is accepted, and is no integer", s)
		}
	case bytes.ContainsAny(value, ".eE"):
		f, err := strconv.ParseFloat(string(value), 64)
		if err != nil {
			t.Fatalf("%s is accepted: %v", value, err)
		}
		big.NewFloat(f).Int(n)
	default:
		if _, ok := n.SetString(string(value), 10); !ok {
			t.Fatalf("%s is accepted, and is no integer", value)
		}
	}
	return int(new(big.Int).Mod(n, big.NewInt(shards)).Int64())
}

func FuzzNewline(f *testing.F) { fuzzFraming(f, Newline) }
func FuzzLength(f *testing.F)  { fuzzFraming(f, Length) }
func FuzzJSON(f *testing.F)    { fuzzFraming(f, JSON) }
func FuzzAuto(f *testing.F)    { fuzzFraming(f, Auto) }
func FuzzNUL(f *testing.F)     { fuzzFraming(f, NUL) }
func FuzzOctet(f *testing.F)   { fuzzFraming(f, Octet) }

// fuzzFraming holds a stream in one piece against the same stream in pieces,
// whose lengths are those of cuts, and against single bytes. decode checks the
// memory held.
func fuzzFraming(f *testing.F, framing Framing) {
	for i, e := range corpus(f) {
		if i%7 == 0 || len(e.streams) > 0 && i%3 == 0 {
			f.Add([]byte(between(framing, e.record)), []byte{byte(i), 3, byte(i >> 8), 40}, uint16(i%300))
		}
	}
	for i, b := range betweens {
		stream := beginnings[i%len(beginnings)] + framed(framing, before, len(before)) + b + framed(framing, after, len(after)) + b
		f.Add([]byte(stream), []byte{byte(i), 1, 5}, uint16(40))
	}
	f.Fuzz(func(t *testing.T, data, cuts []byte, limit uint16) {
		r := testRouter(t, Options{MaxRecordBytes: 1 + int(limit)})
		s := string(data)
		whole := decode(r, framing, s)
		if got := decode(r, framing, singly(s)...); !slices.Equal(got, whole) {
			t.Fatalf("%q byte by byte:\n%q\nin one piece\n%q", s, got, whole)
		}
		var chunks []string
		for i, rest := 0, s; len(rest) > 0; i++ {
			n := len(rest)
			if len(cuts) > 0 {
				n = min(n, 1+int(cuts[i%len(cuts)]))
			}
			chunks = append(chunks, rest[:n])
			rest = rest[n:]
		}
		if got := decode(r, framing, chunks...); !slices.Equal(got, whole) {
			t.Fatalf("%q:\n%q\nin one piece\n%q", chunks, got, whole)
		}
	})
}
