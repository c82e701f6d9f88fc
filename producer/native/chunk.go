package native

// Batches are built in pieces, so that none grows by copying, and the same few are used turn
// after turn: where little comes they stay in a processor's cache. The first piece of a batch is
// small: with thousands of shards there are thousands of small batches.
const (
	firstBytes = 4 << 10
	pieceBytes = 32 << 10
)

// chunks are the pieces of one batch, in order; all but the last are full.
type chunks [][]byte

// pool keeps pieces that are not in use. The last one given back is the first to go.
type pool struct{ first, more [][]byte }

// get answers an empty piece, a small one for a batch's first.
func (p *pool) get(first bool) []byte {
	free, size := &p.more, pieceBytes
	if first {
		free, size = &p.first, firstBytes
	}
	last := len(*free) - 1
	if last < 0 {
		return make([]byte, 0, size)
	}
	b := (*free)[last]
	(*free)[last] = nil
	*free = (*free)[:last]
	return b[:0]
}

func (p *pool) put(c chunks) {
	for _, b := range c {
		switch cap(b) {
		case firstBytes:
			p.first = append(p.first, b)
		case pieceBytes:
			p.more = append(p.more, b)
		} // what compress made has another size
	}
}
