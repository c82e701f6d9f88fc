package kafkatools

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/encoding/unicode/utf32"

	"github.com/ringtail/ringtail/internal/config"
)

// parsed is all records of an input, "LINE:RECORD", and the error behind them.
func parsed(t *testing.T, in io.Reader, layout string, raw bool) ([]string, error) {
	t.Helper()
	parse, err := newParser(in, layout, raw)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for {
		it, err := parse()
		if err == io.EOF {
			return got, nil
		}
		if err != nil {
			return got, err
		}
		got = append(got, fmt.Sprintf("%d:%s", it.line, it.bytes))
	}
}

const pretty = "{\n  \"number\": 1,\n  \"deep\": [\n    {}\n  ]\n}\n{\n  \"number\": 2\n}\n"

var layouts = []struct {
	name, in, layout string
	raw              bool
	want             []string
	err              string // "": none
}{
	{"one a line", "{\"a\":1}\n\n {\"b\": 2} \n", "", false, []string{`1:{"a":1}`, `3:{"b": 2}`}, ""},
	{"CRLF", "{\"a\":1}\r\n{\"b\":2}\r\n", "", false, []string{`1:{"a":1}`, `2:{"b":2}`}, ""},
	{"CR", "{\"a\":1}\r{\"b\":2}\r", "", false, []string{`1:{"a":1}`, `1:{"b":2}`}, ""},
	{"no end of line", `{"a":1}`, "", false, []string{`1:{"a":1}`}, ""},
	{"back to back", `{"a":1}{"b":2} [3]`, "", false, []string{`1:{"a":1}`, `1:{"b":2}`, `1:[3]`}, ""},
	{"pretty", pretty, "", false, []string{`1:{"number":1,"deep":[{}]}`, `7:{"number":2}`}, ""},
	{"pretty, CRLF", strings.ReplaceAll(pretty, "\n", "\r\n"), "", false, []string{`1:{"number":1,"deep":[{}]}`, `7:{"number":2}`}, ""},
	{"an array", "[{\"a\":1},\n {\"b\": 2}\n,{\"c\":3}]", "", false, []string{`1:{"a":1}`, `2:{"b": 2}`, `3:{"c":3}`}, ""},
	{"a pretty array", "[\n  {\n    \"a\": 1\n  },\n  {\n    \"b\": 2\n  }\n]\n", "", false, []string{`2:{"a":1}`, `5:{"b":2}`}, ""},
	{"arrays", "[{\"a\":1}]\n[]\n[ ]\n[{\"b\":2},3]\n{\"c\":4}", "", false, []string{`1:{"a":1}`, `4:{"b":2}`, `4:3`, `5:{"c":4}`}, ""},
	{"arrays that are records", "[\"a\", 1]\n[1]\n[[{}]]\n[\n1\n]\n", "", false, []string{`1:["a", 1]`, `2:[1]`, `3:[[{}]]`, `4:[1]`}, ""},
	{"every array", "[\"a\", 1]\n[[2]]\n{}", "json", false, []string{`1:"a"`, `1:1`, `2:[2]`, `3:{}`}, ""},
	{"lines", "[{\"a\":1}]\n5\n\"x\"\n", "lines", false, []string{`1:[{"a":1}]`, `2:5`, `3:"x"`}, ""},
	{"scalars", "0\n1.5\ntrue\n\"x\"\nnull", "", false, []string{"1:0", "2:1.5", "3:true", `4:"x"`, "5:null"}, ""},
	{"a mark", mark + "{\"a\":1}\n", "", false, []string{`1:{"a":1}`}, ""},
	{"a mark, lines", mark + "{\"a\":1}\n" + mark + "{\"b\":2}", "lines", false, []string{`1:{"a":1}`, `2:{"b":2}`}, ""},
	{"files put together", mark + "{\"a\":1}\n" + mark + mark[:0] + "{\"b\":\"" + mark + "\"}\n" + mark, "", false, []string{`1:{"a":1}`, "2:{\"b\":\"" + mark + "\"}"}, ""},
	{"nothing", "", "", false, nil, ""},
	{"blank", " \r\n\t\n", "auto", false, nil, ""},
	{"a mark alone", mark, "auto", false, nil, ""},
	{"raw", "a b\n\n {\"a\": \r\n\xff\n", "", true, []string{"1:a b", `3:{"a":`, "4:\xff"}, ""},

	{"no JSON", "{\"a\":1}\n\nhello\n{\"b\":2}\n", "", false, []string{`1:{"a":1}`}, "line 3 is no JSON: invalid character 'h'"},
	{"no JSON, lines", "{\"a\":1}\n\nhello\n", "lines", false, []string{`1:{"a":1}`}, "line 3 is no JSON: invalid character 'h'"},
	{"within an object", "{\"a\":1}\n{\n  \"b\": 2\n  \"c\": 3\n}\n", "", false, []string{`1:{"a":1}`}, "line 4 is no JSON: invalid character '\"' after object key:value pair"},
	{"two on a line", "{\"a\":1}\n{} {}\n", "lines", false, []string{`1:{"a":1}`}, "line 2 is no JSON"},
	{"a comma", "{\"a\":1},\n{\"b\":2}", "", false, []string{`1:{"a":1}`}, "line 1 is no JSON"},
	{"no comma", "[{\"a\":1}\n{\"b\":2}]", "", false, []string{`1:{"a":1}`}, "line 2 is no JSON: expected comma"},
	{"no end", "{\"a\":1}\n{\"b\":\n\n", "", false, []string{`1:{"a":1}`}, "line 2 is no JSON: the value that begins there has no end"},
	{"no end of an array", "[{\"a\":1}\n", "", false, []string{`1:{"a":1}`}, "line 1 is no JSON: the array goes on"},
	{"not UTF-8", "{\"a\":1}\n{\"b\":\"caf\xe9\"}\n", "", false, []string{`1:{"a":1}`}, "line 2 is not UTF-8"},
	{"not UTF-8, lines", "{\"b\":\"caf\xe9\"}\n", "lines", false, nil, "line 1 is not UTF-8"},
}

