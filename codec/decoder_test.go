package codec

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func testRouter(t testing.TB, o Options) *Router {
	t.Helper()
	if o.Field == "" {
		o.Field = "number"
	}
	if o.Shards == 0 {
		o.Shards = 10
	}
	if o.MaxRecordBytes == 0 {
		o.MaxRecordBytes = 1_000_000
	}
	r, err := NewRouter(o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// eager returns a lookahead that finds the shortest chunk worth its while.
func eager(names [2]string, v vectorSet) *lookahead {
	l := newLookahead(names, v)
	if l != nil {
		l.least = 0
	}
	return l
}

// paths returns routers like r: one without vectors, and one for each kind of
// vectors that this machine has.
func paths(r *Router) []*Router {
	var routers []*Router
	for v := noVectors; v <= vectors; v++ {
		like := *r
		like.lookahead = eager(r.names, v)
		routers = append(routers, &like)
	}
	return routers
}

// tryLookahead makes a Router try simd at once, whatever went before.
func (r *Router) tryLookahead() {
	if r.lookahead != nil {
		r.lookahead.misses, r.lookahead.rest = 0, 0
	}
}

// decode runs a stream through a Decoder in the given chunks and writes down
// what came out, a line each. It lends every chunk as strictly as can be, and
// complains where the Decoder holds too much, and where it matters whether the
// machine has vectors.
func decode(r *Router, f Framing, chunks ...string) []string {
	var out []string
	for i, r := range paths(r) {
		got := decodeOnce(r, f, chunks...)
		if i > 0 && !slices.Equal(got, out) {
			return append(append(out, fmt.Sprintf("and with vectors %d:", r.lookahead.vectors)), got...)
		}
		out = got
	}
	return out
}

func decodeOnce(r *Router, f Framing, chunks ...string) []string {
	var d Decoder
	d.Init(f)
	var out []string
	var records []Record
	fed := 0
	drain := func() {
		records = records[:0]
		var rec Record
		for d.Next(r, &rec) {
			records = append(records, rec)
		}
		for _, rec := range records { // valid until the next Feed
			out = append(out, line(rec))
		}
		if buffered := d.Buffered(); buffered > 2*fed+2<<minClassBits || buffered > 4*r.max+2<<minClassBits {
			out = append(out, fmt.Sprintf("holds %d bytes after %d", buffered, fed))
		}
		if !d.Unfinished() && d.partial != nil && d.Failure() == 0 {
			out = append(out, "holds a partial record between records")
		}
	}
	var buf []byte
	for _, c := range chunks {
		buf = append(buf[:0], c...)
		fed += len(c)
		d.Feed(buf)
		drain()
		for i := range buf { // what was lent is no longer the Decoder's
			buf[i] = '"'
		}
	}
	d.End()
	drain()
	if d.Failure() != 0 {
		out = append(out, d.Failure().String())
	} else if d.Unfinished() {
		out = append(out, "unfinished behind its end")
	}
	if n := d.Separators(); n > 0 {
		out = append(out, fmt.Sprintf("%d separators", n))
	}
	d.Release()
	if d.Buffered() != 0 {
		out = append(out, "holds memory after Release")
	}
	return out
}

func line(rec Record) string {
	s := fmt.Sprintf("%s %s", rec.Reason, rec.Data)
	if rec.Reason == OK {
		s = fmt.Sprintf("%d %s", rec.Shard, rec.Data)
	}
	if rec.Size != len(rec.Data) {
		s += fmt.Sprintf(" of %d", rec.Size)
	}
	return s
}

// singly cuts a stream into bytes.
func singly(s string) (chunks []string) {
	for i := range len(s) {
		chunks = append(chunks, s[i:i+1])
	}
	return chunks
}

func TestFrames(t *testing.T) {
	for _, c := range []struct {
		framing Framing
		stream  string
		want    string // one line a record
	}{
		{Newline, "{\"number\":1}\n\n \r\n {\"number\":\"12\"} \r\n{\"number\":3}", "1 {\"number\":1}\n2 {\"number\":\"12\"}\n3 {\"number\":3}"},
		{Newline, "{\"number\":1}{\"number\":2}\nx\n[]\n{}\n{\"number\":null}\n", "bad_json {\"number\":1}{\"number\":2}\nbad_json x\nnot_object []\nmissing_field {}\nbad_number {\"number\":null}"},
		{Newline, "{\"number\":1,\"long\":\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"}\n{\"number\":2}\n", "too_large {\"number\":1,\"long\":\"xxxxxxxxxxxxxxxxxxxx of 63\n2 {\"number\":2}"},
		{Newline, "   \n" + strings.Repeat(" ", 90) + "{\"number\":1}" + strings.Repeat(" ", 90) + "\n", "1 {\"number\":1}"},
		{JSON, "{\"number\":1}{\"number\":2}\n {\"a\":{\"number\":3},\n\"number\":4}", "1 {\"number\":1}\n2 {\"number\":2}\n4 {\"a\":{\"number\":3},\n\"number\":4}"},
		{JSON, "{\"number\":1}x{\"number\":2}", "1 {\"number\":1}\nbad_json x\nbad_stream"},
		{JSON, "{\"number\":1", "truncated {\"number\":1"},
		{Auto, "{\"number\":1}{\"s\":\"}\\\"{\",\"number\":2}\n{\"number\":3}", "1 {\"number\":1}\n2 {\"s\":\"}\\\"{\",\"number\":2}\n3 {\"number\":3}"},
		{Auto, "{\"number\":1}{\"number\":\n2}\n[]\n{\"number\":3} 7 {\"number\":4}\n{\"number\":5}", "1 {\"number\":1}\nbad_json {\"number\":\nbad_json 2}\nnot_object []\n3 {\"number\":3}\nnot_object 7\n4 {\"number\":4}\n5 {\"number\":5}"},
		{Auto, "GET / HTTP/1.1\r\n\r\n", "foreign"},
		{Auto, "{\"number\":\n1}", "foreign"},
		{Auto, "{\"x\":[}{\"x\":]]}x", "bad_json {\"x\":[}\nbad_json {\"x\":]]}\nforeign"},
		{Auto, "\x00\x00\x00\x0c{\"number\":1}\x00\x00\x00\x00\x00\x00\x00\x02 \n\x00\x00\x00\x0d{\"number\":2}\n", "1 {\"number\":1}\n2 {\"number\":2}"},
		{Length, "\x00\x00\x00\x0c{\"number\":1}\x01\x00\x00\x01{", "1 {\"number\":1}\nbad_length"},
		{Length, "\x00\x00\x00\x0c{\"number\":1}\x00\x00\x00\x0c{\"num", "1 {\"number\":1}\ntruncated {\"num"},
		{Length, "\x00\x00\x00\x29{\"number\":1,\"long\":\"xxxxxxxxxxxxxxxxxxx\"}\x00\x00\x00\x0c{\"number\":2}", "too_large {\"number\":1,\"long\":\"xxxxxxxxxxxxxxxxxxx\" of 41\n2 {\"number\":2}"},
		{Length, "\x00\x00", "truncated "},
	} {
		r := testRouter(t, Options{MaxRecordBytes: 40})
		for cut := 0; cut <= len(c.stream); cut++ {
			got := strings.Join(decode(r, c.framing, c.stream[:cut], c.stream[cut:]), "\n")
			if got != c.want {
				t.Errorf("%v %q cut at %d:\n%s\nwant\n%s", c.framing, c.stream, cut, got, c.want)
				break
			}
		}
		got := strings.Join(decode(r, c.framing, singly(c.stream)...), "\n")
		if got != c.want {
			t.Errorf("%v %q byte by byte:\n%s\nwant\n%s", c.framing, c.stream, got, c.want)
		}
	}
}

// TestState follows what the server asks a Decoder about.
func TestState(t *testing.T) {
	r := testRouter(t, Options{})
	for _, c := range []struct {
		framing    Framing
		stream     string
		decided    Framing
		unfinished bool
		failure    Failure
		offending  string
	}{
		{Auto, "", Auto, false, 0, ""},
		{Auto, " \n", JSON, false, 0, ""},
		{Auto, "{", JSON, true, 0, ""},
		{Auto, before, JSON, false, 0, ""},
		{Auto, before + "\nx", JSON, true, 0, ""},
		{Auto, "\x00", Length, true, 0, ""},
		{Auto, "GET / HTTP/1.1\r\n", Auto, false, Foreign, "GET / HTTP/1.1\r\n"},
		{Auto, "{\"a\":1\n", JSON, false, Foreign, "{\"a\":1\n"},
		{Auto, " hello", JSON, false, Foreign, "hello"},
		{Newline, "x", Newline, true, 0, ""},
		{Newline, "\nPOST /x HTTP/1.1\r\nHost: y\r\n\r\n{\"number\":1}\n", Newline, false, Foreign, "POST /x HTTP/1.1"},
		{Newline, "x\nPOST http://h/x?a b HTTP/1.1\r\n", Newline, false, Foreign, "POST http://h/x?a b HTTP/1.1"},
		{Newline, "OPTIONS * HTTP/1.1\n", Newline, false, Foreign, "OPTIONS * HTTP/1.1"},
		{Newline, "POST x\nPost /x HTTP/1.1\n{} /\n", Newline, false, 0, ""},
		{Newline, before + "\nPOST /x HTTP/1.1\n", Newline, false, 0, ""},
		{Newline, "x\n \t", Newline, false, 0, ""},
		{Newline, "\x16\x03\x01", Newline, false, Foreign, "\x16\x03\x01"},
		{NUL, "\x16\x03\x01", NUL, false, Foreign, "\x16\x03\x01"},
		{JSON, "\x16\x03\x01", JSON, false, Foreign, "\x16\x03\x01"},
		{JSON, "GET / HTTP/1.1", JSON, false, Foreign, "GET / HTTP/1.1"},
		{Length, "\x16\x03\x01\x02\x00", Length, false, Foreign, "\x16\x03\x01\x02\x00"},
		{Length, "GET / HTTP/1.1", Length, false, Foreign, "GET / HTTP/1.1"},
		{Octet, "GET / HTTP/1.1", Octet, false, Foreign, "GET / HTTP/1.1"},
		{Length, "", Length, false, 0, ""},
		{Length, "\x00\x00\x00\x02 ", Length, true, 0, ""},
		{Length, "\x00\x00\x00\x02  ", Length, false, 0, ""},
		{Length, "\x7f\xff\xff\xff", Length, false, BadLength, "\x7f\xff\xff\xff"},
		{Length, "\x80\x00\x00\x00{", Length, false, BadLength, "\x80\x00\x00\x00{"},
		{Length, "\xff\xff\xff\xff{", Length, false, BadLength, "\xff\xff\xff\xff{"},
		{Length, "\x01\x00\x00\x00{", Length, true, 0, ""},
		{JSON, before + "[", JSON, true, 0, ""},
		{JSON, before + "[1", JSON, false, BadStream, ""},
		{JSON, before + "[ {", JSON, true, 0, ""},
		{Auto, "\x00\x00\x00\x0cx", Length, true, Foreign, "\x00\x00\x00\x0cx"},
		{Auto, "\x00\x0c{\"number\":0}", Length, true, Foreign, "\x00\x0c{\"number\":0}"},
		{Auto, "\x00\x00{\"number\":0}", JSON, false, 0, ""},
		{Auto, "\x00{\x00\"\x00n", Length, true, Foreign, "\x00{\x00\"\x00n"},
		{Auto, "\x0c\x00\x00\x00{", Auto, false, Foreign, "\x0c\x00\x00\x00{"},
		{Auto, "12 {\"number\":1}", Octet, false, 0, ""},
		{Auto, "12", Octet, true, 0, ""},
		{Octet, "00000012 {", Octet, true, 0, ""},
		{Octet, "4294967308 {\"number\":1}", Octet, true, BadLength, "4294967308 {\"number\":1}"}, // 2^32 and 12
		{Auto, "12 <34>", Octet, true, Foreign, "12 <34>"},
		{Auto, "2026-11-26 x", Octet, true, Foreign, "2026-11-26 x"},
		{Auto, "\xef\xbb\xbf", JSON, false, 0, ""},
		{Auto, "\xef\xbb\xbf[", JSON, true, 0, ""},
		{Auto, "\xef\xbbx", Auto, false, Foreign, "\xef\xbb"},
		{Auto, before + ",\x1e\x00", JSON, false, 0, ""},
		{Auto, "[1]", JSON, true, Foreign, "[1]"},
	} {
		var d Decoder
		var rec Record
		d.Init(c.framing)
		d.Feed([]byte(c.stream))
		for d.Next(r, &rec) {
		}
		if d.Framing() != c.decided || d.Failure() != c.failure || string(d.Offending()) != c.offending ||
			c.failure == 0 && d.Unfinished() != c.unfinished {
			t.Errorf("%v %q: decided %v, unfinished %t, failure %q, offending %q", c.framing, c.stream, d.Framing(), d.Unfinished(), d.Failure(), d.Offending())
		}
		if d.Failure() != 0 {
			d.Feed([]byte(before))
			if d.Next(r, &rec) {
				t.Errorf("%v %q: goes on after its failure", c.framing, c.stream)
			}
		}
		d.Release()
	}
}

// TestSilenceHoldsNothing: between records a connection holds no memory, once
// those handed out have been copied.
func TestSilenceHoldsNothing(t *testing.T) {
	for _, f := range []Framing{Newline, Length, JSON, Auto} {
		r := testRouter(t, Options{})
		var d Decoder
		var rec Record
		d.Init(f)
		s := between(f, `{"number":3,"a":"bcdefghijklmno"}`)
		for _, chunk := range []string{s[:30], s[30:]} {
			d.Feed([]byte(chunk))
			for d.Next(r, &rec) {
			}
		}
		if d.Buffered() == 0 {
			t.Errorf("%v: a cut record that is handed out is not buffered", f)
		}
		d.Feed(nil)
		if d.Buffered() != 0 || d.Unfinished() {
			t.Errorf("%v: holds %d bytes", f, d.Buffered())
		}
	}
}

// TestNothingBehindTheRecordCounts: sonic may read over the end of a literal.
func TestNothingBehindTheRecordCounts(t *testing.T) {
	r := testRouter(t, Options{})
	for _, s := range []string{"n|ull", "nu|ll", "tru|e", "f|alse", `{"number":1,"a":tr|ue}`, `{"number":1,"a":nul|l}`, `{"number":1|2}`, `{"number":1|}`} {
		record, behind, _ := strings.Cut(s, "|")
		var rec Record
		if r.Judge(&rec, []byte(record + behind)[:len(record)]); rec.Reason != BadJSON {
			t.Errorf("%q before %q is %s", record, behind, rec.Reason)
		}
	}
}
