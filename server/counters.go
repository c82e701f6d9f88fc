package server

import (
	"math"
	"sync/atomic"

	"github.com/ringtail/ringtail/codec"
)

// counters are those of one intake and listener. Only its owner writes them, so to add is a load and a store,
// without a locked instruction; readers may see a value that is a little old. They lie on cache
// lines of their own.
type counters struct {
	_          [64]byte
	bytes      counter
	separators counter
	rejected   [codec.NumReasons]counter
	records    []counter // records by ring: routed, then dead letters
	_          [64]byte
}

type counter struct{ n atomic.Uint64 }

func (c *counter) add(n uint64) { c.n.Store(c.n.Load() + n) }
func (c *counter) load() uint64 { return c.n.Load() }

// stageSums are of one intake.
type stageSums struct{ socket, parse sum }

// sum is of times, in seconds. As with a counter, only one goroutine adds to it.
type sum struct{ bits atomic.Uint64 }

func (s *sum) add(records int, ns int64) {
	s.bits.Store(math.Float64bits(s.load() + float64(records)*float64(ns)/1e9))
}
func (s *sum) load() float64 { return math.Float64frombits(s.bits.Load()) }

func newCounters(rings int) *counters {
	return &counters{records: make([]counter, rings, rings+8)}
}

// Stats is what a server has done so far: the server's part of the ledger.
type Stats struct {
	Received uint64            `json:"received"` // records framed, routed or not
	Routed   []uint64          `json:"routed"`   // of these by shard
	Rejected map[string]uint64 `json:"rejected"` // by reason, those refused after routing included
	Lost     uint64            `json:"lost"`     // routed records that found no room before the ring was closed; see GaveUp
	Bytes    uint64            `json:"bytes"`

	Separators uint64 `json:"separators"` // bytes between records that mean nothing: commas, NULs, RSs, brackets around

	DeadLetters     uint64 `json:"letters"`      // written to their ring
	DeadLettersLost uint64 `json:"letters_lost"` // of DeadLetters, those that found no room

	Connections    int               `json:"connections"`
	ConnectionsMax int               `json:"connections_max"` // open at a time, in effect: --max-connections, or what the descriptor limit allows
	Opened         uint64            `json:"opened"`
	Refused        map[string]uint64 `json:"refused"`
	Closed         map[string]uint64 `json:"closed"`
	Waiting        int               `json:"waiting"`       // not read: they wait for room, for memory, for their rate, or until their client takes its lines
	ClientMemory   int64             `json:"client_memory"` // bytes in use of --client-memory

	WaitingForMemory int `json:"waiting_for_memory"` // of Waiting
	WaitingForRate   int `json:"waiting_for_rate"`   // of Waiting
	WaitingForAcks   int `json:"waiting_for_acks"`   // of Waiting: until clients have read their lines

	RateLimited float64  `json:"rate_limited_seconds"` // while which at least one connection waited for its rate
	Clients     []Client `json:"clients,omitempty"`    // those that have shown a certificate or a token, by name
}

func newStats(shards int) Stats {
	return Stats{
		Routed:   make([]uint64, shards),
		Rejected: make(map[string]uint64, codec.NumReasons),
		Refused:  make(map[string]uint64, refusals),
		Closed:   make(map[string]uint64, closeReasons),
	}
}

// add adds what one intake has counted of one listener. dead is the dead-letter ring, or −1.
func (st *Stats) add(k *counters, dead int) {
	st.Bytes += k.bytes.load()
	st.Separators += k.separators.load()
	for i := range st.Routed {
		st.Routed[i] += k.records[i].load()
		st.Received += k.records[i].load()
	}
	if dead >= 0 {
		st.DeadLetters += k.records[dead].load()
	}
	for r := codec.OK + 1; r < codec.NumReasons; r++ {
		st.Rejected[r.String()] += k.rejected[r].load()
		st.Received += k.rejected[r].load()
	}
}
