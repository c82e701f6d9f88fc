package server

import (
	"net/netip"
	"sync/atomic"

	"github.com/panjf2000/gnet/v2"

	"github.com/ringtail/ringtail/codec"
	"github.com/ringtail/ringtail/server/ack"
)

// conn is one connection. It is in one pair of hands at a time:
//
//	        accept
//	          │
//	          ▼         something to wait for
//	┌── an event loop ──────────────────────► the pauser ──┐
//	│         ▲          (Dup, Close, OnClose)             │
//	│         └─────────── EnrollContext ──────────────────┤
//	│                                                      │
//	└─ FIN, error, deadline, cut-off ─► ended ◄────────────┘
//	                                      │ its acks are said
//	                                      ▼
//	                                     gone
//
// Invariants of the hand-over:
//
//  1. Fields without a note belong to the hands. They change hands at accept; in
//     OnClose, which is a loop's last touch; and in EnrollContext, whose OnOpen is its
//     first.
//  2. A connection with an overflow is not read, by anybody, and its end waits as well:
//     what was read goes into rings in the order in which it came.
//  3. The pauser's descriptor is a duplicate made before gnet closes its own; it is
//     closed after EnrollContext made another. The socket is never without one, unless
//     there was none to be had: then the connection is not read any more.
//  4. ended is called once, when there is no overflow and will be none: from then on
//     the connection pushes nothing. gone is called once, when its place is free.
type conn struct {
	// the machine
	id       uint64 // never 0
	dec      codec.Decoder
	framed   uint64           // records framed so far: the ordinal of the last one
	acks     *ack.Conn[*conn] // nil without --ack kafka
	carry    int64            // bytes of memory that its unfinished record has
	overflow *overflow        // nil: nothing
	charged  int64            // by the budget

	// the socket
	gc     gnet.Conn      // the loop's handle; nil while no loop has it
	loop   *loop          // the one that has it, or had it last
	paused *paused        // from detach on, until the pauser has it no more
	remote netip.AddrPort // zero for unix
	opens  atomic.Uint32  // times an event loop has got it
	killed atomic.Uint32  // closeReason asked for by the ack domain
	why    closeReason    // why it ends; closedNot: it does not
	gone   bool           // its place has been given up already

	// deadlines, in served time
	openedAt   int64
	lastRead   int64
	unfinished int64 // since when; 0: no unfinished record
	graceAt    int64 // when a deadline was found passed with bytes waiting to be read
	farewellAt int64 // when we ended our side; 0: we have not
	links      [lists]link
}

// link and connList make intrusive lists: an idle connection costs no element, and
// leaving a list costs no search.
type link struct {
	prev, next *conn
}

const (
	listAll        = iota // by last activity, the longest silent first
	listUnfinished        // by the age of the unfinished record, the oldest first
	listSilent            // those that have not sent a record yet, the oldest first
	lists
)

type connList struct {
	which      int
	head, tail *conn
	n          int
}

func (l *connList) add(c *conn) { l.addAfter(l.tail, c) }

func (l *connList) addAfter(at, c *conn) {
	if l.has(c) {
		return
	}
	next := l.head
	if at != nil {
		next = at.links[l.which].next
		at.links[l.which].next = c
	} else {
		l.head = c
	}
	if next != nil {
		next.links[l.which].prev = c
	} else {
		l.tail = c
	}
	c.links[l.which] = link{prev: at, next: next}
	l.n++
}

func (l *connList) remove(c *conn) {
	if !l.has(c) {
		return
	}
	k := &c.links[l.which]
	if k.prev != nil {
		k.prev.links[l.which].next = k.next
	} else {
		l.head = k.next
	}
	if k.next != nil {
		k.next.links[l.which].prev = k.prev
	} else {
		l.tail = k.prev
	}
	*k = link{}
	l.n--
}

func (l *connList) has(c *conn) bool { return c.links[l.which].prev != nil || l.head == c }

func (c *conn) next(which int) *conn { return c.links[which].next }

// remoteString is the address as logs and dead letters show it.
func (c *conn) remoteString() string {
	if !c.remote.IsValid() {
		return "unix"
	}
	return c.remote.String()
}
