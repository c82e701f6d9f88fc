package native

import (
	"slices"
	"time"
)

// Batches are built of pieces, so that a batch grows without copying. The same few pieces are used
// again and again, and under light load they stay in a processor's cache. The first piece of a
// batch is small: with thousands of shards there are thousands of small batches.
const (
	firstBytes = 4 << 10
	pieceBytes = 32 << 10
)

// chunks are the pieces of one batch, in order; all but the last are full.
type chunks [][]byte

// pool has the free pieces. age frees those that only a stall needed.
type pool struct {
	first, rest freePieces
	lists       []chunks // free lists of borrowed pieces
	aged        time.Duration
}

// freePieces are the free pieces of one size. The last one that came is the first to go.
type freePieces struct {
	free [][]byte
	low  int // fewest that were free at any time since the last age
}

// ageEvery is how long a piece may be unused before it is freed.
const ageEvery = 10 * time.Second

// age frees as many pieces as were unused all the time since it last did so.
func (p *pool) age(now time.Duration) {
	if now-p.aged < ageEvery {
		return
	}
	p.aged = now
	p.lists = nil
	for _, s := range []*freePieces{&p.first, &p.rest} {
		s.free = slices.Delete(s.free, 0, s.low)
		if len(s.free) == 0 {
			s.free = nil
		}
		s.low = len(s.free)
	}
}

// get returns an empty piece, a small one where it is a batch's first.
func (p *pool) get(first bool) []byte {
	s, size := &p.rest, pieceBytes
	if first {
		s, size = &p.first, firstBytes
	}
	last := len(s.free) - 1
	s.low = min(s.low, max(last, 0))
	if last < 0 {
		return make([]byte, 0, size)
	}
	b := s.free[last]
	s.free[last] = nil
	s.free = s.free[:last]
	return b[:0]
}

func (p *pool) put(c chunks) {
	for _, b := range c {
		switch cap(b) {
		case firstBytes:
			p.first.free = append(p.first.free, b)
		case pieceBytes:
			p.rest.free = append(p.rest.free, b)
		} // compress makes pieces of other sizes
	}
}

// borrow returns a list with room for a header and so many pieces that are in a ring.
func (p *pool) borrow(pieces int) chunks {
	var list chunks
	if last := len(p.lists) - 1; last >= 0 && cap(p.lists[last]) > pieces {
		list, p.lists = p.lists[last][:0], p.lists[:last]
	} else {
		list = make(chunks, 0, pieces+pieces/4+8)
	}
	return append(list, p.get(true)[:headerBytes])
}

func (p *pool) putList(list chunks) {
	clear(list)
	p.lists = append(p.lists, list)
}
