package codec

import (
	"strings"
	"testing"
)

// TestRequestLine: what begins an HTTP request, and what is only a bad record.
func TestRequestLine(t *testing.T) {
	for line, want := range map[string]bool{
		"GET / HTTP/1.1":           true,
		"POST /x HTTP/1.1":         true,
		"OPTIONS * HTTP/1.1":       true,
		"CONNECT a:443 HTTP/1.1":   true,
		"GET http://h/ HTTP/1.0":   true,
		"GET /":                    true,
		"GO / HTTP/1.1":            false, // no method is so short
		"DESCRIBES / HTTP/1.1":     false, // or so long
		"get / HTTP/1.1":           false,
		"GET":                      false,
		"GET ":                     false,
		"GET x":                    false,
		"G3T / HTTP/1.1":           false,
		"ERROR something is wrong": false,
		"":                         false,
	} {
		if got := isRequestLine([]byte(line)); got != want {
			t.Errorf("%q: %v, want %v", line, got, want)
		}
	}
}

// TestForeignersDoNotWait: TLS and HTTP are known by what they begin with, in every framing, however
// it is cut: nothing that would end a record need come. What is no record may begin like them behind
// the first that was taken.
func TestForeignersDoNotWait(t *testing.T) {
	r := testRouter(t, Options{})
	failure := func(f Framing, stream string, cut int) Failure {
		var d Decoder
		var rec Record
		d.Init(f)
		for len(stream) > 0 {
			n := min(cut, len(stream))
			d.Feed([]byte(stream[:n]))
			for d.Next(r, &rec) {
			}
			stream = stream[n:]
		}
		return d.Failure()
	}
	for _, f := range []Framing{Auto, Newline, NUL, Octet, JSON, Length, LengthLittle, Length16, Length16Little} {
		for _, stream := range []string{"GET / HTTP/1.1\r\n", "OPTIONS * HTTP/1.1\r\n", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc"} {
			for cut := 1; cut <= len(stream); cut++ {
				if got := failure(f, stream, cut); got != Foreign {
					t.Errorf("%v, %q, %d bytes at a time: %q", f, stream, cut, got)
				}
			}
		}
	}
	const request = "GET / HTTP/1.1\r\n"
	for f, first := range map[Framing]string{
		Newline: before + "\n", NUL: before + "\x00", Length16: "\x00\x0c" + before, Length16Little: "\x0c\x00" + before,
	} {
		for cut := 1; cut <= len(first+request); cut++ {
			if got := failure(f, first+request, cut); got != 0 {
				t.Errorf("%v, a request behind a record, %d bytes at a time: %q", f, cut, got)
			}
		}
		for _, bad := range []string{"GET", "GET x", "G /", "get / ", "\x00\x16\x03"} {
			if got := failure(f, bad, 1); got != 0 {
				t.Errorf("%v, %q: %q", f, bad, got)
			}
		}
	}
}

// TestRaisedLimit: what of a record was dropped is gone, whatever the limit is later. It is too
// large then, be what was dropped white space, and what is shown of it is what it began with.
func TestRaisedLimit(t *testing.T) {
	var letters strings.Builder
	for letters.Len() < 9000 {
		letters.WriteString(strings.Repeat(string(rune('a'+letters.Len()%26)), 37))
	}
	for _, c := range []struct {
		middle string
		at     int // fed under the old limit
		limit  int // the new one
	}{
		{letters.String(), 3000, 20_000},
		{letters.String(), 3000, 5000},
		{letters.String(), 3000, 2000},
		{letters.String()[:900] + strings.Repeat(" ", 800) + "x", 1500, 20_000},
		{letters.String()[:900] + strings.Repeat(" ", 5000) + "x", 5500, 20_000},
	} {
		for _, f := range []Framing{Newline, Length, JSON} {
			record := `{"number":1,"a":"` + c.middle + `"}`
			whole := between(f, record)
			begins := strings.Index(whole, record)
			r := testRouter(t, Options{MaxRecordBytes: 1000})
			var d Decoder
			var rec Record
			d.Init(f)
			d.Feed([]byte(whole[:begins+c.at]))
			for d.Next(r, &rec) {
			}
			r.SetMaxRecordBytes(c.limit)
			rec = Record{}
			for from := begins + c.at; rec.Size == 0 && from < len(whole); from += 500 {
				d.Feed([]byte(whole[from:min(from+500, len(whole))]))
				d.Next(r, &rec)
			}
			if rec.Reason != TooLarge || rec.Size != len(record) || len(rec.Data) > MaxPrefix || !strings.HasPrefix(record, string(rec.Data)) {
				t.Errorf("%v, %d bytes, then a limit of %d: %s, %d bytes of %d shown, which it begins with: %v",
					f, c.at, c.limit, rec.Reason, len(rec.Data), rec.Size, strings.HasPrefix(record, string(rec.Data)))
			}
			d.Release()
		}
	}
}

// TestTruncatedShowsAPrefix: of a record that the stream's end cuts, however much of it there was.
func TestTruncatedShowsAPrefix(t *testing.T) {
	record := `{"number":1,"a":"` + strings.Repeat("x", 2*MaxPrefix)
	for _, f := range []Framing{Length, JSON} {
		whole := between(f, record+`"}`)
		cut := strings.Index(whole, record) + len(record)
		r := testRouter(t, Options{MaxRecordBytes: 1 << 20})
		var d Decoder
		var rec Record
		d.Init(f)
		d.Feed([]byte(whole[:cut]))
		for d.Next(r, &rec) {
		}
		if d.End(); !d.Next(r, &rec) || rec.Reason != Truncated || string(rec.Data) != record[:MaxPrefix] || rec.Size != len(record) {
			t.Errorf("%v: %s, %d bytes of %d shown", f, rec.Reason, len(rec.Data), rec.Size)
		}
		d.Release()
	}
}

// TestStrayBrackets: a bracket that closes nothing makes the object no deeper, and no less deep.
func TestStrayBrackets(t *testing.T) {
	for _, start := range []string{"{", "{]", "{]]]", "{[]]"} {
		for open, want := range map[int]event{MaxDepth - 1: eventMore, MaxDepth: eventDeep} {
			var o object
			p := start + strings.Repeat("[", open)
			if n, got := o.follow([]byte(p), false); got != want || n != len(p) {
				t.Errorf("%s and %d more: event %d after %d bytes of %d, want %d", start, open, got, n, len(p), want)
			}
		}
	}
}
