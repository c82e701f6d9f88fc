package codec

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

// unescaped reads the next character of a valid string's inside at i. A lone
// surrogate, which CPython keeps and UTF-8 cannot write, is returned as such.
func unescaped(s []byte, i int) (c rune, next int) {
	switch c := rune(s[i]); {
	case c == '\\':
	case c < 0x80:
		return c, i + 1
	case i+4 > len(s):
		c, n := utf8.DecodeRune(s[i:])
		return c, i + n
	case c < 0xe0:
		return c&0x1f<<6 | rune(s[i+1]&0x3f), i + 2
	case c < 0xf0:
		return c&0x0f<<12 | rune(s[i+1]&0x3f)<<6 | rune(s[i+2]&0x3f), i + 3
	default:
		return c&0x07<<18 | rune(s[i+1]&0x3f)<<12 | rune(s[i+2]&0x3f)<<6 | rune(s[i+3]&0x3f), i + 4
	}
	i += 2
	switch s[i-1] {
	case 'b':
		return '\b', i
	case 'f':
		return '\f', i
	case 'n':
		return '\n', i
	case 'r':
		return '\r', i
	case 't':
		return '\t', i
	case 'u':
		c, _ = hex4(s, i)
		i += 4
		if utf16.IsSurrogate(c) && i+6 <= len(s) && s[i] == '\\' && s[i+1] == 'u' {
			low, _ := hex4(s, i+2)
			if pair := utf16.DecodeRune(c, low); pair != utf8.RuneError {
				return pair, i + 6
			}
		}
		return c, i
	}
	return rune(s[i-1]), i
}

// sameName tells whether a valid string's inside spells name.
func sameName(s []byte, name string) bool {
	i := 0
	for _, want := range name {
		if i >= len(s) {
			return false
		}
		var c rune
		if c, i = unescaped(s, i); c != want {
			return false
		}
	}
	return i == len(s)
}

// keyOf makes a Kafka key of a valid value: a string's characters, anything
// else as it is written. A lone surrogate becomes U+FFFD, as in encoding/json.
func (r *Router) keyOf(value []byte) []byte {
	if len(value) == 0 || value[0] != '"' {
		return value
	}
	s := value[1 : len(value)-1]
	if bytes.IndexByte(s, '\\') < 0 {
		return s
	}
	// A string never grows by being unescaped.
	if cap(r.arena)-len(r.arena) < len(s) {
		r.arena = make([]byte, 0, max(len(s), 16<<10))
	}
	start, arena := len(r.arena), r.arena
	for i := 0; i < len(s); {
		var c rune
		c, i = unescaped(s, i)
		arena = utf8.AppendRune(arena, c)
	}
	r.arena = arena
	return arena[start:len(arena):len(arena)]
}
