package native

import (
	"slices"
	"time"
)

// Batches are built in pieces, so that none grows by copying, and the same few are used turn
// after turn: where little comes they stay in a processor's cache. The first piece of a batch is
// small: with thousands of shards there are thousands of small batches.
const (
	firstBytes = 4 << 10
	pieceBytes = 32 << 10
)

// chunks are the pieces of one batch, in order; all but the last are full.
type chunks [][]byte

// pool keeps pieces that are not in use. What a stall made it grow to is let go again, see age.
type pool struct {
	first, rest freePieces
	aged        time.Duration
}

// stock is free pieces of one size. The last one given back is the first to go.
type freePieces struct {
	free [][]byte
	low  int // the fewest that were free since the last age
}

// ageEvery is how long a piece lies unused before it is let go.
const ageEvery = 10 * time.Second

// age lets go of as many pieces as nobody has needed since the last time.
func (p *pool) age(now time.Duration) {
	if now-p.aged < ageEvery {
		return
	}
	p.aged = now
	for _, s := range []*freePieces{&p.first, &p.rest} {
		s.free = slices.Delete(s.free, 0, s.low)
		if len(s.free) == 0 {
			s.free = nil
		}
		s.low = len(s.free)
	}
}

// get answers an empty piece, a small one for a batch's first.
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
		} // what compress made has another size
	}
}
