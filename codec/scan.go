package codec

import (
	"encoding/binary"
	"math/bits"
	"strings"
	"unicode/utf8"
	"unsafe"
)

// The fast path that needs no vectors: one pass that checks an ordinary record
// and finds what routes it, at the same time finding its end in text. Ordinary
// is what clients send: see scan. It never says yes to a record that judgeSlowly would reject, and
// never finds another value; it may decline any record.
//
// It reads eight bytes at a time (SWAR). In a little-endian word the lowest
// set bit of a mask marks the first byte of interest; higher ones may be
// false, for a borrow runs upwards only.
const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// special marks the bytes of a string that are not plainly part of it: quote,
// backslash, control characters, and all beyond ASCII. (Those keep their high
// bit in at least one of the two differences: only 0xA2 loses it in the first,
// only 0xDC in the second.)
func special(w uint64) uint64 {
	quote := w ^ '"'*ones
	slash := w ^ '\\'*ones
	return ((quote - ones) | (slash - ones) | (w - ' '*ones)) & highs
}

// nonDigit marks the bytes that are not decimal digits.
func nonDigit(w uint64) uint64 {
	w ^= '0' * ones
	return ((w&^highs + (0x80-10)*ones) | w) & highs
}

// load returns the eight bytes at i. Beyond the end they are zero, which is
// part of no string and no number. b has at least eight bytes.
func load(b []byte, i int) uint64 {
	p := unsafe.Pointer(unsafe.SliceData(b))
	if i > len(b)-8 {
		return binary.LittleEndian.Uint64((*[8]byte)(unsafe.Add(p, len(b)-8))[:]) >> (8 * uint(i+8-len(b)))
	}
	return binary.LittleEndian.Uint64((*[8]byte)(unsafe.Add(p, i))[:])
}

// scanFound is what scan leaves behind: where a value begins; 0 is nowhere.
type scanFound struct {
	value int // of the routing field
	key   int // of the key field
}

// fieldName is a field's name in the form in which scan compares it: its first
// bytes and, where there is room, the closing quote, as one word under a mask.
// Where the word says all, rest is empty, else it is the whole name.
type fieldName struct {
	word, mask uint64
	rest       string
}

// newName returns a name that equals nothing where s is empty, and where no key
// can spell it without an escape.
func newName(s string) fieldName {
	escaped := strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || c == '"' || c == '\\' })
	if s == "" || escaped {
		return fieldName{word: 1} // under an empty mask
	}
	quoted := s + `"`
	var n fieldName
	for i := 0; i < min(8, len(quoted)); i++ {
		n.word |= uint64(quoted[i]) << (8 * i)
		n.mask |= 0xff << (8 * i)
	}
	if len(quoted) > 8 {
		n.rest = s
	}
	return n
}

// is tells whether the key that begins with w and lies at b[at:end] is n.
func (n *fieldName) is(w uint64, b []byte, at, end int) bool {
	return w&n.mask == n.word && (n.rest == "" || string(b[at:end]) == n.rest)
}

// Two bytes as the low half of a word.
const (
	quoteColon = '"' | ':'<<8
	commaQuote = ',' | '"'<<8
	commaSpace = ',' | ' '<<8 | '"'<<16 // and a quote
)

// scan reads the object that b begins with and returns its length, 0 where it
// declines: because b ends first, or because something is not ordinary. lf
// tells whether LF is white space or, where it ends a line, out of place.
//
// The function is long because it is the loop every record goes through:
// split, its state would travel through memory. One round is one member. What
// stands between tokens is compared several bytes at once; where that fails, a
// function looks closer.
func (r *Router) scan(b []byte, lf bool) int {
	r.found = scanFound{}
	if len(b) < 8 || b[0] != '{' {
		return 0
	}
	i, done := 2, false
	if b[1] != '"' {
		i, done = firstKey(b, lf)
	}
	for !done {
		// The key's inside begins at i.
		at, first := i, load(b, i)
		m := special(first)
		for m == 0 {
			i += 8
			m = special(load(b, i))
		}
		i += bits.TrailingZeros64(m) >> 3
		end, escaped := i, false
		if uint16(load(b, i)) == quoteColon {
			i += 2
		} else if end, i, escaped = colon(b, i, lf); i == 0 {
			return 0
		}
		hit := r.field.is(first, b, at, end)
		keyHit := r.key.is(first, b, at, end)
		if escaped {
			hit, keyHit = r.spells(b[at:end])
		}

		v := load(b, i)
		if byte(v) <= ' ' {
			i = space(b, i, lf)
			v = load(b, i)
		}
		// The value begins at i, with v.
		at = i
		var next uint64 // what follows it
		switch c := byte(v); {
		case c == '"':
			i++
			m := special(load(b, i))
			for m == 0 {
				i += 8
				m = special(load(b, i))
			}
			i += bits.TrailingZeros64(m) >> 3
			next = load(b, i)
			if byte(next) != '"' {
				if i, _ = stringTail(b, i); i == 0 {
					return 0
				}
				next = load(b, i)
			}
			next >>= 8
			i++
		case c-'0' <= 9 || c == '-':
			if c == '-' {
				i++
				v = load(b, i)
			}
			start := i
			m := nonDigit(v)
			for m == 0 {
				i += 8
				m = nonDigit(load(b, i))
			}
			i += bits.TrailingZeros64(m) >> 3
			if digits := i - start; digits == 0 || digits > 1 && byte(v) == '0' || digits > MaxDigits {
				return 0
			}
			next = load(b, i)
			if c := byte(next); c == '.' || c|0x20 == 'e' {
				if i = fraction(b, i); i == 0 {
					return 0
				}
				next = load(b, i)
			}
		default:
			if i = other(b, i, lf); i == 0 {
				return 0
			}
			next = load(b, i)
		}
		if hit {
			r.found.value = at
		}
		if keyHit {
			r.found.key = at
		}
		switch {
		case uint16(next) == commaQuote:
			i += 2
		case byte(next) == '}':
			return i + 1
		case next&0xff_ffff == commaSpace:
			i += 3
		default:
			i, done = nextKey(b, i, lf)
		}
	}
	return i
}

