package ack

const (
	checkpointsMax = 32
	itemsRetainMax = 4096 // items' room that an empty queue retains
)

// checkpoint is done when none of its batches is left.
type checkpoint struct {
	ordinal uint64 // of the last record that it covers
	batches int32  // that are not done yet
}

// checkpoints are the open checkpoints of one connection, a ring of them. base numbers the oldest.
type checkpoints struct {
	at   [checkpointsMax]checkpoint
	base uint32
	n    uint32
}

func (k *checkpoints) get(seq uint32) *checkpoint { return &k.at[seq%checkpointsMax] }

// openCheckpoint returns the number of the checkpoint that covers the records up to last: a new
// one, or the newest.
func (d *Domain[C]) openCheckpoint(a *Conn[C], last uint64, batches int) uint32 {
	k := a.open
	if k == nil {
		if batches == 0 {
			a.done = last
			return 0
		}
		k = d.takeCheckpoints()
		a.open = k
	}
	if k.n > 0 && (batches == 0 || k.n == checkpointsMax) {
		newest := k.get(k.base + k.n - 1)
		newest.ordinal = last
		newest.batches += int32(batches)
		return k.base + k.n - 1
	}
	seq := k.base + k.n
	*k.get(seq) = checkpoint{ordinal: last, batches: int32(batches)}
	k.n++
	return seq
}

// await queues an item for a batch, or completes the batch at once if the ring is past it already.
func (d *Domain[C]) await(a *Conn[C], b Batch, seq uint32) {
	if d.rings[b.Ring].Acked() >= b.End {
		d.completeBatch(a, seq)
		return
	}
	d.queues[b.Ring].push(item[C]{end: b.End, a: a, seq: seq})
}

// completeBatch takes one batch off a checkpoint, and moves done over the checkpoints without any.
func (d *Domain[C]) completeBatch(a *Conn[C], seq uint32) {
	k := a.open
	if k == nil {
		return // given up
	}
	k.get(seq).batches--
	for k.n > 0 && k.get(k.base).batches == 0 {
		a.done = k.get(k.base).ordinal
		k.base++
		k.n--
	}
	if k.n == 0 {
		d.dropCheckpoints(a)
		a.took = d.opt.Clock()
	}
}

func (d *Domain[C]) takeCheckpoints() *checkpoints {
	if n := len(d.freeCheckpoints); n > 0 {
		k := d.freeCheckpoints[n-1]
		d.freeCheckpoints = d.freeCheckpoints[:n-1]
		return k
	}
	return new(checkpoints)
}

func (d *Domain[C]) dropCheckpoints(a *Conn[C]) {
	if a.open == nil {
		return
	}
	*a.open = checkpoints{}
	if len(d.freeCheckpoints) < retainMax {
		d.freeCheckpoints = append(d.freeCheckpoints, a.open)
	}
	a.open = nil
}

// item waits in a ring's queue for the ring's acked position to pass end.
type item[C any] struct {
	end uint64
	a   *Conn[C]
	seq uint32
}

// itemQueue is first in, first out. The batches that a ring has room for bound its length.
type itemQueue[C any] struct {
	items []item[C] // a power of two long
	head  int
	n     int
}

func (q *itemQueue[C]) push(it item[C]) {
	if q.n == len(q.items) {
		grown := make([]item[C], max(64, 2*len(q.items)))
		for i := range q.n {
			grown[i] = q.items[(q.head+i)&(len(q.items)-1)]
		}
		q.items, q.head = grown, 0
	}
	q.items[(q.head+q.n)&(len(q.items)-1)] = it
	q.n++
}

func (q *itemQueue[C]) pop() item[C] {
	it := q.items[q.head]
	q.items[q.head] = item[C]{}
	q.head = (q.head + 1) & (len(q.items) - 1)
	q.n--
	if q.n == 0 && len(q.items) > itemsRetainMax {
		q.items, q.head = nil, 0 // a stall may have needed much
	}
	return it
}
