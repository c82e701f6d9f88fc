package server

import (
	"sync/atomic"

	"github.com/ringtail/ringtail/codec"
)

// counters are one intake's. Only its owner writes them, so adding is a load and a
// store, no locked instruction; readers see a value that was true a moment ago.
// They lie on cache lines of their own.
type counters struct {
	_          [64]byte
	bytes      counter
	separators counter
	rejected   [codec.NumReasons]counter
	lanes      []counter // records by ring: routed, then letters
	_          [64]byte
}

type counter struct{ n atomic.Uint64 }

func (c *counter) add(n uint64) { c.n.Store(c.n.Load() + n) }
func (c *counter) load() uint64 { return c.n.Load() }

func newCounters(rings int) *counters {
	return &counters{lanes: make([]counter, rings, rings+8)}
}

func (k *counters) lane(ring int) *counter { return &k.lanes[ring] }

// Stats is what a server has done so far: the server's part of the ledger.
type Stats struct {
	Received uint64            `json:"received"` // records framed, routed or not
	Routed   []uint64          `json:"routed"`   // of these by shard
	Rejected map[string]uint64 `json:"rejected"` // by reason, those refused after routing included
	Letters  uint64            `json:"letters"`  // dead letters written to their ring
	Lost     uint64            `json:"lost"`     // routed records that found no room before the ring was closed
	Bytes    uint64            `json:"bytes"`

	Separators uint64 `json:"separators"` // bytes between records that mean nothing: commas, NULs, RSs, brackets around

	LettersLost uint64 `json:"letters_lost"` // of Letters, those that found no room

	Connections  int               `json:"connections"`
	Opened       uint64            `json:"opened"`
	Refused      map[string]uint64 `json:"refused"`
	Closed       map[string]uint64 `json:"closed"`
	Waiting      int               `json:"waiting"`       // not read: wait for room, memory or their reader
	ClientMemory int64             `json:"client_memory"` // bytes held of --client-memory

	WaitingForMemory int `json:"waiting_for_memory"` // of Waiting
}

// Stats may be called at any time by anybody.
func (s *Server) Stats() Stats {
	st := Stats{
		Routed:       make([]uint64, s.opt.Codec.Shards),
		Rejected:     make(map[string]uint64, codec.NumReasons),
		Refused:      make(map[string]uint64, refusals),
		Closed:       make(map[string]uint64, closeReasons),
		Connections:  int(s.admission.open.Load()),
		Opened:       s.admission.opened.Load(),
		ClientMemory: s.memory.held(),
		Lost:         s.lost.Load(),
		LettersLost:  s.deadLettersLost.Load(),

		WaitingForMemory: int(s.pauser.counts[waitMemory].Load()),
	}
	for on := waitRoom; on < waitInput; on++ {
		st.Waiting += int(s.pauser.counts[on].Load())
	}
	for _, in := range s.intakes {
		k := in.counts
		st.Bytes += k.bytes.load()
		st.Separators += k.separators.load()
		for i := range st.Routed {
			st.Routed[i] += k.lanes[i].load()
			st.Received += k.lanes[i].load()
		}
		if s.deadLane >= 0 {
			st.Letters += k.lanes[s.deadLane].load()
		}
		for r := codec.OK + 1; r < codec.NumReasons; r++ {
			st.Rejected[r.String()] += k.rejected[r].load()
			st.Received += k.rejected[r].load()
		}
	}
	st.Rejected[codec.RefusedByKafka.String()] += s.refusedByKafka.Load()
	for r := range refusals {
		st.Refused[r.String()] = s.admission.refused[r].Load()
	}
	for r := closedNot + 1; r < closeReasons; r++ {
		st.Closed[r.String()] = s.closed[r].Load()
	}
	return st
}
