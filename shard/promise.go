package shard

import "github.com/ringtail/ringtail/internal/invariant"

// One read brings records of several shards. A producer cannot put back a record that it has taken.
// So before it takes one, it must know that the record's ring has room. It has room promised for
// each record (Promise), and claims it once the batch is complete (ClaimPromised). A promise is not
// a position: it is counted beside the claims. A claim that was promised never finds the ring full.
//
// Invariant: claimed − freed + promised ≤ capacity, in whatever order the loads below are done. A
// promise adds itself first and looks afterwards, so of two at the same time at least one sees the
// other. A claim moves claimed first and gives its promise back afterwards, so for a short time it
// counts twice. Others may then find the ring full although it is not, but never the other way
// round. Therefore a connection that waits for room looks again after a while, even if nothing was
// freed.
//
// The obvious ways are worse. To claim at once and publish less needs padding in the log. To ask
// for the room and claim later needs a second copy of the records that find none after all.

// Promise sets room aside for later claims. It never blocks. Errors: ErrFull, ErrClosed,
// ErrTooLarge.
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

// ClaimPromised is Claim for room that was promised, and gives the promise back. promised must
// cover the batch. The only error is ErrClosed.
func (r *Ring) ClaimPromised(records, bytes, promised int) (Claim, error) {
	defer r.withdraw(promised) // not before claimed has moved: see the invariant
	need := uint64(BatchBytes(records, bytes))
	invariant.Check(need <= uint64(promised), "ring %s: %d bytes claimed, %d promised", r.name, need, promised)
	fill, most := KafkaBytes(records, bytes), r.kafkaBatch()
	for {
		w := claimWord(r.pos.claimed.Load())
		if w.closed() {
			return Claim{}, ErrClosed
		}
		next, number := w.claim(need, records, fill, most)
		if r.pos.claimed.CompareAndSwap(uint64(w), uint64(next)) {
			// Nothing behind at can be freed, so this load is never a ring ahead of the word.
			freed := r.pos.freed.Load()
			at := w.position(freed)
			if invariant.Enabled {
				invariant.Check(at+need-freed <= r.capacity, "ring %s: %d bytes used of %d", r.name, at+need-freed, r.capacity)
			}
			return r.claim(at, records, need, number), nil
		}
	}
}
