package server

import (
	"github.com/ringtail/ringtail/shard"
)

// held is what a chunk left over: batches that found their rings full, copied out
// of the loop's buffers. While a connection has any, it is not read.
type held struct {
	first   uint64 // ordinals are relative to this
	seq     uint32 // the chunk's checkpoint
	lost    int    // batches of it whose ring was closed
	size    int64  // bytes, as told to the budget
	batches []heldBatch
}

type heldBatch struct {
	ring  int
	recs  []heldRec
	bytes int
	data  []byte // values and metas, one behind the other
}

type heldRec struct {
	value   uint32
	meta    uint32 // length + 1; 0: none
	ordinal uint32
}

const heldRecBytes = 12

// keep copies a lane's records, split into batches that the ring takes.
func (h *held) keep(ring int, recs []laneRec, most int) {
	for len(recs) > 0 {
		n, bytes := batchPrefix(recs, most)
		b := heldBatch{ring: ring, recs: make([]heldRec, n), bytes: bytes, data: make([]byte, 0, bytes)}
		for i, r := range recs[:n] {
			b.recs[i] = heldRec{value: uint32(len(r.data)), ordinal: r.ordinal}
			if r.meta != nil {
				b.recs[i].meta = uint32(len(r.meta)) + 1
			}
			b.data = append(append(b.data, r.data...), r.meta...)
		}
		h.size += int64(bytes + n*heldRecBytes)
		h.batches = append(h.batches, b)
		recs = recs[n:]
	}
}

// fill copies the batch into a claim and publishes it. It answers the batch's end.
// Nothing in here may block, fail or panic.
func (b *heldBatch) fill(claim *shard.Claim, id, first uint64) uint64 {
	claim.SetOrigin(id, first)
	rest := b.data
	for _, r := range b.recs {
		value := rest[:r.value]
		rest = rest[r.value:]
		var meta []byte
		if r.meta > 0 {
			meta = rest[: r.meta-1 : r.meta-1]
			rest = rest[r.meta-1:]
		}
		claim.Append(value, meta, r.ordinal)
	}
	end := claim.End()
	claim.Publish()
	return end
}

// pushHeld waits for room and publishes what a connection holds, in order. It answers
// the last batch's ring and end. What finds its ring closed, or is still waiting when
// waiting ends, is lost, and counted: its checkpoint stays open, so it is never acked.
func (s *Server) pushHeld(c *conn, h *held) (ring int, end uint64, ok bool) {
	for i := range h.batches {
		b := &h.batches[i]
		meter := s.pressure.enter(b.ring)
		claim, err := s.rings[b.ring].ClaimWait(s.giveUp, len(b.recs), b.bytes)
		meter.leave()
		if err != nil {
			s.lose(b.ring, len(b.recs))
			continue
		}
		ring, end, ok = b.ring, b.fill(&claim, c.id, h.first), true
		if c.acks != nil {
			c.domain.published(c.acks, ringEnd{ring, end}, h.seq)
		}
	}
	s.memory.add(-h.size)
	return ring, end, ok
}

func (s *Server) lose(ring, records int) {
	if ring == s.deadLane {
		s.lettersLost.Add(uint64(records))
	} else {
		s.lost.Add(uint64(records))
	}
}
