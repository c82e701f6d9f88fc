package server

import (
	"math/bits"
	"sync/atomic"

	"github.com/ringtail/ringtail/internal/invariant"
)

// budget is --client-memory: what connections hold of unfinished records and of
// chunks that wait for room in a ring, all together.
//
//	0             large      15/16  usable  closing            limit
//	├───────────────┼──────────┼──────┼────────┼────────┬────────┤
//	 large records,  small ones       │ ends   │ one read of     │
//	 read or waiting     └── spent ───┘        │ each loop,      │
//	                                           │ and the eldest's record
//
// What a read brings is known only when it has been read, and bytes cannot be put
// back into a socket. To let those wait who have read too much is no limit: each of
// thousands of connections may bring one read more. To close them is one, but they
// have done nothing wrong. So the limit acts before the read:
//
//  1. used and what the eldest holds are no more than limit, always.
//  2. A connection on an event loop whose unfinished record is over carryFree has been
//     charged ahead for what its next read can add (ahead). One that cannot be (extend)
//     is not read, and waits. Room for the largest record there may be is set apart for
//     one of them at a time, the oldest that waits (eldest), until its record has
//     ended and, if it finds no room in its ring, until it has: whatever the others hold,
//     it is read. Or else all might stand half-way, each waiting for the others.
//  3. One read of any other connection adds at most readGrowth. After each read a loop
//     looks whether more than usable is used (spent). If so, it gives up all its
//     connections before it reads again (loop.go:giveUpAll), and takes no more (OnOpen). So
//     each loop passes usable by one read at most.
//  4. Connections that no loop has are looked after by a frugal reader (frugal.go): it
//     looks at what the socket holds, takes whole records that find room in their rings, and
//     leaves the rest where it is, where TCP tells the client. That needs no memory: who
//     sends records that fit into a read goes on though others hold all there is, for ever.
//  5. What a client leaves behind without an end needs some (frugal.go:swallow): it is charged
//     before it is read, up to closing; or it is the eldest; or waits.
//
// Nobody is closed because the limit is reached. An unfinished record ages while it
// waits, and is ended by --frame-timeout.
type budget struct {
	limit     int64 // bytes
	usable    int64
	closing   int64
	large     int64
	maxRecord int
	used      atomic.Int64
	short     atomic.Bool   // usable was passed, and a sixteenth is not free again
	eldest    atomic.Uint64 // id of the connection whose record has memory of its own; 0: none
	apart     atomic.Int64  // what the eldest is charged and holds; used leaves it out

	eldestHolds atomic.Bool // records of it wait for room
}

// carryFree is an unfinished record that is not charged ahead: an ordinary one, cut
// by the end of a read.
const carryFree = 4 << 10

// readGrowth is what a read behind carryFree bytes can add: records of seven bytes
// cost their length and heldRecBytes while they wait for room, an unfinished one up to
// twice its length. Where rejected records are held as well, they may be of two bytes.
const (
	readGrowth    = 4 * (wholeRead + carryFree)
	lettersGrowth = (heldRecBytes + 2) / 2 * (wholeRead + carryFree)
)

// init sets the limits. One that the loops' share, or a record, would use up is raised.
func (b *budget) init(limit int64, loops, maxRecord int, letters bool) {
	growth := int64(readGrowth)
	if letters {
		growth = lettersGrowth
	}
	loopsShare, closingShare := int64(loops)*growth, growth+2*wholeRead
	eldestShare := int64(1)<<bits.Len64(uint64(maxRecord-1)) + growth
	b.limit = max(limit, 2*(loopsShare+closingShare+eldestShare))
	b.closing = b.limit - loopsShare - eldestShare
	b.usable = b.closing - closingShare
	b.large = b.usable / 4 * 3
	b.maxRecord = maxRecord
}

