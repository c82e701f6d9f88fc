package kafkatools

import (
	"bufio"
	"encoding/json"
	"strconv"
	"unicode/utf8"

	"github.com/tidwall/gjson"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringtail/ringtail/internal/config"
)

// printer writes one line a record.
type printer struct {
	out     *bufio.Writer
	format  appender
	lineEnd string
	line    []byte
}

func newPrinter(o ConsumeOptions, out *bufio.Writer) (p *printer, err error) {
	p = &printer{out: out, lineEnd: "\n"}
	switch {
	case o.Print != "":
		p.lineEnd = ""
		p.format, err = parsePrint(o.Print)
	case o.Format == "text":
		p.format = appendText
	case o.Format == "value": // a tombstone's is an empty line
		p.format = func(dst []byte, m *kgo.Record) []byte { return append(dst, m.Value...) }
	case o.Format == "json":
		p.format = appendJSON
	default:
		err = config.Usagef("--format %q is unknown; one of text, value, json", o.Format)
	}
	return p, err
}

func (p *printer) record(m *kgo.Record) error {
	p.line = append(p.format(p.line[:0], m), p.lineEnd...)
	_, err := p.out.Write(p.line)
	return err
}

func (p *printer) idle()      {}
func (p *printer) end() error { return nil }

// appendText: topic:partition:offset: key=… value=…, null for a tombstone, as for a record that is
// JSON's null; appendJSON tells the two apart.
func appendText(dst []byte, m *kgo.Record) []byte {
	dst = append(dst, m.Topic...)
	dst = append(dst, ':')
	dst = strconv.AppendInt(dst, int64(m.Partition), 10)
	dst = append(dst, ':')
	dst = strconv.AppendInt(dst, m.Offset, 10)
	dst = append(dst, ": key="...)
	dst = append(dst, m.Key...)
	dst = append(dst, " value="...)
	if m.Value == nil {
		return append(dst, "null"...) // a tombstone
	}
	return append(dst, m.Value...)
}

// appendJSON: topic, partition, offset, timestamp (ms), key, value, headers.
func appendJSON(dst []byte, m *kgo.Record) []byte {
	dst = append(dst, `{"topic":`...)
	dst = appendString(dst, []byte(m.Topic))
	dst = append(dst, `,"partition":`...)
	dst = strconv.AppendInt(dst, int64(m.Partition), 10)
	dst = append(dst, `,"offset":`...)
	dst = strconv.AppendInt(dst, m.Offset, 10)
	dst = append(dst, `,"timestamp":`...)
	dst = strconv.AppendInt(dst, m.Timestamp.UnixMilli(), 10)
	dst = append(dst, `,"key":`...)
	if m.Key == nil {
		dst = append(dst, "null"...)
	} else {
		dst = appendString(dst, m.Key)
	}
	dst = append(dst, `,"value":`...)
	if m.Value == nil {
		dst = append(dst, "null"...) // a tombstone
	} else {
		dst = appendString(dst, m.Value)
	}
	dst = append(dst, `,"headers":{`...)
	for i, h := range m.Headers {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendString(dst, []byte(h.Key))
		dst = append(dst, ':')
		dst = appendString(dst, h.Value)
	}
	return append(dst, "}}"...)
}

// appendString writes bytes as a JSON string. Text stays as it is; bytes that are
// not UTF-8 become U+FFFD.
func appendString(dst, s []byte) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for len(s) > 0 {
		c := s[0]
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c == '\n':
			dst = append(dst, `\n`...)
		case c == '\r':
			dst = append(dst, `\r`...)
		case c == '\t':
			dst = append(dst, `\t`...)
		case c < ' ':
			dst = append(dst, `\u00`...)
			dst = append(dst, hex[c>>4], hex[c&15])
		case c < utf8.RuneSelf:
			dst = append(dst, c)
		default:
			r, n := utf8.DecodeRune(s)
			dst = utf8.AppendRune(dst, r)
			s = s[n:]
			continue
		}
		s = s[1:]
	}
	return append(dst, '"')
}

// topLevel is the value of a record's top-level field as text: a string unescaped,
// anything else its JSON. ok is false where the field is missing, or the record is no
// JSON object.
func topLevel(record []byte, field string) (value string, ok bool) {
	if utf8.Valid(record) { // the other way takes ten times as long, and puts U+FFFD where it is not
		return topLevelText(record, field)
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(record, &fields) != nil {
		return "", false
	}
	raw, ok := fields[field]
	var s string
	if ok && raw[0] == '"' && json.Unmarshal(raw, &s) == nil {
		return s, true
	}
	return string(raw), ok
}

// topLevelText is topLevel of a record that is UTF-8.
func topLevelText(record []byte, field string) (value string, ok bool) {
	if !gjson.ValidBytes(record) {
		return "", false
	}
	gjson.ParseBytes(record).ForEach(func(name, v gjson.Result) bool {
		if name.Type == gjson.String && name.String() == field { // elements of an array have no name
			ok, value = true, v.Raw
			if v.Type == gjson.String {
				value = v.String()
			}
		}
		return true // the last one of a name counts
	})
	return value, ok
}
