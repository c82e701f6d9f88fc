package server

import (
	"math/bits"
	"sync/atomic"

	"github.com/ringtail/ringtail/internal/invariant"
	"github.com/ringtail/ringtail/server/ack"
)

// budget is --client-memory: the memory that connections take for unfinished records, for
// overflows, and for lines that their clients have not read, all together.
//
//	0             large     15/16   usable     lines             limit
//	├───────────────┼─────────┼───────┼──────────┼──────────┬───────┤
//	 large records,    small records  │ rejected │ one read │ the
//	 read or waiting     └─ used up ──┤ lines    │ of each  │ reserve
//	                                  │ only     │ loop     │
//
// What a read brings is known only when it has been read, and bytes cannot be put back into a
// socket. A server that pauses connections after they have read too much has no limit: each of
// thousands of connections may bring one more read. A server that closes them has one, but they
// have done nothing wrong. So the limit acts before the read:
//
//  1. used plus reserveUsed is never more than limit, but for what was in use when it was lowered.
//  2. If the unfinished record of a connection takes partialFree or less, one read adds readGrowth
//     at most. After each read, a loop looks whether usable was passed (usedUp). If so, it pauses
//     all its connections before it reads again (loop.go:pauseAll), and pauses new ones at once
//     (OnOpen). So each loop passes usable by one read at most.
//  3. If the unfinished record takes more, the connection has been charged in advance for what the
//     next read can add (chargeAhead). A connection that cannot be charged is not read. It waits
//     (chargeRead).
//  4. The reserve is memory for the largest record that is allowed. One connection at a time has
//     it: the first that waits (reserveHolder), until its record has ended and is in its ring. So
//     its record can always be read, whatever the others take. Otherwise all connections could
//     stand half-way through their records, each waiting for the others.
//  5. The pauser reads nothing that has not been charged. If nothing can be charged it peeks at the
//     socket (peek.go), which takes no memory.
//  6. A connection is charged ack.UnsentMax before the first of its rejected lines is queued, until
//     all of them are said (chargeLines). If it cannot be charged, it waits, and the rejected
//     record is not taken yet.
//
// The limit closes nobody at once. An unfinished record ages while it waits, and --frame-timeout ends
// it. So it does with clients that take nothing of their rejected lines, while others wait for memory
// (ack/acker.go:patience): they would have it for ever.
type budget struct {
	limit     atomic.Int64 // bytes; the first four change when --client-memory does
	lines     atomic.Int64
	usable    atomic.Int64
	large     atomic.Int64
	most      atomic.Int64 // the highest limit so far: used may be over a limit that was lowered
	loops     int
	maxRecord int

	used          atomic.Int64
	short         atomic.Bool   // usable was passed, and a sixteenth is not free again
	reserveHolder atomic.Uint64 // id of the connection that has the reserve; 0: none
	reserveUsed   atomic.Int64  // what the holder is charged; used leaves it out
}

// partialFree is the size up to which an unfinished record is not charged in advance: an ordinary
// record, cut by the end of a read.
const partialFree = 4 << 10

// wholeRead is the most that one read of an event loop brings. The more it brings, the fewer claims
// and batches there are; reads of 64 KiB cost 14 % more CPU a record.
const wholeRead = 256 << 10

// readGrowth is the most memory that a read adds to partialFree bytes, and to a begun TLS record:
// buffers are powers of two, so what it brought counts twice at most, as an unfinished record or as
// an overflow.
const readGrowth = 2 * (wholeRead + partialFree + tlsRecordMax)

func (b *budget) init(limit int64, loops, maxRecord int) {
	b.loops, b.maxRecord = loops, maxRecord
	b.setLimit(limit)
}

// setLimit sets the limits, also while connections use memory: what is over a lower limit is let
// be, and nothing is added to it. It raises a limit that the loops' share and a record would use up.
func (b *budget) setLimit(limit int64) {
	loopsShare := int64(b.loops) * readGrowth
	reserveShare := powerOfTwo(int64(b.maxRecord)) + readGrowth
	limit = max(limit, 2*(loopsShare+reserveShare+8*ack.UnsentMax))
	lines := limit - loopsShare - reserveShare
	usable := lines - max(limit/16, 8*ack.UnsentMax)
	b.most.Store(max(b.most.Load(), limit))
	b.limit.Store(limit)
	b.lines.Store(lines)
	b.usable.Store(usable)
	b.large.Store(usable / 4 * 3)
}

