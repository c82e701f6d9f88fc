package codec

import (
	"unicode/utf16"
	"unicode/utf8"
)

// unescaped reads the next character of a valid string's inside at i. A lone
// surrogate, which CPython keeps and UTF-8 cannot write, is returned as such.
func unescaped(s []byte, i int) (c rune, next int) {
	if s[i] != '\\' {
		c, n := utf8.DecodeRune(s[i:])
		return c, i + n
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
	plain := true
	for _, c := range s {
		plain = plain && c != '\\'
	}
	if plain {
		return s
	}
	// A string never grows by being unescaped.
	if cap(r.arena)-len(r.arena) < len(s) {
		r.arena = make([]byte, 0, max(len(s), 16<<10))
	}
	start := len(r.arena)
	for i := 0; i < len(s); {
		var c rune
		c, i = unescaped(s, i)
		r.arena = utf8.AppendRune(r.arena, c)
	}
	return r.arena[start:len(r.arena):len(r.arena)]
}
