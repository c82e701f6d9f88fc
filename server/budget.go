package server

import "sync/atomic"

// budget is --client-memory: what connections hold of unfinished records and of
// chunks that wait for room in a ring, all together.
//
//	0                              3/4                 1
//	├──────── anybody ──────────────┼── small ones only ─┤
//
// What a connection is about to hold is known only once its bytes have been read,
// and bytes cannot be put back into a socket. So the limit acts in two steps. Above
// three quarters, a connection whose unfinished record is over carryFree is not
// read until others have let go; its record's age runs on. The last quarter is for
// chunks already under way. Unfinished records up to carryFree (all of an ordinary
// client's) are never refused, so that large ones cannot starve the small; at most
// --max-connections times carryFree comes on top.
type budget struct {
	limit int64
	used  atomic.Int64
}

// carryFree is an unfinished record that every connection may hold.
const carryFree = 4 << 10

func (b *budget) add(n int64) {
	if n != 0 {
		b.used.Add(n)
	}
}

// tight: connections that need more must wait.
func (b *budget) tight() bool { return b.used.Load() > b.limit-b.limit/4 }

// spent: nothing more can be held.
func (b *budget) spent() bool { return b.used.Load() >= b.limit }
