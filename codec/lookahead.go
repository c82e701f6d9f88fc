package codec

import (
	"unicode/utf8"
	"unsafe"
)

// Where the machine has vectors, records are found ahead of Next. simd goes through the chunk 64
// bytes at a time. It notes where ordinary records end, and where keys lie that may be the name of
// a field. It hardly branches on what a record contains, except on what nests. So the order and the
// kinds of the fields do not matter to it.
//
// It stops at the first byte that it does not know. The records before are right, and scan takes
// the one that it stopped in. simd knows what scan knows, without escapes, exponents and the
// deepest nesting, and only records that a new line separates.

// vectorSet is what simd is built of.
type vectorSet uint8

const (
	noVectors vectorSet = iota
	avx2
	avx512
)

const (
	// margin is how many bytes must be readable from the beginning of a block on:
	// itself, and 64 more, for names are compared at a distance.
	margin = 128

	// longestName is the longest whose closing quote is within the margin for all
	// of a block.
	longestName = 63

	// tailBytes is where a chunk's rest is copied to where a margin follows.
	tailBytes = 512

	// leastBytes is what is worth that copy, or a call.
	leastBytes = 96
)

// kernel is what simd reads and writes. The offsets of its fields are also in
// simd_amd64.h. Indices count from simd's b.
type kernel struct {
	spaces  [16]byte // white space, each at its low four bits
	last    [8]byte  // of each name its last byte
	quote   [2]int   // of each name the distance of the two quotes around it
	second  int      // 1 if there are two names
	high    int      // out: not 0 where there were bytes beyond ASCII in strings
	numEnds int      // out
	numKeys int      // out
	ends    [96]int  // out: of each record its closing brace
	keys    [96]int  // out: opening quotes of keys that may be a name
}

// lookahead is a Router's kernel and what of its findings is still to be handed
// out, to the Decoder that owns them.
type lookahead struct {
	kernel  kernel
	owner   *Decoder
	at      int // where the next record begins
	end     int // the next of kernel.ends
	key     int // the next of kernel.keys
	misses  int // since what simd found was last of use, up to maxMisses
	rest    int // records to leave to scan before the next attempt
	least   int // leastBytes, but in tests
	vectors vectorSet
	tail    [tailBytes + margin]byte
}

// A client whose records simd never knows pays for one attempt in 2^maxMisses records.
const maxMisses = 6

// newLookahead returns nil where simd cannot serve.
func newLookahead(names [2]string, v vectorSet) *lookahead {
	if v == noVectors || max(len(names[0]), len(names[1])) > longestName {
		return nil
	}
	l := &lookahead{vectors: v, least: leastBytes}
	k := &l.kernel
	for _, c := range " \t\r" {
		k.spaces[c&15] = byte(c)
	}
	for i, s := range names {
		if s != "" {
			k.last[i] = s[len(s)-1]
			k.quote[i] = 1 + len(s)
			k.second = i
		}
	}
	return l
}

// read runs simd over b, which begins with a brace, and tells whether it has found anything. The
// findings have no owner after it.
func (l *lookahead) read(b []byte, lf bool) bool {
	l.owner = nil
	if len(b) < l.least {
		return false
	}
	if l.rest > 0 {
		l.rest--
		return false
	}
	k := &l.kernel
	k.spaces['\n'] = 0
	if lf {
		k.spaces['\n'] = '\n'
	}
	p, last := unsafe.Pointer(unsafe.SliceData(b)), len(b)-margin
	if len(b) < tailBytes {
		clear(l.tail[copy(l.tail[:], b):][:margin])
		p, last = unsafe.Pointer(&l.tail), len(b)-1
	}
	simd(l.vectors, (*byte)(p), (*byte)(unsafe.Add(p, last)), k)
	if k.numEnds == 0 {
		l.missed()
		return false
	}
	l.at, l.end, l.key = 0, 0, 0
	return true
}

// spent is called when all that was found has been handed out, and not before. Otherwise a client
// whose records simd finds and next declines would make simd read a hundred of them for each one.
func (l *lookahead) spent() {
	if l.kernel.numEnds == 1 && l.kernel.ends[0] < l.least {
		l.missed() // short ones are not worth a call each
	} else {
		l.misses = 0
	}
}

// missed leaves some records to scan, the more the more often it is called
// without success between.
func (l *lookahead) missed() {
	l.misses = min(l.misses+1, maxMisses)
	l.rest = 1<<l.misses - 2
}

// next takes the next of the findings, a record at the beginning of b: its
// length, with what routes it in found, or 0 where it declines.
func (r *Router) next(b []byte) int {
	l := r.lookahead
	k := &l.kernel
	end := k.ends[l.end]
	n := end + 1 - l.at
	if len(b) < 8 || k.high != 0 && !utf8.Valid(b[:n]) {
		return 0
	}
	r.found = scanFound{}
	for l.key < k.numKeys && k.keys[l.key] < end {
		at := k.keys[l.key] + 1 - l.at
		l.key++
		w := load(b, at)
		if end := at + k.quote[0]; r.field.is(w, b, at, end-1) {
			r.found.value = valueAt(b, end)
		}
		if end := at + k.quote[1]; r.key.is(w, b, at, end-1) {
			r.found.key = valueAt(b, end)
		}
	}
	return n
}

// valueAt returns the index of the value behind the key that ends before i.
func valueAt(b []byte, i int) int {
	for b[i] != ':' {
		i++
	}
	for i++; b[i] <= ' '; i++ {
	}
	return i
}

// first returns the length of the record that b begins with, as simd finds it,
// with what routes it in found; 0 where it declines. It should have n bytes.
func (r *Router) first(b []byte, n int, lf bool) int {
	if r.lookahead == nil || n < r.lookahead.least || len(b) == 0 || b[0] != '{' {
		return 0
	}
	if len(b) >= tailBytes && n > len(b)-margin/2 {
		return 0 // its end is not read
	}
	if !r.lookahead.read(b, lf) {
		return 0
	}
	end := r.next(b)
	if end > 0 && r.lookahead.kernel.numEnds == 1 {
		r.lookahead.spent()
	} else {
		r.lookahead.missed()
	}
	return end
}

// startLookahead looks for records in a chunk that begins with a brace, and yields the first.
func (d *Decoder) startLookahead(r *Router, rec *Record) bool {
	l := r.lookahead
	if l == nil || d.chunk[0] != '{' || !l.read(d.chunk, d.mode == modeJSON) {
		return false
	}
	l.owner, d.lookahead = d, l
	return d.nextLookahead(r, rec)
}

// nextLookahead yields the next record that was found ahead. Where there is none it
// returns false, and what else was found is forgotten.
func (d *Decoder) nextLookahead(r *Router, rec *Record) bool {
	l := d.lookahead
	d.lookahead = nil
	if l != r.lookahead || l.owner != d {
		return false
	}
	b := d.chunk
	n := r.next(b)
	behind := n
	if n > 0 && n < len(b) && b[n] != '\n' {
		behind = blanksEnd(b, n)
	}
	switch {
	case n > 0 && behind < len(b) && b[behind] == '\n':
		behind++
	case n == 0 || d.mode == modeLine:
		l.missed()
		return false
	}
	d.take(r, rec, n)
	d.chunk = b[behind:]
	l.at += behind
	if l.end++; l.end < l.kernel.numEnds {
		d.lookahead = l
	} else {
		l.owner = nil
		l.spent()
	}
	return true
}