// TestLayouts: JSON is read whatever its layout, and what is none is refused with its line,
// however the input comes in pieces.
func TestLayouts(t *testing.T) {
	for _, c := range layouts {
		for _, one := range []bool{false, true} {
			var in io.Reader = strings.NewReader(c.in)
			if one {
				in = iotest.OneByteReader(in)
			}
			got, err := parsed(t, in, c.layout, c.raw)
			if strings.Join(got, "\n") != strings.Join(c.want, "\n") {
				t.Errorf("%s: got %q, want %q", c.name, got, c.want)
			}
			if (err == nil) != (c.err == "") || err != nil && (!strings.HasPrefix(err.Error(), c.err) || !strings.Contains(err.Error(), "--raw")) {
				t.Errorf("%s: it ends with %v, want %q", c.name, err, c.err)
			}
		}
	}
}

// TestEncodings: what editors and shells of other systems write is read as UTF-8 is.
func TestEncodings(t *testing.T) {
	text := "{\"a\":\"日本 é 🦝\"}\r\n" + strings.ReplaceAll(pretty, "\n", "\r\n")
	want := []string{`1:{"a":"日本 é 🦝"}`, `2:{"number":1,"deep":[{}]}`, `8:{"number":2}`}
	for name, e := range map[string]encoding.Encoding{
		"UTF-16LE":            unicode.UTF16(unicode.LittleEndian, unicode.UseBOM),
		"UTF-16BE":            unicode.UTF16(unicode.BigEndian, unicode.UseBOM),
		"UTF-16LE, no mark":   unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM),
		"UTF-16BE, no mark":   unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM),
		"UTF-32LE":            utf32.UTF32(utf32.LittleEndian, utf32.UseBOM),
		"UTF-32BE":            utf32.UTF32(utf32.BigEndian, utf32.UseBOM),
		"UTF-8 with its mark": unicode.UTF8BOM,
		"UTF-8":               unicode.UTF8,
	} {
		for _, layout := range []string{"auto", "json", "lines"} {
			text, want := text, want
			if layout == "lines" {
				text, want = "{\"a\":\"日本 é 🦝\"}\r\n", want[:1]
			}
			encoded, err := e.NewEncoder().String(text)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := parsed(t, iotest.OneByteReader(strings.NewReader(encoded)), layout, false); err != nil || strings.Join(got, "\n") != strings.Join(want, "\n") {
				t.Errorf("%s, %s: %q, %v", name, layout, got, err)
			}
		}
	}
}

