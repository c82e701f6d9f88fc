package codec

import (
	"math/bits"
	"sync"

	"github.com/ringtail/ringtail/internal/invariant"
)

// A buffer is the memory of one connection's unfinished record. Buffers come from pools that all
// connections share, in sizes of powers of two. So a connection that cuts every record in two
// allocates nothing once others have filled the pools, and a connection between two records
// occupies nothing.
type buffer struct {
	b     []byte
	class uint8
}

const (
	minClassBits = 8  // 256 bytes: a cut record of the usual size
	maxClassBits = 25 // 32 MiB; a record beyond is left to the garbage collector
)

var pools [maxClassBits - minClassBits + 1]sync.Pool

// newBuffer returns an empty buffer with room for at least n bytes.
func newBuffer(n int) *buffer {
	shift := minClassBits
	if n > 1<<minClassBits {
		shift = bits.Len(uint(n - 1))
	}
	class := uint8(min(shift, maxClassBits+1) - minClassBits)
	if shift > maxClassBits {
		return &buffer{b: make([]byte, 0, n), class: class}
	}
	if buf, ok := pools[class].Get().(*buffer); ok {
		return buf
	}
	return &buffer{b: make([]byte, 0, 1<<shift), class: class}
}

// free gives the buffer back. Its bytes may be overwritten from here on.
func (buf *buffer) free() {
	if buf == nil || int(buf.class) >= len(pools) {
		return
	}
	if invariant.Enabled { // so that a late reader fails loudly
		b := buf.b[:cap(buf.b)]
		for i := range b {
			b[i] = '#'
		}
	}
	buf.b = buf.b[:0]
	pools[buf.class].Put(buf)
}

// add appends p, in a larger buffer where this one has no room. At most two
// thirds of what is allocated for a moment is the copy left behind.
func (buf *buffer) add(p []byte) *buffer {
	if n := len(buf.b) + len(p); n > cap(buf.b) {
		buf = buf.resize(max(n, 2*cap(buf.b)))
	}
	buf.b = append(buf.b, p...)
	return buf
}

// resize moves the contents, or what fits of them, to a buffer with room for n
// bytes.
func (buf *buffer) resize(n int) *buffer {
	moved := newBuffer(n)
	moved.b = append(moved.b, buf.b[:min(len(buf.b), n)]...)
	buf.free()
	return moved
}
