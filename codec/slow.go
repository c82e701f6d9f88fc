package codec

import (
	"unicode/utf8"

	"github.com/bytedance/sonic/encoder"
)

// judgeSlowly is the verdict on any record, one question after the other.
// Everything that is not ordinary ends up here, so it is written to be read.
//
// sonic answers the question of the grammar only. Its Valid looks at no byte
// inside strings, so strict does; its Get takes the first of duplicate keys,
// where CPython and encoding/json take the last, so members looks itself.
func (r *Router) judgeSlowly(rec *Record, data []byte) {
	*rec = Record{Data: data, Size: len(data)}
	if !utf8.Valid(data) {
		rec.Reason = BadUTF8
		return
	}
	look := strict(data)
	switch {
	case look.tooDeep:
		rec.Reason = TooDeep
		return
	case look.badString || !grammatical(data):
		rec.Reason = BadJSON
		return
	case look.longInteger:
		rec.Reason = BadNumber
		return
	case data[0] != '{':
		rec.Reason = NotObject
		return
	}
	value, key := r.members(data)
	if value == nil {
		rec.Reason = MissingField
		return
	}
	shard, ok := r.shardOf(value)
	if !ok {
		rec.Reason = BadNumber
		return
	}
	rec.Shard = shard
	rec.Key = r.keyOf(key)
}

// grammatical tells whether data, free of bad strings, is one JSON value.
//
// sonic may look behind the end of a literal that is cut off, and take `nu` for
// null if `ll` follows in memory. The bracket at the end of an object or array
// rules that out; the rest is simple enough to be compared here. (encoding/json
// would do, but allocates an error for each of a flood of lines that are none.)
func grammatical(data []byte) bool {
	last := data[len(data)-1]
	switch data[0] {
	case '{', '[':
		ok, _ := encoder.Valid(data)
		return ok && last == data[0]+2 // the closing one, in ASCII
	case '"':
		end, _ := stringEnd(data, 0)
		return end == len(data)
	case 't', 'f', 'n':
		return string(data) == "true" || string(data) == "false" || string(data) == "null"
	}
	return isNumber(data)
}

// isNumber tells whether data is a JSON number and nothing else.
func isNumber(data []byte) bool {
	digits := func() bool {
		n := 0
		for n < len(data) && data[n] >= '0' && data[n] <= '9' {
			n++
		}
		data = data[n:]
		return n > 0
	}
	if data[0] == '-' {
		data = data[1:]
	}
	if len(data) > 0 && data[0] == '0' {
		data = data[1:]
	} else if !digits() {
		return false
	}
	if len(data) > 0 && data[0] == '.' {
		if data = data[1:]; !digits() {
			return false
		}
	}
	if len(data) > 0 && (data[0] == 'e' || data[0] == 'E') {
		data = data[1:]
		if len(data) > 0 && (data[0] == '+' || data[0] == '-') {
			data = data[1:]
		}
		return digits() && len(data) == 0
	}
	return len(data) == 0
}

// findings is what strict saw.
type findings struct {
	tooDeep     bool // nested deeper than MaxDepth
	badString   bool // a control character or a bad escape in a string
	longInteger bool // an integer literal of more than MaxDigits digits
}

// strict checks what the grammar leaves out, on any bytes: the depth is
// counted as the text framer counts it.
func strict(data []byte) (f findings) {
	braces, brackets := 0, 0
	for i := 0; i < len(data); {
		switch c := data[i]; {
		case c == '"':
			end, ok := stringEnd(data, i)
			f.badString = f.badString || !ok
			i = end
			continue
		case c >= '0' && c <= '9':
			end, digits := numberEnd(data, i)
			f.longInteger = f.longInteger || digits > MaxDigits
			i = end
			continue
		case c == '{':
			braces++
		case c == '[':
			brackets++
		case c == '}' && braces > 0:
			braces--
		case c == ']' && brackets > 0:
			brackets--
		}
		f.tooDeep = f.tooDeep || braces+brackets > MaxDepth
		i++
	}
	return f
}

// stringEnd returns the index behind the string that begins at i, and whether
// it is free of control characters and bad escapes.
func stringEnd(data []byte, i int) (end int, ok bool) {
	ok = true
	for i++; i < len(data); i++ {
		switch c := data[i]; {
		case c == '"':
			return i + 1, ok
		case c < ' ':
			ok = false
		case c == '\\':
			i++
			ok = ok && goodEscape(data, i)
		}
	}
	return len(data), false
}

// goodEscape tells whether an escape's bytes from i on, behind the backslash,
// are one that JSON knows.
func goodEscape(data []byte, i int) bool {
	if i >= len(data) {
		return false
	}
	switch data[i] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return true
	case 'u':
		_, ok := hex4(data, i+1)
		return ok
	}
	return false
}

// hex4 reads the four hexadecimal digits at i.
func hex4(data []byte, i int) (rune, bool) {
	if i+4 > len(data) {
		return 0, false
	}
	var v rune
	for _, c := range data[i : i+4] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		v = v<<4 | rune(c)
	}
	return v, true
}

// numberEnd returns the index behind the number whose first digit is at i, and
// how many digits it has if it is an integer, 0 if not.
func numberEnd(data []byte, i int) (end, digits int) {
	end = i
	for end < len(data) && data[end] >= '0' && data[end] <= '9' {
		end++
	}
	digits = end - i
	for end < len(data) {
		switch c := data[end]; {
		case c == '.' || c == 'e' || c == 'E':
			digits = 0
		case c == '+' || c == '-' || c >= '0' && c <= '9':
		default:
			return end, digits
		}
		end++
	}
	return end, digits
}

// members walks the top level of an object known to be valid and returns the
// values of the routing field and of the key field, the last of each; nil
// where there is none.
func (r *Router) members(data []byte) (value, key []byte) {
	i := 1
	for {
		i = skipSpace(data, i)
		if i < len(data) && data[i] == ',' {
			i = skipSpace(data, i+1)
		}
		// What follows is the closing brace or a key. Nothing else can be, but
		// a client's bytes must not make a slip elsewhere a panic here.
		if i >= len(data) || data[i] != '"' {
			return value, key
		}
		end, ok := stringEnd(data, i)
		if !ok {
			return nil, nil
		}
		name := data[i+1 : end-1]
		i = skipSpace(data, skipSpace(data, end)+1)
		end = valueEnd(data, i)
		if i >= end {
			return nil, nil
		}
		if sameName(name, r.names[0]) {
			value = data[i:end]
		}
		if r.names[1] != "" && sameName(name, r.names[1]) {
			key = data[i:end]
		}
		i = end
	}
}

func skipSpace(data []byte, i int) int {
	for i < len(data) && isSpace(data[i]) {
		i++
	}
	return i
}

// valueEnd returns the index behind the valid value that begins at i.
func valueEnd(data []byte, i int) int {
	depth := 0
	for i < len(data) {
		switch c := data[i]; c {
		case '"':
			i, _ = stringEnd(data, i)
		case '{', '[':
			depth++
			i++
			continue
		case '}', ']':
			depth--
			i++
		case ',', ':', ' ', '\t', '\r', '\n':
			i++
			continue
		default:
			for i < len(data) && !isSpace(data[i]) && data[i] != ',' && data[i] != '}' && data[i] != ']' {
				i++
			}
		}
		if depth <= 0 {
			break
		}
	}
	return i
}
