package kafkatools

import (
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringtail/ringtail/internal/config"
)

// appender adds something of a record to a line.
type appender = func(dst []byte, m *kgo.Record) []byte

// directives are what a letter behind % stands for in --print: kcat's letters, and %v, which
// is its %s.
var directives = map[byte]appender{
	'%': func(dst []byte, _ *kgo.Record) []byte { return append(dst, '%') },
	't': func(dst []byte, m *kgo.Record) []byte { return append(dst, m.Topic...) },
	'p': func(dst []byte, m *kgo.Record) []byte {
		return strconv.AppendInt(dst, int64(m.Partition), 10)
	},
	'o': func(dst []byte, m *kgo.Record) []byte { return strconv.AppendInt(dst, m.Offset, 10) },
	'k': func(dst []byte, m *kgo.Record) []byte { return append(dst, m.Key...) },
	'v': appendValue,
	's': appendValue,
	'T': func(dst []byte, m *kgo.Record) []byte {
		return strconv.AppendInt(dst, m.Timestamp.UnixMilli(), 10)
	},
	'h': appendHeaders,
	'K': func(dst []byte, m *kgo.Record) []byte { return appendLength(dst, m.Key) },
	'S': func(dst []byte, m *kgo.Record) []byte { return appendLength(dst, m.Value) },
}

// appendValue of a tombstone is nothing; %S tells it from a record whose value is empty.
func appendValue(dst []byte, m *kgo.Record) []byte { return append(dst, m.Value...) }

// appendHeaders is name=value, with commas between.
func appendHeaders(dst []byte, m *kgo.Record) []byte {
	for i, h := range m.Headers {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, h.Key...)
		dst = append(dst, '=')
		dst = append(dst, h.Value...)
	}
	return dst
}

// appendLength is −1 for what is not there.
func appendLength(dst, b []byte) []byte {
	if b == nil {
		return append(dst, "-1"...)
	}
	return strconv.AppendInt(dst, int64(len(b)), 10)
}

// parsePrint reads --print: text with directives behind %, and escapes behind \.
func parsePrint(format string) (appender, error) {
	var steps []appender
	var text []byte // since the last directive
	flush := func() {
		if literal := string(text); literal != "" {
			steps = append(steps, func(dst []byte, _ *kgo.Record) []byte { return append(dst, literal...) })
		}
		text = nil
	}
	for rest := format; rest != ""; {
		switch rest[0] {
		case '%':
			if len(rest) < 2 {
				return nil, config.Usagef("--print ends with a lone %%; %%%% is one")
			}
			step := directives[rest[1]]
			if step == nil {
				unknown := string([]rune(rest[1:])[:1])
				return nil, config.Usagef("--print: %%%s is unknown; one of %%t topic, %%p partition, %%o offset, %%k key, %%v value, %%T timestamp, %%h headers, %%K and %%S sizes, %%%%", unknown)
			}
			flush()
			steps, rest = append(steps, step), rest[2:]
		case '\\':
			b, used := escape(rest)
			if used == 0 {
				return nil, config.Usagef(`--print: %s is unknown; one of \n, \t, \r, \0, \xHH, \\`, rest[:min(2, len(rest))])
			}
			text, rest = append(text, b), rest[used:]
		default:
			text, rest = append(text, rest[0]), rest[1:]
		}
	}
	flush()
	return func(dst []byte, m *kgo.Record) []byte {
		for _, step := range steps {
			dst = step(dst, m)
		}
		return dst
	}, nil
}

// escape is the byte that a text which begins with \ stands for, and how long that is; 0: it is
// none.
func escape(s string) (b byte, used int) {
	if len(s) < 2 {
		return 0, 0
	}
	if at := strings.IndexByte(`ntr0\`, s[1]); at >= 0 {
		return "\n\t\r\x00\\"[at], 2
	}
	if s[1] == 'x' && len(s) >= 4 {
		if n, err := strconv.ParseUint(s[2:4], 16, 8); err == nil {
			return byte(n), 4
		}
	}
	return 0, 0
}
