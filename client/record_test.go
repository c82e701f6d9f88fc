package client

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func TestRecordsThatPass(t *testing.T) {
	for _, s := range []string{
		`{}`, `{"number":1}`, `{"a":"}"}`, `{"a":"\""}`, `{"a":"\\"}`, `{"a":"\\\"}{"}`, `{"a":{"b":[{},{}]}}`,
		"{\"a\":\r\t 1}", `{"a":]}`, `{"a":[}`, `{not json}`, "{\"\xff\":1}",
		strings.Repeat("{", depthMax) + strings.Repeat("}", depthMax),
	} {
		o := Options{MaxRecordBytes: 2000}
		if err := o.check(trim([]byte(" \t" + s + "\r\n"))); err != nil {
			t.Errorf("%s: %v", s, err)
		}
	}
}

func TestRecordsThatDoNotPass(t *testing.T) {
	for _, tc := range []struct {
		name, record string
		framing      Framing
		want         error
		words        string
	}{
		{"nothing", "", Newline, ErrEmpty, ""},
		{"white space", " \r\n\t ", Length, ErrEmpty, ""},
		{"over the limit", `{"a":"` + strings.Repeat("x", 2000) + `"}`, Newline, ErrTooLarge, "2008 bytes, over MaxRecordBytes 2000"},
		{"over the limit", strings.Repeat("x", 2001), Length, ErrTooLarge, "2001 bytes, over MaxRecordBytes 2000"},
		{"newline between", "{\"a\":\n1}", Newline, ErrNewline, "at byte 5; take it out, or use Length framing"},
		{"newline in a string", "{\"a\":\"\n\"}", Newline, ErrNewline, ""},
		{"two records", "{}\n{}", Newline, ErrNewline, ""},
		{"two objects", `{"a":1}{"b":2}`, Newline, ErrNotObject, "it ends at byte 7 of 14"},
		{"rubbish behind", `{"a":1}x`, Newline, ErrNotObject, "ends at byte 7"},
		{"number", `17`, Newline, ErrNotObject, `begins with '1'`},
		{"array", `[{"a":1}]`, Newline, ErrNotObject, `begins with '['`},
		{"byte order mark", "\xef\xbb\xbf{}", Newline, ErrNotObject, ""},
		{"open brace", `{"a":{}`, Newline, ErrNotObject, "1 braces are left open"},
		{"open string", `{"a":"}`, Newline, ErrNotObject, "string at byte 5"},
		{"quote behind a backslash", `{"a":"\"}`, Newline, ErrNotObject, "string at byte 5"},
		{"too deep", strings.Repeat("{", 513) + strings.Repeat("}", 513), Newline, ErrNotObject, "deeper than 512"},
		{"too deep", `{"a":` + strings.Repeat("[", 512) + `}`, Newline, ErrNotObject, "deeper than 512"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := Options{MaxRecordBytes: 2000, Framing: tc.framing}
			err := o.check(trim([]byte(tc.record)))
			if !errors.Is(err, tc.want) || !strings.Contains(err.Error(), tc.words) {
				t.Fatalf("%v; want %v, with %q", err, tc.want, tc.words)
			}
		})
	}
}

func TestLengthTakesWhatIsOneFrame(t *testing.T) {
	o := Options{MaxRecordBytes: 100, Framing: Length}
	for _, s := range []string{`17`, "{\n}", `{}{}`, `x`} {
		if err := o.check([]byte(s)); err != nil {
			t.Errorf("%q: %v", s, err)
		}
	}
}

// FuzzRecord: no proper prefix of what passes is an object, so that what a broken connection leaves
// behind is never taken for a record. (That it is one record: TestOneRecordToTheServer.)
func FuzzRecord(f *testing.F) {
	for _, s := range []string{`{"number":1}`, `{"a":"\\\"}"}`, `{"a":[}`, `{"a":1}{"b":2}`, ` {} `, `{"a":{"b":"{"}}`, `{"]":[[]}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, record []byte) {
		p := trim(record)
		if o := (&Options{MaxRecordBytes: 4096}); o.check(p) != nil {
			return
		}
		for n := range min(len(p), 200) {
			if json.Valid(p[:n]) {
				t.Fatalf("%q, cut at %d, is JSON", p, n)
			}
		}
	})
}
