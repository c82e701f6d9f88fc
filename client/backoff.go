package client

import (
	"math/rand/v2"
	"time"
)

// backoff says how long to wait before the next attempt to connect: a random part of
// a step that doubles, so that the clients of a server that went away do not all
// come back in the same instant.
type backoff struct {
	least, most time.Duration
	step        time.Duration
}

func (b *backoff) next() time.Duration {
	if b.step > b.most/2 {
		b.step = b.most // doubled it could overflow
	} else {
		b.step = min(max(2*b.step, b.least), b.most)
	}
	half := b.step / 2
	return half + rand.N(b.step-half)
}

func (b *backoff) reset() { b.step = 0 }