// firstKey returns the index behind the opening quote of the first key; 0,
// and done, where it declines. An empty object is declined: nothing routes it.
func firstKey(b []byte, lf bool) (i int, done bool) {
	if i = space(b, 1, lf); i >= len(b) || b[i] != '"' {
		return 0, true
	}
	return i + 1, false
}

// nextKey looks at what follows a value at i: the index behind the opening
// quote of the next key; or that behind the object, and done; or 0 and done.
func nextKey(b []byte, i int, lf bool) (next int, done bool) {
	i = space(b, i, lf)
	switch {
	case i >= len(b):
		return 0, true
	case b[i] == '}':
		return i + 1, true
	case b[i] != ',':
		return 0, true
	}
	if i = space(b, i+1, lf); i >= len(b) || b[i] != '"' {
		return 0, true
	}
	return i + 1, false
}

// colon finishes a key that does not simply end at i, with a colon behind its
// quote, and returns the index of its closing quote and that behind the colon, 0
// where it declines, and whether there was an escape.
func colon(b []byte, i int, lf bool) (end, next int, escaped bool) {
	if end, escaped = stringTail(b, i); end == 0 {
		return 0, 0, false
	}
	if i = space(b, end+1, lf); i >= len(b) || b[i] != ':' {
		return 0, 0, false
	}
	return end, i + 1, escaped
}

// spells tells whether a key with escapes spells the routing field's name, and the
// key field's.
func (r *Router) spells(key []byte) (field, keyField bool) {
	return sameName(key, r.names[0]), r.names[1] != "" && sameName(key, r.names[1])
}

// space returns the index of the first byte from i on that is not white space.
func space(b []byte, i int, lf bool) int {
	for i < len(b) && isSpace(b[i]) && (lf || b[i] != '\n') {
		i++
	}
	return i
}

// fraction reads the rest of a number at its point or exponent and returns
// the index behind it, 0 where it declines.
func fraction(b []byte, i int) int {
	if b[i] == '.' {
		start := i + 1
		if i = digitsEnd(b, start); i == start {
			return 0
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		start := i
		if i = digitsEnd(b, start); i == start {
			return 0
		}
	}
	return i
}

// digitsEnd returns the index of the first byte from i on that is no digit.
func digitsEnd(b []byte, i int) int {
	for {
		if m := nonDigit(load(b, i)); m != 0 {
			return i + bits.TrailingZeros64(m)>>3
		}
		i += 8
	}
}

// stringTail goes on in a string at its first byte that is not plain, i, and
// returns the index of its closing quote, 0 where it declines, and whether
// there was an escape.
func stringTail(b []byte, i int) (end int, escaped bool) {
	for i < len(b) {
		switch c := b[i]; {
		case c == '"':
			return i, escaped
		case c == '\\':
			if !goodEscape(b, i+1) {
				return 0, false
			}
			escaped = true
			i += 2
		case c < ' ':
			return 0, false
		case c >= utf8.RuneSelf:
			start := i
			if i = skipText(b, i+1); !utf8.Valid(b[start:i]) {
				return 0, false
			}
		default:
			i++
		}
	}
	return 0, false
}

// other reads what is neither string nor number: a literal, an array or an
// object. It returns the index behind it, 0 where it declines.
func other(b []byte, i int, lf bool) int {
	if i < len(b) && (b[i] == '{' || b[i] == '[') {
		return nested(b, i, lf)
	}
	return literalEnd(b, i)
}

// literalEnd returns the index behind the true, false or null at i, 0 for
// anything else.
func literalEnd(b []byte, i int) int {
	w := load(b, i)
	switch {
	case uint32(w) == 't'|'r'<<8|'u'<<16|'e'<<24, uint32(w) == 'n'|'u'<<8|'l'<<16|'l'<<24:
		return i + 4
	case w&0xff_ffff_ffff == 'f'|'a'<<8|'l'<<16|'s'<<24|'e'<<32:
		return i + 5
	}
	return 0
}