// add changes what is used by n bytes.
func (b *budget) add(n int64) {
	if n == 0 {
		return
	}
	used := b.used.Add(n)
	invariant.Check(used >= 0 && used <= b.limit, "%d bytes of --client-memory %d", used, b.limit)
	if used > b.usable {
		b.short.Store(true)
	} else {
		b.relax()
	}
}

// relax ends the shortage when a sixteenth is free. Two changes may overtake each
// other between their sum and their mark; so it is also called now and then.
func (b *budget) relax() {
	if b.short.Load() && b.used.Load() <= b.usable-b.usable/16 {
		b.short.Store(false)
	}
}

// tryAdd is add that fails where more than ceiling would then be used.
func (b *budget) tryAdd(n, ceiling int64) bool {
	for {
		used := b.used.Load()
		if used+n > ceiling {
			return false
		}
		if b.used.CompareAndSwap(used, used+n) {
			return true
		}
	}
}

// spent: nobody may be read who might have to hold something.
func (b *budget) spent() bool { return b.short.Load() || b.used.Load() > b.usable }

// held is what is used, the eldest's included.
func (b *budget) held() int64 { return b.used.Load() + b.apart.Load() }

// charge sets what a connection is charged. Only who has the connection may call it,
// and what follows.
func (b *budget) charge(c *conn, n int64) {
	if n == c.charged {
		return
	}
	if b.isEldest(c) {
		b.apart.Add(n - c.charged)
	} else {
		b.add(n - c.charged)
	}
	c.charged = n
}

// extend raises what a connection is charged to n, if no more than ceiling is then
// used, or if it is the eldest.
func (b *budget) extend(c *conn, n, ceiling int64) bool {
	if n <= c.charged {
		return true
	}
	if b.isEldest(c) {
		b.apart.Add(n - c.charged)
	} else if !b.tryAdd(n-c.charged, ceiling) {
		return false
	}
	c.charged = n
	return true
}

// chargeAhead charges what an event loop may make of c's unfinished record, if it is a
// large one. It answers false if there is not that much.
func (b *budget) chargeAhead(c *conn) bool {
	return c.carry <= carryFree || b.extend(c, ahead(c.carry, b.maxRecord), b.large)
}

func (b *budget) isEldest(c *conn) bool {
	id := b.eldest.Load()
	return id != 0 && id == c.id
}

// spentFor tells whether c may not be read by a loop.
func (b *budget) spentFor(c *conn) bool { return b.spent() && !b.isEldest(c) }

// becomeEldest gives c's record the memory that is set apart, if nobody else has it.
func (b *budget) becomeEldest(c *conn) bool {
	if b.isEldest(c) {
		return true
	}
	if !b.eldest.CompareAndSwap(0, c.id) {
		return false
	}
	b.apart.Store(c.charged)
	b.add(-c.charged)
	return true
}

// recordEnded follows when c has no large record any more, and will not have one now.
func (b *budget) recordEnded(c *conn) {
	if b.isEldest(c) && !b.eldestHolds.Load() {
		b.add(c.charged)
		b.apart.Add(-c.charged)
		b.eldest.Store(0)
	}
}

// hold counts records of c that wait for room, until pushed.
func (b *budget) hold(c *conn, h *held) {
	if h.eldest = b.isEldest(c); h.eldest {
		b.eldestHolds.Store(true)
		b.apart.Add(h.size)
	} else {
		b.add(h.size)
	}
}

// pushed follows when they wait no more.
func (b *budget) pushed(c *conn, h *held) {
	if !h.eldest {
		b.add(-h.size)
		return
	}
	b.apart.Add(-h.size)
	b.eldestHolds.Store(false)
	if c.charged <= carryFree {
		b.recordEnded(c)
	}
}

// ahead is the memory of a carry of so many bytes after one more read. A carry
// grows in powers of two, at least to its double, until it takes the largest record.
func ahead(carry int64, maxRecord int) int64 {
	if carry >= int64(maxRecord) {
		return carry
	}
	n := max(2*carry, min(carry+wholeRead, int64(maxRecord)))
	return 1 << bits.Len64(uint64(n-1))
}
