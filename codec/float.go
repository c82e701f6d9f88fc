package codec

import (
	"bytes"
	"math/bits"
)

// A literal with a point or an exponent is a double to CPython, and int() cuts its
// fraction off. Both steps are done here on the digits as they are written, exactly:
// strconv.ParseFloat has literals of twenty bytes that take it some thousand times
// as long as others. Here none does, for three reasons.
//
//   - What is under 0.1 is 0, and what has more than 309 digits before its point is
//     infinite; neither is looked at further.
//   - Below 2^53 every integer is a double, so that a literal rounds to nothing less
//     than its integer part: all its fraction can do is to be so close to 1 that it
//     rounds up.
//   - From there on to 2^1024 it is an integer of at most 309 digits, and 17 words.
//
// Digits that decide nothing are looked at only for being 0 or not.

// integerDigits is how many digits the largest double has before its point.
const integerDigits = 309

// shardOfFloat computes int(value) % shards of a valid literal that is no integer,
// and whether it does not raise, as it does for infinity.
func (r *Router) shardOfFloat(value []byte) (int, bool) {
	s, point := significand(trimSign(value))
	switch {
	case s.left() == 0 || point < 0:
		return 0, true
	case point > integerDigits:
		return 0, false
	}
	negative := value[0] == '-'
	if point <= 16 {
		small := s
		if whole := small.integer(int(point)); whole < 1<<53 {
			if small.roundsUp(whole) {
				whole++
			}
			return r.floored(whole%r.shards, negative), true
		}
	}
	mantissa, exponent := s.double(int(point))
	if bits.Len64(mantissa)+exponent > 1024 {
		return 0, false
	}
	rest := mantissa % r.shards * r.powerOfTwo(exponent) % r.shards
	return r.floored(rest, negative), true
}

// powerOfTwo returns 2^n % shards for n up to 1023.
func (r *Router) powerOfTwo(n int) uint64 {
	rest := uint64(1) << (n >> 5) % r.shards
	for i := 4; i >= 0; i-- {
		rest = rest * rest << (n >> i & 1) % r.shards // MaxShards squared is below 2^40
	}
	return rest
}

// digitReader reads those of a literal from the first on that is not 0: some in
// front of what was a point, some behind. Behind the last come zeros.
type digitReader struct {
	front, behind []byte
}

// significand returns a literal's digits, none where it is 0, and how many of them
// are before the point; where zeros come between, their number, negative.
func significand(literal []byte) (s digitReader, point int64) {
	end := 0
	for end < len(literal) && literal[end]|0x20 != 'e' {
		end++
	}
	s.front = literal[:end]
	if i := bytes.IndexByte(s.front, '.'); i >= 0 {
		s.front, s.behind = s.front[:i], s.front[i+1:]
	}
	s.front = trimZeros(s.front)
	if point = int64(len(s.front)); point == 0 {
		n := len(s.behind)
		s.behind = trimZeros(s.behind)
		point = int64(len(s.behind) - n)
	}
	if end < len(literal) {
		point += exponentOf(literal[end+1:])
	}
	return s, point
}

func trimZeros(b []byte) []byte {
	for len(b) > 0 && b[0] == '0' {
		b = b[1:]
	}
	return b
}

// exponentOf reads an exponent. Where it is larger than any record has bytes, it
// stops there.
func exponentOf(literal []byte) int64 {
	negative := literal[0] == '-'
	if negative || literal[0] == '+' {
		literal = literal[1:]
	}
	n := int64(0)
	for _, c := range literal {
		if n = n*10 + int64(c-'0'); n > 1<<48 {
			break
		}
	}
	if negative {
		return -n
	}
	return n
}

// left returns how many digits there are still.
func (s *digitReader) left() int { return len(s.front) + len(s.behind) }

// ended tells whether nothing but zeros follows.
func (s *digitReader) ended() bool {
	return len(trimZeros(s.front)) == 0 && len(trimZeros(s.behind)) == 0
}

