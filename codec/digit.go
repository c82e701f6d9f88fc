package codec

import (
	"math/bits"
	"slices"
	"unicode/utf8"
)

// shardOf computes int(value) % shards of a valid JSON value as CPython does,
// and whether it does not raise.
func (r *Router) shardOf(value []byte) (int, bool) {
	switch c := value[0]; {
	case c == '"':
		return r.shardOfString(value[1 : len(value)-1])
	case c == 't':
		return int(1 % r.shards), true
	case c == 'f':
		return 0, true
	case c == '-' || c >= '0' && c <= '9':
		if _, digits := numberEnd(value, len(value)-len(trimSign(value))); digits == 0 {
			return r.shardOfFloat(value)
		}
		return r.shardOfDigits(trimSign(value), c == '-'), true
	}
	return 0, false
}

// shardOfPlain is shardOf for an integer as most write it, a literal or a
// string: a minus sign perhaps, and ASCII digits. It declines all else. The
// value begins at i and is known to be valid.
func (r *Router) shardOfPlain(b []byte, i int) (int, bool) {
	w := load(b, i)
	quoted := byte(w) == '"'
	if quoted {
		i++
		w = load(b, i)
	}
	negative := byte(w) == '-'
	if negative {
		i++
		w = load(b, i)
	}
	start, rest := i, uint64(0)
	n := uint(bits.TrailingZeros64(nonDigit(w))) >> 3
	for n == 8 {
		if rest >= 1<<36 {
			rest %= r.shards
		}
		rest = rest*100_000_000 + eightDigits(w)
		i += 8
		w = load(b, i)
		n = uint(bits.TrailingZeros64(nonDigit(w))) >> 3
	}
	if digits := i - start + int(n); digits == 0 || digits > MaxDigits {
		return 0, false
	}
	switch next := byte(w >> (8 * n)); {
	case quoted && next != '"', next == '.', next|0x20 == 'e':
		return 0, false
	}
	if rest >= 1<<36 {
		rest %= r.shards
	}
	rest = rest*powers[n] + eightDigits(w<<(63-8*n)<<1)
	return r.floored(rest%r.shards, negative), true
}

var powers = [8]uint64{1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000}

// eightDigits returns the number of the digits in w, the first in its lowest
// byte. A zero byte counts as a zero. Pairs become numbers up to 99, these
// numbers up to 9999, and these the sum.
func eightDigits(w uint64) uint64 {
	w &= 0x0f * ones
	w = w*10 + w>>8
	const pairs = 0xff_0000_00ff
	return (w&pairs*(100+1_000_000<<32) + w>>16&pairs*(1+10_000<<32)) >> 32
}

func trimSign(value []byte) []byte {
	if value[0] == '-' {
		return value[1:]
	}
	return value
}

// shardOfDigits takes plain ASCII digits.
func (r *Router) shardOfDigits(digits []byte, negative bool) int {
	rest := uint64(0)
	for _, c := range digits {
		if rest >= 1<<60 {
			rest %= r.shards
		}
		rest = rest*10 + uint64(c-'0')
	}
	return r.floored(rest%r.shards, negative)
}

// floored is the modulo of a number whose absolute value leaves rest.
func (r *Router) floored(rest uint64, negative bool) int {
	if negative && rest != 0 {
		rest = r.shards - rest
	}
	return int(rest)
}

// shardOfString computes int(s) of a string's inside: white space, a sign,
// digits of any script with single underscores between them, white space.
func (r *Router) shardOfString(s []byte) (int, bool) {
	i := skipDigitSpace(s, 0)
	negative := false
	if i < len(s) {
		if c, next := unescaped(s, i); c == '-' || c == '+' {
			negative = c == '-'
			i = next
		}
	}
	rest, digits, underscore := uint64(0), 0, true
	for i < len(s) {
		c, next := rune(s[i]), i+1
		if c >= utf8.RuneSelf || c == '\\' {
			c, next = unescaped(s, i)
		}
		if c == '_' {
			if underscore {
				return 0, false
			}
			underscore = true
			i = next
			continue
		}
		d, ok := decimal(c)
		if !ok {
			break
		}
		if digits++; digits > MaxDigits {
			return 0, false
		}
		if rest >= 1<<60 {
			rest %= r.shards
		}
		rest = rest*10 + uint64(d)
		underscore = false
		i = next
	}
	if underscore || skipDigitSpace(s, i) != len(s) {
		return 0, false
	}
	return r.floored(rest%r.shards, negative), true
}

// skipDigitSpace skips what int() strips.
func skipDigitSpace(s []byte, i int) int {
	for i < len(s) {
		c, next := unescaped(s, i)
		if !intSpace(c) {
			break
		}
		i = next
	}
	return i
}

// intSpace tells whether int() strips c.
func intSpace(c rune) bool {
	if c < 0x80 {
		return c == ' ' || c >= '\t' && c <= '\r'
	}
	_, found := slices.BinarySearch(intSpaces[:], c)
	return found
}

// decimal returns the value of a decimal digit of any script.
func decimal(c rune) (int, bool) {
	if c < 0x80 {
		return int(c - '0'), c >= '0' && c <= '9'
	}
	if c>>4 >= rune(len(zerosUpTo)) {
		return 0, false
	}
	n := zerosUpTo[c>>4]
	for n > 0 && decimalZeros[n-1] > c {
		n--
	}
	if n > 0 && c-decimalZeros[n-1] < 10 {
		return int(c - decimalZeros[n-1]), true
	}
	return 0, false
}

// zerosUpTo counts the decimalZeros up to the end of each 16 characters: who mixes
// scripts in a number would make every step of a bisection a guess.
var zerosUpTo = func() (counts [0x20000 >> 4]uint8) {
	n := 0
	for i := range counts {
		for n < len(decimalZeros) && int(decimalZeros[n])>>4 <= i {
			n++
		}
		counts[i] = uint8(n)
	}
	return counts
}()
