package shard

import (
	"encoding/binary"
	"sync/atomic"

	"github.com/ringtail/ringtail/internal/invariant"
)

// Attach sets the Parker of the consumer, which each Publish wakes. Call it before the first claim.
func (r *Ring) Attach(p *Parker) { r.parker = p }

// Next returns the batch under the read cursor and moves the cursor behind it. It returns false if
// that batch is not published yet.
func (r *Ring) Next() (Batch, bool) {
	w := r.words[r.read%r.capacity/granule].Load()
	if w>>wordLapShift != r.read/r.capacity+1 {
		return Batch{}, false
	}
	n := w & (1<<wordLapShift - 1) * granule
	off := r.read % r.capacity
	data := r.data[off : off+n]
	b := batchOf(r.read, data)
	if r.file != nil && b.Start < r.file.recoveredEnd {
		r.file.recoveredBatch(&b)
	}
	r.read = b.End
	if invariant.Enabled {
		invariant.Check(r.read <= r.Claimed(), "ring %s: read %d is past claimed %d", r.name, r.read, r.Claimed())
	}
	return b, true
}

// batchOf makes a Batch of the bytes of one, which begins at position start.
func batchOf(start uint64, data []byte) Batch {
	used := binary.LittleEndian.Uint32(data[atUsed:])
	return Batch{
		Start:  start,
		End:    start + uint64(len(data)),
		Count:  countOf(data),
		Conn:   binary.LittleEndian.Uint64(data[atConn:]),
		First:  binary.LittleEndian.Uint64(data[atFirst:]),
		Taken:  int64(binary.LittleEndian.Uint64(data[atTaken:])),
		Number: int(binary.LittleEndian.Uint32(data[atNumber:])),
		Sum:    binary.LittleEndian.Uint32(data[atSum:]),
		data:   data[:used:used],
	}
}

// Waiting returns when the batch was taken that Next would return, false if there is none.
func (r *Ring) Waiting() (taken int64, ok bool) {
	if !r.Pending() {
		return 0, false
	}
	if r.file != nil && r.read < r.file.recoveredEnd {
		return r.file.since, true
	}
	off := r.read % r.capacity
	return int64(binary.LittleEndian.Uint64(r.data[off+atTaken:])), true
}

// Position returns the consumer's cursor: where the batch begins that Next returns.
func (r *Ring) Position() uint64 { return r.read }

// Pending tells whether Next would return a batch.
func (r *Ring) Pending() bool {
	return r.words[r.read%r.capacity/granule].Load()>>wordLapShift == r.read/r.capacity+1
}

// Drained tells whether the ring is closed and everything claimed has been
// read. It stays true.
func (r *Ring) Drained() bool {
	w := claimWord(r.pos.claimed.Load())
	return w.closed() && r.read == w.position(r.pos.freed.Load()) // freed is the consumer's own
}

// Sending notes that the batch that ends at pos is about to be handed over. If this process dies,
// the next one takes the batch's records for possible duplicates. The consumer calls it before it
// hands over the first of them.
func (r *Ring) Sending(pos uint64) {
	if pos > r.pos.sent.Load() {
		r.pos.sent.Store(pos)
	}
}

// Free notes that everything below pos, the end of a batch, is done for good. From here on its room
// may be claimed again.
func (r *Ring) Free(pos uint64) {
	if invariant.Enabled {
		freed := r.pos.freed.Load()
		invariant.Check(freed <= pos && pos <= r.read && pos%granule == 0,
			"ring %s: free %d, freed %d, read %d", r.name, pos, freed, r.read)
	}
	r.Sending(pos)
	r.pos.done.Store(pos) // before freed: see positions
	r.pos.freed.Store(pos)
}

// A Parker lets the consumer of several rings sleep until one of them has a batch. The consumer
// parks, looks at its rings once more, and only then sleeps. A producer publishes first and looks
// afterwards whether the consumer is parked. So one of the two always sees the other.
type Parker struct {
	parked atomic.Bool
	wake   func() // wakes the sleeper; may be called when it does not sleep
}

// NewParker makes a Parker whose sleeper is woken by wake.
func NewParker(wake func()) *Parker { return &Parker{wake: wake} }

// Park announces sleep. Look at the rings after it, then sleep, then Unpark.
func (p *Parker) Park() { p.parked.Store(true) }

// Unpark takes the announcement back.
func (p *Parker) Unpark() { p.parked.Store(false) }

func (p *Parker) unpark() {
	// Load first: a plain read of a cache line that seldom changes costs producers nothing.
	if p.parked.Load() && p.parked.CompareAndSwap(true, false) {
		p.wake()
	}
}
