package producer

import (
	"math/rand/v2"
	"slices"
)

// world is Kafka: what outlives an instance.
type world struct {
	rng     *rand.Rand
	log     [][]uint64      // by partition, ids in order
	orphans []*modelRequest // requests of dead instances that a broker may still append
	calm    bool            // no more faults
	hang    bool            // the next Destroy never returns
	takes   int             // bytes of the largest batch; 0: any. Nobody tells
	faults  map[string]int

	headers   map[uint64]string // by id: those that its record was pushed with
	malformed int               // records with other headers, batches with a wrong byte
}

func (w *world) append(r *modelRequest) {
	if r.appended {
		return
	}
	if w.takes > 0 && sizeOf(r.messages) > w.takes || slices.ContainsFunc(r.messages, func(m message) bool { return m.poison }) {
		return // refused, whoever sent it
	}
	r.appended = true
	for _, m := range r.messages {
		w.log[r.partition] = append(w.log[r.partition], m.id)
	}
}

// act lets the orphans of dead instances arrive, or get lost.
func (w *world) act() {
	for i := 0; i < len(w.orphans); i++ {
		if w.calm || w.rng.IntN(8) == 0 {
			if w.calm || w.rng.IntN(4) > 0 {
				w.append(w.orphans[i])
			}
			w.orphans = append(w.orphans[:i], w.orphans[i+1:]...)
			i--
		}
	}
}

type modelRequest struct {
	partition int
	messages  []message
	appended  bool
	frozen    bool // answers only once the world thaws, or never
}

func sizeOf(messages []message) (n int) {
	for _, m := range messages {
		n += m.size
	}
	return n
}
