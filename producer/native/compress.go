package native

import (
	"bytes"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Whole batches are compressed on goroutines of their own, all at the same time. They go into one
// request, so Send waits for the last of them, which wakes the client. They read rings, so Destroy
// waits for them too.

// packing is a batch that is being compressed.
type packing struct {
	small []byte // its records; nil: they would not get smaller
	codec uint16
}

// pack begins to compress the batch that waits whole in s.
func (c *Client) pack(s *stream) {
	p, data, size := new(packing), s.whole.data, s.whole.bytes
	s.packing = p
	c.packings.Add(1)
	c.busy.Go(func() {
		p.small, p.codec = compress(c.opts.Compressor, data, size)
		if c.packings.Add(-1) == 0 {
			c.packed.Store(true)
			c.Wake()
		}
	})
}

// onePiece has memory for what is compressed, which has to be in one piece.
var onePiece = sync.Pool{New: func() any { return new([]byte) }}

// compress compresses the records of a batch that has so many bytes with its header. nil: that does
// not make them smaller.
func compress(c kgo.Compressor, data chunks, size int) (small []byte, codec uint16) {
	reused := onePiece.Get().(*[]byte)
	defer onePiece.Put(reused)
	plain := (*reused)[:0]
	for i, b := range data {
		if i == 0 {
			b = b[headerBytes:]
		}
		plain = append(plain, b...)
	}
	*reused = plain
	small, number := c.Compress(bytes.NewBuffer(make([]byte, 0, size/2)), plain)
	if number <= 0 || len(small) >= len(plain) {
		return nil, 0
	}
	return small, uint16(number)
}

// replace puts compressed records in the place of plain ones.
func (r *batchRecords) replace(small []byte, codec uint16, p *pool) {
	if small == nil {
		return
	}
	front := p.get(true)[:headerBytes]
	r.release(p)
	r.data, r.bytes, r.borrowed, r.codec = chunks{front, small}, headerBytes+len(small), false, codec
}
