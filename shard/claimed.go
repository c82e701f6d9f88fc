package shard

// claimWord is what claims swap. It is one word, so that one compare-and-swap gives a claim both
// its room and the number of its first record in the Kafka batch that is being filled:
//
//	63              37 36               17 16             1   0
//	┌─────────────────┬───────────────────┬────────────────┬────────┐
//	│ position        │ Kafka batch:bytes │ records        │ closed │
//	└─────────────────┴───────────────────┴────────────────┴────────┘
//
// position and bytes are in granules. The position is known modulo 2^27 of them, which is 8 times
// the largest ring; freed, which is never more than a ring behind, says which it is.
//
// The state is in the word too, so it is part of every claim's compare-and-swap: a claim that began
// before the state changed fails.
type claimWord uint64

const (
	closedBit = 1 << 0

	recordsShift, recordsMax  = 1, 1<<16 - 1
	fillShift, fillMax        = 17, 1<<20 - 1
	positionShift, positionOf = 37, 1<<27 - 1
)

// claimWordAt is the word of an open ring that is claimed up to a position, and whose next claim
// begins a Kafka batch.
func claimWordAt(position uint64) claimWord {
	return claimWord(position / granule & positionOf << positionShift)
}

func (w claimWord) closed() bool { return w&closedBit != 0 }

// records returns how many records the Kafka batch being filled has; 0: the next claim begins one.
func (w claimWord) records() int { return int(w >> recordsShift & recordsMax) }

// position returns the position that is claimed. freed must be a value that the ring's freed had at
// most 7 rings ago.
func (w claimWord) position(freed uint64) uint64 {
	return freed + (uint64(w)>>positionShift-freed/granule)&positionOf*granule
}

// claim returns the word after a claim of need bytes with so many records, which take fill bytes of
// a Kafka batch, and the number of the first of them in its Kafka batch. They go into the one that
// is being filled if that has room, else they begin one.
func (w claimWord) claim(need uint64, records, fill int, most kafkaBatch) (next claimWord, number int) {
	granules := (uint64(fill) + granule - 1) / granule
	number = w.records()
	bytes := uint64(w)>>fillShift&fillMax + granules
	if number+records > int(most.records) || bytes > uint64(most.granules) {
		number, bytes = 0, granules // a claim that is over the limits by itself gets a batch to itself
	}
	position := (uint64(w)>>positionShift + need/granule) & positionOf
	count := min(uint64(number+records), recordsMax)
	return claimWord(position<<positionShift | min(bytes, fillMax)<<fillShift | count<<recordsShift), number
}

// ended returns w with the Kafka batch that is being filled ended.
func (w claimWord) ended() claimWord { return w &^ (1<<positionShift - 1 - closedBit) }

// kafkaBatch is how large a Kafka batch may get.
type kafkaBatch struct{ granules, records uint32 }

// SetKafkaBatch sets how many bytes and records a Kafka batch may have, as far as claims look after
// that: a claim that has more by itself is made all the same. Any goroutine may call it.
func (r *Ring) SetKafkaBatch(bytes, records int) {
	g := uint64(min(max(bytes, 0)/granule, fillMax))
	r.kafka.Store(g<<32 | uint64(min(max(records, 0), recordsMax)))
}

func (r *Ring) kafkaBatch() kafkaBatch {
	v := r.kafka.Load()
	return kafkaBatch{uint32(v >> 32), uint32(v)}
}

// EndKafkaBatch has the next claim begin a Kafka batch, and returns the position up to which claims
// were made before. The consumer calls it.
func (r *Ring) EndKafkaBatch() uint64 {
	for {
		w := claimWord(r.pos.claimed.Load())
		if w.records() == 0 || r.pos.claimed.CompareAndSwap(uint64(w), uint64(w.ended())) {
			return w.position(r.pos.freed.Load())
		}
	}
}

// claimed returns the word, and the position in it. A producer may be interrupted for long between
// two loads, so it looks whether freed went on meanwhile.
func (r *Ring) claimed() (w claimWord, position, freed uint64) {
	for {
		freed = r.pos.freed.Load()
		w = claimWord(r.pos.claimed.Load())
		if r.pos.freed.Load()-freed <= r.capacity {
			return w, w.position(freed), freed
		}
	}
}
