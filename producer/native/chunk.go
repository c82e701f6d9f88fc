package native

// chunkBytes is the size of the pieces that batches are built in. A turn's worth of them
// stays in a processor's cache where little comes, and no batch grows by copying.
const chunkBytes = 32 << 10

// chunks are the pieces of one batch, in order; all but the last are full.
type chunks [][]byte

// pool keeps pieces that are not in use. The last one given back is the first to go.
type pool struct{ free [][]byte }

// get answers an empty piece.
func (p *pool) get() []byte {
	last := len(p.free) - 1
	if last < 0 {
		return make([]byte, 0, chunkBytes)
	}
	b := p.free[last]
	p.free[last] = nil
	p.free = p.free[:last]
	return b[:0]
}

func (p *pool) put(c chunks) {
	for _, b := range c {
		if cap(b) == chunkBytes { // not one that compress made
			p.free = append(p.free, b)
		}
	}
}
