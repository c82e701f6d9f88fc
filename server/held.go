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
	eldest  bool   // they are counted with what the eldest is charged
	batches []heldBatch
}

type heldBatch struct {
	ring  int
	recs  []heldRec
	bytes int
	data  []byte // values, one behind the other
	metas []byte
}

type heldRec struct {
	value   uint32
	meta    uint32 // length + 1; 0: none
	metaAt  uint32
	ordinal uint32
}

const heldRecBytes = 16

// keep copies a lane's records, split into batches that the ring takes.
func (h *held) keep(ring int, recs []laneRec, most int) {
	for len(recs) > 0 {
		n, bytes := batchPrefix(recs, most)
		values := 0
		for i := range recs[:n] {
			values += len(recs[i].data)
		}
		b := heldBatch{ring: ring, recs: make([]heldRec, n), bytes: bytes, data: make([]byte, 0, values)}
		var shared metaTable
		for i, r := range recs[:n] {
			b.recs[i] = heldRec{value: uint32(len(r.data)), ordinal: r.ordinal}
			b.data = append(b.data, r.data...)
			if r.meta != nil {
				b.recs[i].meta = uint32(len(r.meta)) + 1
				b.recs[i].metaAt = shared.at(&b, r.meta)
			}
		}
		h.size += int64(len(b.data) + len(b.metas) + n*heldRecBytes)
		h.batches = append(h.batches, b)
		recs = recs[n:]
	}
}

// metaTable knows where in a batch the last different metas are. Dead letters of one
// reason share theirs (intake.go:rejected): a letter of two bytes would else cost
// seventy.
type metaTable struct {
	list [16]struct {
		first *byte
		n     int
		at    uint32
	}
	next int
}

func (t *metaTable) at(b *heldBatch, meta []byte) uint32 {
	if len(meta) == 0 {
		return 0
	}
	for _, e := range t.list {
		if e.first == &meta[0] && e.n == len(meta) {
			return e.at
		}
	}
	at := uint32(len(b.metas))
	b.metas = append(b.metas, meta...)
	e := &t.list[t.next%len(t.list)]
	e.first, e.n, e.at = &meta[0], len(meta), at
	t.next++
	return at
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
			meta = b.metas[r.metaAt:][: r.meta-1 : r.meta-1]
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
		s.pressure.claiming[b.ring].Add(1)
		claim, err := s.rings[b.ring].ClaimWait(s.giveUp, len(b.recs), b.bytes)
		s.pressure.claiming[b.ring].Add(-1)
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
	s.memory.pushed(c, h)
	return ring, end, ok
}

func (s *Server) lose(ring, records int) {
	if ring == s.deadLane {
		s.lettersLost.Add(uint64(records))
	} else {
		s.lost.Add(uint64(records))
	}
}
