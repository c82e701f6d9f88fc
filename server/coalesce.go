package server

import (
	"time"

	"github.com/ringtail/ringtail/shard"
)

// readCoalescer lets an event loop rest where reads are many and small. To wake a thread for a
// record or two costs more than all the rest that is done for them. After a rest one wake-up serves
// all connections, and a read brings several records.
//
// A loop rests after a read that it was woken for, if it has read often since its last rest, and
// little, and if that rest was a short time ago. So a client that sends now and then is read at
// once. A loop under load always finds something to read, or much of it, and never rests.
type readCoalescer struct {
	begun int64 // when the round began, which is the time between two rests (shard.Now)
	reads int   // in this round
	bytes int
	ended int64 // when the last read ended
	woken bool  // this read came after a sleep
}

const (
	coalesceRest  = time.Millisecond             // timers may be late by another one (internal/timerslack)
	coalesceSleep = int64(10 * time.Microsecond) // from read to read of a loop that did not sleep it is less
	coalesceStale = int64(4 * time.Millisecond)  // a longer round has seen rest enough
	coalesceReads = 4                            // fewer are not worth a rest
	coalesceBytes = 64 << 10                     // after more a client may wait for room in its socket
)

// begin notes the beginning of a read.
func (r *readCoalescer) begin(now int64) { r.woken = now-r.ended > coalesceSleep }

// end notes the end of a read and what it has brought. It returns whether to rest now.
func (r *readCoalescer) end(bytes int, now int64) bool {
	if r.ended = now; now-r.begun > coalesceStale {
		r.begun, r.reads, r.bytes = now, 0, 0
	}
	r.reads++
	r.bytes += bytes
	return r.woken && r.reads >= coalesceReads && r.bytes < coalesceBytes
}

// rest sleeps, and begins the next round.
func (r *readCoalescer) rest() {
	time.Sleep(coalesceRest)
	r.rested(shard.Now())
}

func (r *readCoalescer) rested(now int64) { *r = readCoalescer{begun: now, ended: now} }
