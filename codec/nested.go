package codec

import "math/bits"

// nested is scan for what lies below the top level, where no field routes: it
// checks the array or object that begins at i and returns the index behind it,
// 0 where it declines.
func nested(b []byte, i int, lf bool) int {
	kinds, depth := uint64(0), 0    // a bit a level: 1 for an object; the lowest is the innermost
	var outer [MaxDepth / 64]uint64 // and of the levels around those 64, by depth / 64
	for {
		// A value begins at i, or white space before it.
		if i >= len(b) {
			return 0
		}
		if b[i] <= ' ' {
			if i = space(b, i, lf); i >= len(b) {
				return 0
			}
		}
		switch c := b[i]; {
		case c == '{' || c == '[':
			if depth&63 == 0 {
				outer[depth/64] = kinds
			}
			if depth++; depth == MaxDepth { // with the record itself that is one too many
				return 0
			}
			kinds = kinds<<1 | uint64(c>>5&1) // '{' has that bit, '[' has not
			if i++; i < len(b) && b[i] <= ' ' {
				i = space(b, i, lf)
			}
			if i >= len(b) {
				return 0
			}
			if b[i] == c+2 {
				break // empty; the closing bracket is looked at below
			}
			if c == '{' {
				if i = nestedKey(b, i, lf); i == 0 {
					return 0
				}
			}
			continue
		case c == '"':
			i = plainString(b, i+1)
		case c-'0' <= 9 || c == '-':
			i = plainNumber(b, i)
		default:
			i = literalEnd(b, i)
		}
		if i == 0 {
			return 0
		}
		if i, depth, kinds = closeBrackets(b, i, depth, kinds, &outer, lf); depth == 0 {
			return i
		}
		if kinds&1 == 1 {
			if i = nestedKey(b, i, lf); i == 0 {
				return 0
			}
		}
	}
}

// closeBrackets reads closing brackets, and the comma behind them, and returns the
// index behind that and what is still open. Where it declines the index and
// the depth are 0; where the outermost is closed the depth is.
func closeBrackets(b []byte, i, depth int, kinds uint64, outer *[MaxDepth / 64]uint64, lf bool) (int, int, uint64) {
	for i < len(b) {
		switch c := b[i]; {
		case c == ',':
			return i + 1, depth, kinds
		case c == '}' && kinds&1 == 1, c == ']' && kinds&1 == 0:
			kinds >>= 1
			i++
			if depth--; depth&63 == 0 {
				if depth == 0 {
					return i, 0, 0
				}
				kinds = outer[depth/64]
			}
		default:
			next := space(b, i, lf)
			if next == i {
				return 0, 0, 0
			}
			i = next
		}
	}
	return 0, 0, 0
}

// nestedKey reads a key and its colon, white space before it perhaps, and
// returns the index behind it, 0 where it declines.
func nestedKey(b []byte, i int, lf bool) int {
	if i >= len(b) || b[i] != '"' {
		if i = space(b, i, lf); i >= len(b) || b[i] != '"' {
			return 0
		}
	}
	if i = plainString(b, i+1); i == 0 || i >= len(b) {
		return 0
	}
	if b[i] != ':' {
		if i = space(b, i, lf); i >= len(b) || b[i] != ':' {
			return 0
		}
	}
	return i + 1
}

// plainString returns the index behind the string whose inside begins at i, 0
// where it declines.
func plainString(b []byte, i int) int {
	for ; ; i += 8 {
		if m := special(load(b, i)); m != 0 {
			i += bits.TrailingZeros64(m) >> 3
			break
		}
	}
	if i >= len(b) {
		return 0
	}
	if b[i] != '"' {
		if i, _ = stringTail(b, i); i == 0 {
			return 0
		}
	}
	return i + 1
}

// plainNumber returns the index behind the number at i, 0 where it declines.
func plainNumber(b []byte, i int) int {
	if b[i] == '-' {
		i++
	}
	start := i
	i = digitsEnd(b, i)
	if i >= len(b) || i == start || b[start] == '0' && i-start > 1 || i-start > MaxDigits {
		return 0
	}
	if b[i] == '.' || b[i]|0x20 == 'e' {
		return fraction(b, i)
	}
	return i
}
