package codec

import (
	"bytes"
	"unicode/utf8"
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
	// Most that is rejected is neither deep nor grammatical, and is done with at once.
	// But what only opens brackets would have sonic note them all.
	shallow := bytes.Count(data, []byte("{"))+bytes.Count(data, []byte("[")) <= 64
	if shallow && !r.grammatical(data) {
		rec.Reason = BadJSON
		return
	}
	look := strict(data)
	switch {
	case look.tooDeep:
		rec.Reason = TooDeep
		return
	case look.badString || look.unbalanced || !shallow && !r.grammatical(data):
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
// sonic takes four bytes where a literal begins, be there as many or not: it reads
// behind [f] and, had it nothing but nu, would say null if ll follows in memory. So
// it is shown nothing that does not end in its own bracket, and what is as short as
// that in a place where zeros follow. The rest is simple enough to be compared here.
// (encoding/json would do, but allocates an error for each of a flood of lines that
// are none.)
func (r *Router) grammatical(data []byte) bool {
	switch data[0] {
	case '{', '[':
		if data[len(data)-1] != data[0]+2 { // the closing one, in ASCII
			return false
		}
		if len(data) < len(r.short) {
			r.short = [len(r.short)]byte{}
			data = r.short[:copy(r.short[:], data)]
		}
		return validJSON(data)
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
	unbalanced  bool // more brackets of a kind were opened than closed
	longInteger bool // an integer literal of more than MaxDigits digits
}

// strict checks what the grammar leaves out, on any bytes: the depth is
// counted as the text framer counts it.
func strict(data []byte) (f findings) {
	braces, brackets := 0, 0
	also := stopMask(false)
	for i := 0; i < len(data); {
		switch data[i] {
		case '"':
			end, ok := stringEnd(data, i)
			f.badString = f.badString || !ok
			i = end
			continue
		case '{':
			braces++
			f.tooDeep = f.tooDeep || braces+brackets > MaxDepth
		case '[':
			brackets++
			f.tooDeep = f.tooDeep || braces+brackets > MaxDepth
		case '}':
			braces = max(braces-1, 0)
		case ']':
			brackets = max(brackets-1, 0)
		default:
			end := skipPlain(data, i+1, also)
			if end-i > MaxDigits {
				f.longInteger = f.longInteger || longInteger(data[i:end])
			}
			i = end
			continue
		}
		i++
	}
	f.unbalanced = braces+brackets > 0
	return f
}

// longInteger tells whether there is an integer of more than MaxDigits digits in text
// without strings.
func longInteger(text []byte) bool {
	for i := 0; i < len(text); {
		if text[i] < '0' || text[i] > '9' {
			i++
			continue
		}
		end, digits := numberEnd(text, i)
		if digits > MaxDigits {
			return true
		}
		i = end
	}
	return false
}

// stringEnd returns the index behind the string that begins at i, and whether
// it is free of control characters and bad escapes.
func stringEnd(data []byte, i int) (end int, ok bool) {
	ok = true
	for i++; i < len(data); {
		switch c := data[i]; {
		case c == '"':
			return i + 1, ok
		case c == '\\':
			ok = ok && goodEscape(data, i+1)
			i += 2
		case c < ' ':
			ok = false
			i++
		default:
			i = skipText(data, i+1)
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
	a, b, c, d := hexDigits[data[i]], hexDigits[data[i+1]], hexDigits[data[i+2]], hexDigits[data[i+3]]
	return rune(a)<<12 | rune(b)<<8 | rune(c)<<4 | rune(d), a|b|c|d < 16
}

// hexDigits are the values of hexadecimal digits, 255 for what is none.
var hexDigits = func() (values [256]uint8) {
	for i := range values {
		values[i] = 255
	}
	for i, c := range "0123456789abcdef" {
		values[c] = uint8(i)
	}
	for i, c := range "ABCDEF" {
		values[c] = uint8(10 + i)
	}
	return values
}()

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

// members returns the values of the routing field and of the key field of an object known to be
// valid; nil where there is none.
func (r *Router) members(data []byte) (value, key []byte) {
	if at := r.follow(data, member(data, 0, r.names[0])); at > 0 {
		value = data[at:valueEnd(data, at)]
	}
	if r.names[1] != "" {
		if at := member(data, 0, r.names[1]); at > 0 {
			key = data[at:valueEnd(data, at)]
		}
	}
	return value, key
}

// follow goes on from the first name's value, at i, to the routing value, and returns where that
// begins; 0 where there is none.
func (r *Router) follow(data []byte, i int) int {
	for _, name := range r.path {
		if i == 0 {
			break
		}
		i = member(data, i, name)
	}
	return i
}

// member returns where a member's value begins, the last of that name, of the valid value that
// begins at i; 0 where there is none, or the value is no object.
func member(data []byte, i int, name string) (at int) {
	if i >= len(data) || data[i] != '{' {
		return 0
	}
	for i++; ; {
		i = space(data, i, true)
		if i < len(data) && data[i] == ',' {
			i = space(data, i+1, true)
		}
		// What follows is the closing brace or a key. Nothing else can be, but
		// a client's bytes must not make a slip elsewhere a panic here.
		if i >= len(data) || data[i] != '"' {
			return at
		}
		end, ok := stringEnd(data, i)
		if !ok {
			return 0
		}
		key := data[i+1 : end-1]
		i = space(data, space(data, end, true)+1, true)
		end = valueEnd(data, i)
		if i >= end {
			return 0
		}
		if sameName(key, name) {
			at = i
		}
		i = end
	}
}

// valueEnd returns the index behind the valid value that begins at i.
func valueEnd(data []byte, i int) int {
	depth := 0
	for i < len(data) {
		switch c := data[i]; {
		case c == '"':
			i, _ = stringEnd(data, i)
		case c == '{' || c == '[':
			depth++
			i++
		case c == '}' || c == ']':
			depth--
			i++
		case depth > 0:
			i = skipPlain(data, i+1, stopMask(false))
		default:
			for i < len(data) && data[i] > ' ' && data[i] != ',' && data[i] != '}' && data[i] != ']' {
				i++
			}
		}
		if depth <= 0 {
			break
		}
	}
	return i
}
