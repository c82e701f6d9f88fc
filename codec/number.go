package codec

import (
	"math"
	"slices"
	"strconv"
	"unsafe"
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
// string: a minus sign perhaps, and ASCII digits. It declines all else.
func (r *Router) shardOfPlain(value []byte) (int, bool) {
	if value[0] == '"' {
		value = value[1 : len(value)-1]
	}
	negative := len(value) > 0 && value[0] == '-'
	if negative {
		value = value[1:]
	}
	if len(value) == 0 || len(value) > MaxDigits {
		return 0, false
	}
	rest := uint64(0)
	for _, c := range value {
		if c -= '0'; c > 9 {
			return 0, false
		}
		if rest = rest*10 + uint64(c); rest >= 1<<56 {
			rest %= r.shards
		}
	}
	return r.floored(rest%r.shards, negative), true
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
		rest = (rest*10 + uint64(c-'0')) % r.shards
	}
	return r.floored(rest, negative)
}

// floored is the modulo of a number whose absolute value leaves rest.
func (r *Router) floored(rest uint64, negative bool) int {
	if negative && rest != 0 {
		rest = r.shards - rest
	}
	return int(rest)
}

// shardOfFloat rounds to a double and truncates that towards zero, exactly,
// however large it is.
func (r *Router) shardOfFloat(value []byte) (int, bool) {
	f, err := strconv.ParseFloat(unsafe.String(&value[0], len(value)), 64)
	if err != nil || math.IsInf(f, 0) {
		return 0, false // int(inf) raises OverflowError
	}
	negative := f < 0
	f = math.Trunc(math.Abs(f))
	if f < 1<<63 {
		return r.floored(uint64(f)%r.shards, negative), true
	}
	fraction, exponent := math.Frexp(f)
	rest := uint64(fraction*(1<<53)) % r.shards
	for exponent -= 53; exponent > 0; {
		// rest < MaxShards < 2^20, so 32 more bits fit.
		step := min(exponent, 32)
		rest = rest << step % r.shards
		exponent -= step
	}
	return r.floored(rest, negative), true
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
		c, next := unescaped(s, i)
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
		rest = (rest*10 + uint64(d)) % r.shards
		digits++
		underscore = false
		i = next
	}
	if underscore || digits > MaxDigits || skipDigitSpace(s, i) != len(s) {
		return 0, false
	}
	return r.floored(rest, negative), true
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
	i, found := slices.BinarySearch(decimalZeros[:], c)
	if found {
		return 0, true
	}
	if i > 0 && c-decimalZeros[i-1] < 10 {
		return int(c - decimalZeros[i-1]), true
	}
	return 0, false
}
