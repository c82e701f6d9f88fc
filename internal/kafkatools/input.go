package kafkatools

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/encoding/unicode/utf32"

	"github.com/ringtail/ringtail/internal/config"
)

// What --input takes.
const (
	inputAuto  = "auto"
	inputJSON  = "json"
	inputLines = "lines"
)

// item is a record of the input, and the line that it begins in, from 1.
type item struct {
	bytes []byte
	line  int64
}

// parser hands out the records of an input; io.EOF after the last. Other errors say the line.
type parser func() (item, error)

// recordMax bounds a record of the input; Kafka's own limits are far below.
const recordMax = 64 << 20

// newParser reads an input as --input and --raw say:
//
//	bytes ─ decoded ─► UTF-8 ─ values ─► JSON values, whatever their layout
//	                         └ lines ──► one a line
//	bytes ───────────────────  lines ──► --raw: whatever a line has
func newParser(in io.Reader, layout string, raw bool) (parser, error) {
	switch {
	case raw && layout != "" && layout != inputLines:
		return nil, config.Usagef("--raw takes lines; leave out --input %s", layout)
	case raw:
		return lines(in, false), nil
	case layout == inputLines:
		return lines(&decoded{in: in}, true), nil
	case layout == inputJSON || layout == inputAuto || layout == "":
		t := &text{in: bufio.NewReaderSize(&decoded{in: in}, bufferBytes), begin: true, line: 1}
		v := &values{text: t, decoder: json.NewDecoder(t), unfold: layout == inputJSON}
		return v.next, nil
	}
	return nil, config.Usagef("--input is %q; one of auto, json, lines", layout)
}

// mark is the byte order mark in UTF-8, which editors put before a text.
const mark = "\xef\xbb\xbf"

// lines hands out lines; blank ones are no records.
func lines(in io.Reader, isJSON bool) parser {
	scan := bufio.NewScanner(in)
	scan.Buffer(make([]byte, bufferBytes), recordMax)
	var line int64
	return func() (item, error) {
		for scan.Scan() {
			line++
			record := scan.Bytes()
			if isJSON {
				record = bytes.TrimPrefix(record, []byte(mark))
			}
			if record = bytes.TrimSpace(record); len(record) == 0 {
				continue
			}
			if isJSON {
				if err := check(record); err != nil {
					return item{}, fmt.Errorf("line %d %w", line, err)
				}
			}
			return item{bytes.Clone(record), line}, nil
		}
		switch err := scan.Err(); {
		case err == nil:
			return item{}, io.EOF
		case errors.Is(err, bufio.ErrTooLong):
			return item{}, fmt.Errorf("line %d is over %d bytes", line+1, recordMax)
		default:
			return item{}, err
		}
	}
}

const rawHint = "; --raw sends lines as they are"

// check tells why a record is no JSON.
func check(record []byte) error {
	var v json.RawMessage
	switch err := json.Unmarshal(record, &v); {
	case err != nil:
		return fmt.Errorf("is no JSON: %w"+rawHint, err)
	case !utf8.Valid(record):
		return errors.New("is not UTF-8; save it as that or as UTF-16" + rawHint)
	}
	return nil
}

// values hands out JSON values, be they one a line, over many lines, back to back or the
// elements of arrays. Without unfold only arrays of objects are unfolded: in a file with a
// value a line, an array may be a record.
type values struct {
	text    *text
	decoder *json.Decoder
	unfold  bool
	inside  bool // an array whose elements are records
}

func (v *values) next() (item, error) {
	for {
		more := v.decoder.More()
		switch {
		case v.inside && !more:
			if _, err := v.decoder.Token(); err != nil { // its end
				return item{}, v.fault(err)
			}
			v.inside = false
			continue
		case !v.inside && more && v.opens():
			_, _ = v.decoder.Token()
			v.inside = true
			continue
		}
		var record json.RawMessage
		if err := v.decoder.Decode(&record); err != nil {
			return item{}, v.fault(err)
		}
		end := v.decoder.InputOffset()
		line := v.text.lineAt(end - int64(len(record)))
		v.text.done(end)
		if !utf8.Valid(record) {
			return item{}, fmt.Errorf("line %d %w", line, check(record))
		}
		if bytes.ContainsAny(record, "\r\n") {
			var b bytes.Buffer
			_ = json.Compact(&b, record) // it is JSON
			record = b.Bytes()
		}
		return item{record, line}, nil
	}
}

// opens tells whether the next value is an array whose elements are records.
func (v *values) opens() bool {
	have := v.decoder.Buffered() // from its first byte on
	var c [1]byte
	if _, _ = have.Read(c[:]); c[0] != '[' {
		return false
	}
	if v.unfold {
		return true
	}
	const space = " \t\r\n"
	inside, _ := io.ReadAll(have)
	inside = bytes.TrimLeft(inside, space)
	for n := 1; len(inside) == 0; n++ { // the decoder has no more of it
		following, _ := v.text.in.Peek(n)
		if len(following) < n {
			return false
		}
		inside = bytes.TrimLeft(following[n-1:], space)
	}
	return inside[0] == '{' || inside[0] == ']'
}