// powerOfTwo is the size of the buffer that has n bytes.
func powerOfTwo(n int64) int64 {
	if n <= 0 {
		return 0
	}
	return 1 << bits.Len64(uint64(n-1))
}

// add changes what is used by n bytes.
func (b *budget) add(n int64) {
	if n == 0 {
		return
	}
	used := b.used.Add(n)
	invariant.Check(used >= 0 && used <= b.most.Load(), "%d bytes of --client-memory %d", used, b.limit.Load())
	if used > b.usable.Load() {
		b.short.Store(true)
	} else {
		b.relax()
	}
}

// relax ends the shortage when a sixteenth is free. Two goroutines that change used may set short
// in the wrong order, so the pauser also calls relax now and then.
func (b *budget) relax() {
	if b.short.Load() && b.used.Load() <= b.usable.Load()-b.usable.Load()/16 {
		b.short.Store(false)
	}
}

// tryAdd is add, unless more than ceiling would then be used. It returns whether it added.
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

// usedUp returns whether nothing may be read that could take memory.
func (b *budget) usedUp() bool { return b.short.Load() || b.used.Load() > b.usable.Load() }

// inUse is the memory in use, the reserve's included.
func (b *budget) inUse() int64 { return b.used.Load() + b.reserveUsed.Load() }

// charge sets what a connection is charged. Only the goroutine that has the connection may call it,
// and the methods below.
func (b *budget) charge(c *conn, n int64) {
	if n == c.charged {
		return
	}
	if b.hasReserve(c) {
		b.reserveUsed.Add(n - c.charged)
	} else {
		b.add(n - c.charged)
	}
	c.charged = n
}

// extend raises what a connection is charged to n, if no more than ceiling is used then, or if it
// has the reserve. It returns whether the connection is charged n now.
func (b *budget) extend(c *conn, n, ceiling int64) bool {
	if n <= c.charged {
		return true
	}
	if b.hasReserve(c) {
		b.reserveUsed.Add(n - c.charged)
	} else if !b.tryAdd(n-c.charged, ceiling) {
		return false
	}
	c.charged = n
	return true
}

// chargeAhead charges in advance what the next read of an event loop may add to c's unfinished
// record, if that is a large one. It returns false if there is not that much memory.
func (b *budget) chargeAhead(c *conn) bool {
	return c.partial <= partialFree || b.extend(c, ahead(c.partial, b.maxRecord), b.large.Load())
}

// chargeRead charges in advance what one read by the pauser may add to c. It returns false if there
// is not that much memory and another connection has the reserve.
func (b *budget) chargeRead(c *conn) bool {
	n := ahead(max(c.partial, partialFree), b.maxRecord) + readGrowth
	return !b.usedUp() && b.extend(c, n, b.large.Load()) || b.takeReserve(c) && b.extend(c, n, b.large.Load())
}

// chargeLines charges a connection for rejected lines; linesSaid gives that back.
func (b *budget) chargeLines() bool { return b.tryAdd(ack.UnsentMax, b.lines.Load()) }
func (b *budget) linesSaid()        { b.add(-ack.UnsentMax) }
func (b *budget) hasLines() bool    { return b.used.Load()+ack.UnsentMax <= b.lines.Load() }

func (b *budget) hasReserve(c *conn) bool {
	id := b.reserveHolder.Load()
	return id != 0 && id == c.id
}

// takeReserve gives the reserve to c's record, if no other connection has it.
func (b *budget) takeReserve(c *conn) bool {
	if b.hasReserve(c) {
		return true
	}
	if !b.reserveHolder.CompareAndSwap(0, c.id) {
		return false
	}
	b.reserveUsed.Store(c.charged)
	b.add(-c.charged)
	return true
}

// halfUsed returns whether more than half of what large records may take is in use.
func (b *budget) halfUsed() bool { return b.used.Load() > b.large.Load()/2 }

// recordEnded gives the reserve back, if c has it: it has no large record any more. What it has of
// another one must find room beside the reserve.
func (b *budget) recordEnded(c *conn) {
	if b.hasReserve(c) && (c.charged == 0 || b.tryAdd(c.charged, b.lines.Load())) {
		b.reserveUsed.Add(-c.charged)
		b.reserveHolder.Store(0)
	}
}

// ahead is the memory that an unfinished record, which takes partial bytes now, may take after one
// more read. Its buffer grows in powers of two, at least to its double, until it takes the largest
// record.
func ahead(partial int64, maxRecord int) int64 {
	if partial >= int64(maxRecord) {
		return partial
	}
	return powerOfTwo(max(2*partial, min(partial+wholeRead, int64(maxRecord))))
}
