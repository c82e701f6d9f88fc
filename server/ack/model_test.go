package ack

import (
	"math/rand/v2"
	"testing"
)

// model is what a connection's acks must be, noted the plain way: every chunk with
// every batch it became.
type model struct {
	rig    *rig
	a      *Conn[int]
	rng    *rand.Rand
	chunks []modelChunk
	end    [3]uint64 // of what was published, by ring
	last   uint64
}

type modelChunk struct {
	last    uint64
	batches []*modelBatch
}

type modelBatch struct {
	ring int
	end  uint64
}

// frame takes a chunk that becomes a batch in some of the rings.
func (m *model) frame() {
	m.last += uint64(1 + m.rng.IntN(5))
	mc := modelChunk{last: m.last}
	ch := Chunk{Last: m.last}
	for ring := range m.end {
		if m.rng.IntN(2) == 0 {
			continue
		}
		m.end[ring] += 64
		ch.Batches = append(ch.Batches, Batch{ring, m.end[ring]})
		mc.batches = append(mc.batches, &modelBatch{ring: ring, end: m.end[ring]})
	}
	m.a.Framed(ch)
	m.chunks = append(m.chunks, mc)
}

// deliver moves a ring's acked position, up to steps batches on.
func (m *model) deliver(ring, steps int) {
	r := m.rig.rings[ring]
	r.acked = min(m.end[ring], r.acked+64*uint64(steps))
	m.rig.d.Pass()
}

// done is the unbroken run of records of which every batch is delivered.
func (m *model) done() (n uint64) {
	for _, mc := range m.chunks {
		for _, b := range mc.batches {
			if m.rig.rings[b.ring].acked < b.end {
				return n
			}
		}
		n = mc.last
	}
	return n
}

// Random chunks over random rings, deliveries in random steps: N
// never passes what is done, and reaches it in the end.
func TestAckModel(t *testing.T) {
	for seed := range uint64(200) {
		rig := newRig(3)
		m := &model{rig: rig, a: rig.conn(3), rng: rand.New(rand.NewPCG(seed, 1))}
		for range 300 {
			if m.rng.IntN(2) == 0 {
				m.frame()
			} else {
				m.deliver(m.rng.IntN(3), m.rng.IntN(5))
			}
			if done := m.done(); m.a.done > done {
				t.Fatalf("seed %d: acked %d, but only %d are done", seed, m.a.done, done)
			}
		}
		for ring := range m.end {
			m.deliver(ring, 1<<20)
		}
		if m.a.told != m.last || m.a.open != nil {
			t.Fatalf("seed %d: told %d of %d in the end", seed, m.a.told, m.last)
		}
	}
}
