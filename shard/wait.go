package shard

import "sync"

// Those who found the ring full wait in a queue, first come, first served. While
// anybody waits, waitingBit makes newcomers' claims fail, so a large record is
// not starved by small ones that still fit.
//
// Invariants, all under mu:
//
//  1. waitingBit is set exactly while the queue is not empty.
//  2. Only the head may claim past the bit.
//  3. Whoever stops being the head (claimed, stopped, closed) pokes the next.
//  4. The consumer stores freed and then loads the bit; a waiter sets the bit
//     and then loads freed. One of the two sees the other, so no waiter sleeps
//     while it is the head and there is room.
//
// A poke is a token in a channel of capacity one: it says "look again", never
// "you have it", so a spare one is harmless and a goroutine that goes away
// leaves nothing granted behind.
type waitQueue struct {
	mu   sync.Mutex
	list []*waiter
}

type waiter struct {
	records int
	need    uint64
	poke    chan struct{}
}

func (w *waiter) wake() {
	select {
	case w.poke <- struct{}{}:
	default:
	}
}

// ClaimWait is Claim that waits for room, first come, first served. Errors:
// ErrClosed; ErrStopped once stop is closed; ErrTooLarge.
func (r *Ring) ClaimWait(stop <-chan struct{}, records, bytes int) (Claim, error) {
	c, err := r.Claim(records, bytes)
	if err != ErrFull {
		return c, err
	}
	w := &waiter{records: records, need: batchBytes(records, bytes), poke: make(chan struct{}, 1)}
	q := &r.waiters
	q.mu.Lock()
	q.list = append(q.list, w)
	r.pos.claimed.Or(waitingBit)
	q.mu.Unlock()
	for {
		if c, err := r.claimAsHead(w); err != ErrFull {
			return c, err
		}
		select {
		case <-w.poke:
		case <-stop:
			q.mu.Lock()
			r.leave(w)
			q.mu.Unlock()
			return Claim{}, ErrStopped
		}
	}
}

// claimAsHead claims if w is the head and there is room. On any answer but
// ErrFull w has left the queue.
func (r *Ring) claimAsHead(w *waiter) (Claim, error) {
	q := &r.waiters
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.list[0] != w && !r.Closed() {
		return Claim{}, ErrFull
	}
	c, err := r.claim(w.records, w.need, waitingBit)
	if err != ErrFull {
		r.leave(w)
	}
	return c, err
}

// leave takes w out of the queue and pokes the new head. mu is held.
func (r *Ring) leave(w *waiter) {
	q := &r.waiters
	for i, x := range q.list {
		if x == w {
			q.list = append(q.list[:i], q.list[i+1:]...)
			break
		}
	}
	if len(q.list) == 0 {
		q.list = nil
		r.pos.claimed.And(^uint64(waitingBit))
		return
	}
	q.list[0].wake()
}

// Waiting is the number of those who wait for room.
func (r *Ring) Waiting() int {
	if r.pos.claimed.Load()&waitingBit == 0 {
		return 0
	}
	r.waiters.mu.Lock()
	defer r.waiters.mu.Unlock()
	return len(r.waiters.list)
}

// wakeHead pokes the head if there is room for it now.
func (r *Ring) wakeHead() {
	q := &r.waiters
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.list) > 0 && r.Claimed()+q.list[0].need-r.pos.freed.Load() <= r.capacity {
		q.list[0].wake()
	}
}

func (q *waitQueue) wakeAll() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, w := range q.list {
		w.wake()
	}
}