// TestRandomLayouts: objects with any white space between and within them are each read
// once, with the line that they begin in.
func TestRandomLayouts(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 300 {
		var in strings.Builder
		space := func() {
			for range rng.IntN(4) {
				in.WriteString([]string{" ", "\n", "\r\n", "\t"}[rng.IntN(4)])
			}
		}
		var want []string
		array := false
		for i := range rng.IntN(20) {
			space()
			if !array && rng.IntN(5) == 0 {
				array = true
				in.WriteString("[")
				space()
			} else if array {
				in.WriteString(",")
				space()
			}
			begin := 1 + strings.Count(in.String(), "\n")
			from := in.Len()
			in.WriteString(`{"n":`)
			space()
			fmt.Fprint(&in, i)
			space()
			in.WriteString(`}`)
			record := in.String()[from:]
			if strings.ContainsAny(record, "\r\n") {
				record = fmt.Sprintf(`{"n":%d}`, i)
			}
			want = append(want, fmt.Sprintf("%d:%s", begin, record))
			space()
			if array && rng.IntN(3) == 0 {
				array = false
				in.WriteString("]")
			}
		}
		if array {
			in.WriteString("]")
		}
		got, err := parsed(t, iotest.HalfReader(strings.NewReader(in.String())), "auto", false)
		if err != nil || strings.Join(got, "|") != strings.Join(want, "|") {
			t.Fatalf("seed %d: of %q got %q, want %q, %v", seed, in.String(), got, want, err)
		}
	}
}

// TestValuesComeAtOnce: an object is handed out before anything comes behind it.
func TestValuesComeAtOnce(t *testing.T) {
	in, out := io.Pipe()
	parse, err := newParser(in, "", false)
	if err != nil {
		t.Fatal(err)
	}
	for _, record := range []string{`{"a":1}`, `{"b":2}`} {
		go func() { _, _ = io.WriteString(out, record) }()
		if it, err := parse(); err != nil || string(it.bytes) != record {
			t.Errorf("%s, %v", it.bytes, err)
		}
	}
}

// TestRecordMax: a value without an end is not read for ever.
func TestRecordMax(t *testing.T) {
	for _, layout := range []string{"auto", "lines"} {
		_, err := parsed(t, io.MultiReader(strings.NewReader("{}\n{\"a\":\""), endlessly('x')), layout, false)
		if err == nil || !strings.HasPrefix(err.Error(), "line 2") || !strings.Contains(err.Error(), "67108864 bytes") {
			t.Errorf("%s: %v", layout, err)
		}
	}
}

type endlessly byte

func (e endlessly) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(e)
	}
	return len(p), nil
}

func TestInputIsChecked(t *testing.T) {
	for _, o := range []ProduceOptions{{Input: "yaml"}, {Input: "json", Raw: true}, {Generate: "stream", Raw: true}, {Generate: "stream", Input: "json"}} {
		var usage *config.UsageError
		if _, err := newSource(t.Context(), o, Streams{In: strings.NewReader("")}); !errors.As(err, &usage) {
			t.Errorf("%+v: %v", o, err)
		}
	}
}
