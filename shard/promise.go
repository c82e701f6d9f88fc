package shard

import "github.com/ringtail/ringtail/internal/invariant"

// A producer that takes records of several shards from one read has to know that each of them has
// room before it takes the next: what it has taken it cannot put back. So room is promised record by
// record, and claimed once a batch is complete:
//
//	Promise ──► ClaimPromised ──► Publish
//	   └─────► Withdraw
//
// A promise is not a position: it is counted beside the claims, and a claim that was promised cannot
// find the ring full.
//
// Invariant: claimed − freed + promised ≤ capacity, whatever order the loads below are done in. A
// promise first adds itself, then looks; so of two at the same time at least one sees the other. A
// claim moves claimed first and gives its promise back afterwards, so for a moment it counts twice:
// others may find the ring full that is not, never the other way round. Whoever waits for room therefore
// looks again after a while, even if nothing was freed.
//
// The obvious way, to claim at once and to publish less, needs padding in the log; to ask how much
// room there is and claim later needs a second copy of what finds none after all.

// Promise sets room aside for later claims. It never blocks. Errors: ErrFull, also where somebody
// waits for room (SetWaiting), unless first is set; ErrClosed; ErrTooLarge.
func (r *Ring) Promise(bytes int, first bool) error {
	c := r.pos.claimed.Load()
	switch {
	case uint64(bytes) > r.capacity/2:
		return ErrTooLarge
	case c&closedBit != 0:
		return ErrClosed
	case c&waitingBit != 0 && !first:
		return ErrFull
	}
	promised := r.promised.Add(int64(bytes))
	freed := r.pos.freed.Load() // before claimed: what this sees as used may be less by now, never more
	used := r.pos.claimed.Load()&^stateBits - freed
	if int64(used)+promised > int64(r.capacity) {
		r.promised.Add(-int64(bytes))
		return ErrFull
	}
	return nil
}

// Withdraw gives promised room back.
func (r *Ring) Withdraw(bytes int) {
	left := r.promised.Add(-int64(bytes))
	invariant.Check(left >= 0, "ring %s: %d bytes promised", r.name, left)
}

// ClaimPromised claims room for a batch of records whose values and metas are bytes long together, and
// gives the promise, which covers it, back. The only error is ErrClosed.
func (r *Ring) ClaimPromised(records, bytes, promised int) (Claim, error) {
	need := batchBytes(records, bytes)
	invariant.Check(need <= uint64(promised), "ring %s: %d bytes claimed, %d promised", r.name, need, promised)
	for {
		c := r.pos.claimed.Load()
		if c&closedBit != 0 {
			r.Withdraw(promised)
			return Claim{}, ErrClosed
		}
		if r.pos.claimed.CompareAndSwap(c, c+need) {
			if invariant.Enabled {
				used := int64(c&^stateBits + need - r.pos.freed.Load())
				invariant.Check(used <= int64(r.capacity), "ring %s: %d bytes used of %d", r.name, used, r.capacity)
			}
			r.Withdraw(promised) // only now: see the invariant
			return r.claimed(c&^stateBits, records, need), nil
		}
	}
}

// BatchBytes is the most that a batch takes beside its records, RecordBytes what a record takes
// beside its value and meta.
const (
	BatchBytes  = batchHeader + granule - 1
	RecordBytes = recordHeader
)

// SetWaiting tells that somebody waits for room who is to come first: promises and claims of others fail
// meanwhile, so that a large record is not starved by small ones that still fit.
func (r *Ring) SetWaiting(waiting bool) {
	if waiting {
		r.pos.claimed.Or(waitingBit)
	} else {
		r.pos.claimed.And(^uint64(waitingBit))
	}
}
