package server

import (
	"time"

	"github.com/ringtail/ringtail/shard"
)

// pace makes an event loop rest for a moment where reads are many and small. To wake a
// thread for a record or two costs more than all else that is done for them; after a
// rest a read brings several, and one wake-up serves all connections.
//
// A loop rests after a read that it was woken for, if it has read often, and not much,
// since its last rest, and that was short ago. So whoever sends now and then is read at
// once; and where there is load, that is where the loop always finds something to read,
// or much of it, it never rests.
type pace struct {
	begun int64 // of the round, which is what lies between two rests (shard.Now)
	reads int   // in it
	bytes int
	ended int64 // of the last read
	woken bool  // this read came after a sleep
}

const (
	paceRest  = time.Millisecond             // timers may be late by another one (internal/timerslack)
	paceSleep = int64(10 * time.Microsecond) // from read to read of a loop that did not sleep it is less
	paceStale = int64(4 * time.Millisecond)  // a longer round has seen rest enough
	paceReads = 4                            // fewer are not worth a rest
	paceBytes = 64 << 10                     // after more somebody may wait for room in a socket
)

// begin notes the beginning of a read.
func (p *pace) begin(now int64) { p.woken = now-p.ended > paceSleep }

// end notes its end and what it has brought, and tells whether to rest now.
func (p *pace) end(bytes int, now int64) bool {
	if p.ended = now; now-p.begun > paceStale {
		p.begun, p.reads, p.bytes = now, 0, 0
	}
	p.reads++
	p.bytes += bytes
	return p.woken && p.reads >= paceReads && p.bytes < paceBytes
}

// rest sleeps, and begins the next round.
func (p *pace) rest() {
	time.Sleep(paceRest)
	p.rested(shard.Now())
}

func (p *pace) rested(now int64) { *p = pace{begun: now, ended: now} }
