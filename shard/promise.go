package shard

import "github.com/ringtail/ringtail/internal/invariant"

// A producer that takes records of several shards from one read has to know that each of them has
// room before it takes the next: what it has taken it cannot put back. So room is promised record by
// record, and claimed once a batch is complete. A promise is not a position: it is counted
// beside the claims, and a claim that was promised cannot find the ring full.
//
// Invariant: claimed − freed + promised ≤ capacity, whatever order the loads below are done in. A
// promise first adds itself, then looks; so of two at the same time at least one sees the other. A
// claim moves claimed first and gives its promise back afterwards, so for a moment it counts twice:
// others may find the ring full that is not, never the other way round. Whoever waits for room therefore
// looks again after a while, even if nothing was freed.
//
// The obvious way, to claim at once and to publish less, needs padding in the log; to ask how much
// room there is and claim later needs a second copy of what finds none after all.

// Promise sets room aside for later claims. It never blocks. Errors: ErrFull, ErrClosed, ErrTooLarge.
func (r *Ring) Promise(bytes int) error {
	if uint64(bytes) > r.capacity/2 {
		return ErrTooLarge
	}
	if r.Closed() {
		return ErrClosed
	}
	promised := r.promised.Add(int64(bytes))
	if int64(r.Used())+promised > int64(r.capacity) {
		r.withdraw(bytes)
		return ErrFull
	}
	return nil
}

// withdraw gives promised room back.
func (r *Ring) withdraw(bytes int) {
	left := r.promised.Add(-int64(bytes))
	invariant.Check(left >= 0, "ring %s: %d bytes promised", r.name, left)
}

// ClaimPromised claims room for a batch of records whose values and metas are bytes long together, and
// gives the promise, which covers it, back. The only error is ErrClosed.
func (r *Ring) ClaimPromised(records, bytes, promised int) (Claim, error) {
	defer r.withdraw(promised) // not before claimed has moved: see the invariant
	need := uint64(BatchBytes(records, bytes))
	invariant.Check(need <= uint64(promised), "ring %s: %d bytes claimed, %d promised", r.name, need, promised)
	for {
		c := r.pos.claimed.Load()
		if c&closedBit != 0 {
			return Claim{}, ErrClosed
		}
		if r.pos.claimed.CompareAndSwap(c, c+need) {
			if invariant.Enabled {
				used := c + need - r.pos.freed.Load() // not Used: others claim and free between its loads
				invariant.Check(used <= r.capacity, "ring %s: %d bytes used of %d", r.name, used, r.capacity)
			}
			return r.claimed(c, records, need), nil
		}
	}
}
