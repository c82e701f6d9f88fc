package server

import (
	"math/bits"
	"sync/atomic"

	"github.com/ringtail/ringtail/internal/invariant"
	"github.com/ringtail/ringtail/server/ack"
)

// budget is --client-memory: what connections hold of unfinished records, overflows, and
// lines that their clients have not read, all together.
//
//	0             large     15/16   usable     lines             limit
//	├───────────────┼─────────┼───────┼──────────┼──────────┬───────┤
//	 large records,    small ones     │ rejected │ one read │ the
//	 read or waiting     └── spent ───┤ lines    │ of each  │ eldest's
//	                                  │ only     │ loop     │ record
//
// What a read brings is known only when it has been read, and bytes cannot be put
// back into a socket. To let those wait who have read too much is no limit: each of
// thousands of connections may bring one read more. To close them is one, but they
// have done nothing wrong. So the limit acts before the read:
//
//  1. used and what the eldest holds are no more than limit, always.
//  2. One read of a connection whose unfinished record is of carryFree or less adds at
//     most readGrowth. After each read a loop looks whether more than usable is used
//     (spent). If so, it gives up all its connections before it reads again
//     (loop.go:giveUpAll), and takes no more (OnOpen). So each loop passes usable by one read
//     at most.
//  3. A larger unfinished record has been charged ahead for what the next read can add
//     (ahead). One that cannot be is not read, and waits (mayRead).
//  4. Room for the largest record there may be is set apart for one connection at a time,
//     the first that waits (eldest), until its record has ended and is in its ring: whatever
//     the others hold, it is read. Or else all might stand half-way, each waiting for the others.
//  5. The pauser reads nothing that has not been charged; where nothing can be charged it
//     looks (pauser.go), which takes no memory.
//  6. A connection with rejected lines to be written is charged ack.UnsentMax from before the first
//     is queued until all are said (chargeLines); one that cannot be waits, its record untaken.
//
// Nobody is closed because the limit is reached. An unfinished record ages while it
// waits, and is ended by --frame-timeout.
type budget struct {
	limit     int64 // bytes
	lines     int64
	usable    int64
	large     int64
	maxRecord int
	used      atomic.Int64
	short     atomic.Bool   // usable was passed, and a sixteenth is not free again
	eldest    atomic.Uint64 // id of the connection whose record has memory of its own; 0: none
	apart     atomic.Int64  // what the eldest is charged; used leaves it out
}

// carryFree is an unfinished record that is not charged ahead: an ordinary one, cut
// by the end of a read.
const carryFree = 4 << 10

// readGrowth is what a read behind carryFree bytes can add: buffers are powers of two, so what it
// brought counts twice at most, as an unfinished record or as overflow.
const readGrowth = 2 * (wholeRead + carryFree)

// init sets the limits. One that the loops' share, or a record, would use up is raised.
func (b *budget) init(limit int64, loops, maxRecord int) {
	loopsShare := int64(loops) * readGrowth
	eldestShare := powerOfTwo(int64(maxRecord)) + readGrowth
	b.limit = max(limit, 2*(loopsShare+eldestShare+8*ack.UnsentMax))
	b.lines = b.limit - loopsShare - eldestShare
	b.usable = b.lines - max(b.limit/16, 8*ack.UnsentMax)
	b.large = b.usable / 4 * 3
	b.maxRecord = maxRecord
}

// powerOfTwo is the size of the buffer that n bytes are held in.
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
// large one. It returns false if there is not that much.
func (b *budget) chargeAhead(c *conn) bool {
	return c.carry <= carryFree || b.extend(c, ahead(c.carry, b.maxRecord), b.large)
}

// mayRead charges what one read by the pauser may make of c, and returns false if there is not
// that much, and somebody else is the eldest.
func (b *budget) mayRead(c *conn) bool {
	n := ahead(max(c.carry, carryFree), b.maxRecord) + readGrowth
	return !b.spent() && b.extend(c, n, b.large) || b.becomeEldest(c) && b.extend(c, n, b.large)
}

// chargeLines charges the rejected lines of a connection; linesSaid gives that back.
func (b *budget) chargeLines() bool { return b.tryAdd(ack.UnsentMax, b.lines) }
func (b *budget) linesSaid()        { b.add(-ack.UnsentMax) }
func (b *budget) hasLines() bool    { return b.used.Load()+ack.UnsentMax <= b.lines }

func (b *budget) isEldest(c *conn) bool {
	id := b.eldest.Load()
	return id != 0 && id == c.id
}

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

// recordEnded follows when c holds no large record any more, and will not have one now.
func (b *budget) recordEnded(c *conn) {
	if b.isEldest(c) {
		b.add(c.charged)
		b.apart.Add(-c.charged)
		b.eldest.Store(0)
	}
}

// ahead is the memory of a carry of so many bytes after one more read. A carry
// grows in powers of two, at least to its double, until it takes the largest record.
func ahead(carry int64, maxRecord int) int64 {
	if carry >= int64(maxRecord) {
		return carry
	}
	return powerOfTwo(max(2*carry, min(carry+wholeRead, int64(maxRecord))))
}