// integer reads n digits, up to 19, as a number.
func (s *digitReader) integer(n int) uint64 {
	v, k := digitsOf(&s.front, 0, n)
	v, m := digitsOf(&s.behind, v, n-k)
	return v * tens[n-k-m]
}

// digitsOf appends up to n digits of b to v, and returns how many there were.
func digitsOf(b *[]byte, v uint64, n int) (uint64, int) {
	n = min(n, len(*b))
	d := (*b)[:n]
	*b = (*b)[n:]
	for ; len(d) >= 8; d = d[8:] {
		v = v*100_000_000 + eightDigits(load(d, 0))
	}
	for _, c := range d {
		v = v*10 + uint64(c-'0')
	}
	return v, n
}

// roundsUp tells whether the digits to come, a fraction behind an integer below 2^53,
// are so close to 1 that the whole rounds to the next integer: whether they are at
// least 1 - 2^-n, halfway between that and the double before it. Digits of that
// number are made as they are needed.
func (s *digitReader) roundsUp(whole uint64) bool {
	n := 54 - bits.Len64(whole)
	mask := uint64(1)<<n - 1
	for rest := mask; rest != 0; {
		rest *= 10
		if d := s.integer(1); d != rest>>n {
			return d > rest>>n
		}
		rest &= mask
	}
	// Halfway is rounded to even. With n over 1 the next integer is.
	return n > 1 || whole&1 == 1 || !s.ended()
}

// double rounds a literal that is not below 2^53, with up to integerDigits digits
// before its point. The double is mantissa * 2^exponent; it may be too large for one.
func (s *digitReader) double(point int) (mantissa uint64, exponent int) {
	var n natural
	for point > 0 && s.left() > 0 {
		k := min(point, 19, s.left())
		n.multiplyAdd(tens[k], s.integer(k))
		point -= k
	}
	for ; point > 0; point -= min(point, 27) { // the zeros that are not written
		n.multiplyAdd(fives[min(point, 27)], 0)
		exponent += min(point, 27)
	}
	length := n.length()
	if length <= 53 {
		return n.words[0], exponent
	}
	drop := length - 53
	mantissa = n.bits(drop)
	if n.bits(drop-1)&1 == 1 && (mantissa&1 == 1 || !n.endsIn(drop-1) || !s.ended()) {
		mantissa++
	}
	return mantissa, exponent + drop
}

// natural is a natural number below 2^1088, the lowest word first.
type natural struct {
	words [17]uint64
	used  int
}

// multiplyAdd makes n n*factor + summand.
func (n *natural) multiplyAdd(factor, summand uint64) {
	carry := summand
	for i := range n.words[:n.used] {
		high, low := bits.Mul64(n.words[i], factor)
		low, c := bits.Add64(low, carry, 0)
		n.words[i], carry = low, high+c
	}
	if carry != 0 {
		n.words[n.used] = carry
		n.used++
	}
}

// length returns how many bits n has.
func (n *natural) length() int {
	if n.used == 0 {
		return 0
	}
	return 64*(n.used-1) + bits.Len64(n.words[n.used-1])
}

// bits returns the 64 bits of n from bit i on.
func (n *natural) bits(i int) uint64 {
	v := n.words[i>>6] >> (i & 63)
	if i&63 != 0 && i>>6+1 < len(n.words) {
		v |= n.words[i>>6+1] << (64 - i&63)
	}
	return v
}

// endsIn tells whether the lowest i bits of n are zeros.
func (n *natural) endsIn(i int) bool {
	for _, w := range n.words[:i>>6] {
		if w != 0 {
			return false
		}
	}
	return n.words[i>>6]<<(63-i&63)<<1 == 0
}

// The powers of 10 and of 5 that are below 2^64.
var tens, fives = powersOf(10), powersOf(5)

func powersOf(base uint64) (list [28]uint64) {
	p := uint64(1)
	for i := range list {
		list[i] = p
		p *= base
	}
	return list
}
