package server

import (
	"sync/atomic"

	"github.com/ringtail/ringtail/shard"
)

// intakeEnv is what the intakes of a server share, and all that they know of it.
type intakeEnv struct {
	rooms   []room // by ring: the shards, then the dead-letter ring if there is one
	dead    int    // the dead-letter ring's index, or −1
	memory  *budget
	samples *samples
	token   func(token []byte) (name string, known bool) // nil: nobody is asked for one
	clients *clientsByName
	rates   *rates
	giveUp  <-chan struct{} // closed: nobody waits for room any more
	headers []Header        // of each record

	maxRecord     atomic.Int64 // bytes
	maxDeadLetter atomic.Int64 // bytes; what is longer is cut

	lost            atomic.Uint64 // records that found no room in the end
	deadLettersLost atomic.Uint64
}

// init sets the rings, and the limits to what a record may have.
func (e *intakeEnv) init(rings shard.Set, maxRecord int) {
	e.dead = -1
	all := append([]*shard.Ring(nil), rings.Rings...)
	if rings.Dead != nil {
		e.dead = len(all)
		all = append(all, rings.Dead)
	}
	e.rooms = make([]room, len(all))
	for i := range e.rooms {
		e.rooms[i].ring = all[i]
	}
	e.maxRecord.Store(int64(maxRecord))
	e.maxDeadLetter.Store(int64(maxRecord))
}

// shards are the rooms without the dead letters'.
func (e *intakeEnv) shards() []room {
	if e.dead >= 0 {
		return e.rooms[:e.dead]
	}
	return e.rooms
}

// lose counts records, or dead letters, that no ring will ever have.
func (e *intakeEnv) lose(ring, records int) {
	if ring == e.dead {
		e.deadLettersLost.Add(uint64(records))
	} else {
		e.lost.Add(uint64(records))
	}
}