// fault is why there is no next value, with its line. The decoder stands where the value
// begins; parsing again what it has read from there finds the byte.
func (v *values) fault(err error) error {
	if err == io.EOF && !v.inside {
		return io.EOF
	}
	at := v.decoder.InputOffset()
	var syntax *json.SyntaxError
	switch {
	case v.inside && err == io.EOF:
		return fmt.Errorf("line %d is no JSON: the array goes on behind it, and has no end"+rawHint, v.text.lineAt(at))
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("line %d is no JSON: the value that begins there has no end"+rawHint, v.text.lineAt(at))
	case !errors.As(err, &syntax):
		return fmt.Errorf("line %d: %w", v.text.lineAt(at), err)
	}
	rest, _ := io.ReadAll(v.decoder.Buffered())
	if again := (*json.SyntaxError)(nil); errors.As(json.Unmarshal(rest, new(json.RawMessage)), &again) && again.Error() == err.Error() {
		at, err = at+again.Offset-1, again
	}
	return fmt.Errorf("line %d is no JSON: %w"+rawHint, v.text.lineAt(at), err)
}

// text counts the lines of what is read through it, and drops byte order marks at their
// beginnings, where files were put together: no string of JSON goes over an end of line.
type text struct {
	in    *bufio.Reader
	begin bool    // at the beginning of a line
	read  int64   // bytes handed out
	from  int64   // up to where they are done with
	line  int64   // of from
	ends  []int64 // of the lines from there on: offsets behind their LFs
}

// Read reads no more than a line.
func (t *text) Read(p []byte) (int, error) {
	if t.read-t.from > recordMax {
		return 0, fmt.Errorf("a record is over %d bytes", recordMax)
	}
	first, err := t.in.Peek(1)
	if err == nil && t.begin && first[0] == mark[0] {
		if head, _ := t.in.Peek(len(mark)); string(head) == mark {
			_, _ = t.in.Discard(len(mark))
		}
		_, err = t.in.Peek(1)
	}
	if err != nil {
		return 0, err
	}
	have, _ := t.in.Peek(min(t.in.Buffered(), len(p)))
	if i := bytes.IndexByte(have, '\n'); i >= 0 {
		have = have[:i+1]
	}
	n, _ := t.in.Discard(copy(p, have))
	t.read += int64(n)
	if t.begin = p[n-1] == '\n'; t.begin {
		t.ends = append(t.ends, t.read)
	}
	return n, nil
}

// lineAt is the line of an offset that is not done with.
func (t *text) lineAt(offset int64) int64 {
	line := t.line
	for _, end := range t.ends {
		if offset < end {
			break
		}
		line++
	}
	return line
}

// done drops what is before an offset.
func (t *text) done(offset int64) {
	line := t.lineAt(offset)
	t.ends = t.ends[line-t.line:]
	t.from, t.line = offset, line
}

// decoded is an input as UTF-8. UTF-16 and UTF-32, which editors and shells of Windows write,
// are known by their mark, or by the zeros that they have beside a first character of ASCII,
// which JSON begins with. What it is is looked at by the first Read, which may wait for it.
type decoded struct{ in, out io.Reader }

func (d *decoded) Read(p []byte) (int, error) {
	if d.out == nil {
		b := bufio.NewReader(d.in)
		d.out = b
		if e := encodingOf(b); e != nil {
			d.out = e.NewDecoder().Reader(b)
		}
	}
	return d.out.Read(p)
}

// encodingOf is what an input is encoded in; nil: UTF-8.
func encodingOf(b *bufio.Reader) encoding.Encoding {
	head, _ := b.Peek(2) // no more: a whole input may be as short
	if len(head) < 2 {
		return nil
	}
	four := func() string { head, _ := b.Peek(4); return string(head) }
	switch first, second := head[0], head[1]; {
	case first == 0xff && second == 0xfe && four() == "\xff\xfe\x00\x00":
		return utf32.UTF32(utf32.LittleEndian, utf32.ExpectBOM)
	case first == 0xff && second == 0xfe:
		return unicode.UTF16(unicode.LittleEndian, unicode.ExpectBOM)
	case first == 0xfe && second == 0xff:
		return unicode.UTF16(unicode.BigEndian, unicode.ExpectBOM)
	case first == 0 && second == 0 && four() == "\x00\x00\xfe\xff":
		return utf32.UTF32(utf32.BigEndian, utf32.ExpectBOM)
	case first == 0 && second != 0:
		return unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM)
	case first != 0 && second == 0:
		return unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM)
	}
	return nil
}
