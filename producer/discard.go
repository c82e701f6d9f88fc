package producer

import (
	"github.com/prometheus/client_golang/prometheus"
	"slices"

	"github.com/ringtail/ringtail/shard"
)

// Discarder is --sink discard. It counts the records of the rings and throws them away. They count
// as acked at once.
type Discarder struct {
	set        shard.Set
	stats      *stats
	parker     *shard.Parker
	wake       chan struct{}
	done       chan struct{}
	onProgress func()
}

// NewDiscarder makes a Discarder. onProgress is as in Options.
func NewDiscarder(set shard.Set, onProgress func(), reg prometheus.Registerer) (*Discarder, error) {
	d := &Discarder{
		set: set, stats: newStats(len(set.Rings)), onProgress: onProgress,
		wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
	d.parker = shard.NewParker(func() {
		select {
		case d.wake <- struct{}{}:
		default:
		}
	})
	for _, r := range set.All() {
		r.Attach(d.parker)
		r.OmitSums()
	}
	if reg != nil {
		return d, reg.Register(&collector{stats: d.stats, set: set})
	}
	return d, nil
}

// Start begins to discard.
func (d *Discarder) Start() { go d.run() }

func (d *Discarder) run() {
	defer close(d.done)
	for {
		moved := false
		open := false
		for i, r := range d.set.All() {
			if r == d.set.Dead {
				i = -1
			}
			moved = d.empty(r, i) || moved
			open = open || !r.Drained()
		}
		if moved {
			if d.onProgress != nil {
				d.onProgress()
			}
			continue
		}
		if !open {
			return
		}
		d.parker.Park()
		if !d.pending() {
			<-d.wake
		}
		d.parker.Unpark()
	}
}

func (d *Discarder) pending() bool {
	return slices.ContainsFunc(d.set.All(), func(r *shard.Ring) bool { return r.Pending() || r.Closed() })
}

// empty reads and frees all that one ring has, and reports whether there was anything.
func (d *Discarder) empty(r *shard.Ring, index int) bool {
	l := stream{shard: index}
	moved := false
	for {
		batch, ok := r.Next()
		if !ok {
			return moved
		}
		b := inflightBatch{batch: batch, end: uint64(batch.Count)}
		b.countValues()
		d.stats.delivered(&l, uint64(batch.Count))
		d.stats.freed(&l, &b, shard.Now())
		r.Free(batch.End)
		moved = true
	}
}

// Drain closes the rings, and waits until they are empty.
func (d *Discarder) Drain() {
	for _, r := range d.set.All() {
		r.Close()
	}
	<-d.done
}

// Stats is a snapshot of the counters.
func (d *Discarder) Stats() Stats { return d.stats.snapshot() }

// Insight is a snapshot of what was thrown away. Nothing lies between the rings and nowhere.
func (d *Discarder) Insight() (in Insight) {
	for i, r := range d.set.Rings {
		in.Streams = append(in.Streams, StreamInsight{Name: r.Name(), Partition: int32(i), Leader: -1, State: "running", Delivered: d.stats.shards[i].delivered.Load()})
	}
	if r := d.set.Dead; r != nil {
		in.Streams = append(in.Streams, StreamInsight{Name: r.Name(), Leader: -1, State: "running", Delivered: d.stats.deadLetters.Load()})
	}
	return in
}
