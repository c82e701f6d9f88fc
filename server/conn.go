package server

import (
	"net/netip"
	"sync/atomic"

	"github.com/panjf2000/gnet/v2"

	"github.com/ringtail/ringtail/codec"
)

// conn is one connection. It is in one pair of hands at a time:
//
//	        accept
//	          │
//	          ▼          no room in a ring, lines unread,
//	┌── an event loop ── no client memory ──────► parked ───┐
//	│         ▲           (Dup, Close, OnClose)             │
//	│         └──────────── EnrollContext ──────────────────┤
//	│                                                       │
//	└─ FIN, error, deadline, cut-off ─► ended ◄── cut-off ──┘
//	                                     │
//	          its last batches wait for room, its acks are said
//	                                     │
//	                                     ▼
//	                                    gone
//
// Invariants of the hand-over:
//
//  1. Fields without a note belong to the hands. They change hands three times: in
//     OnClose, which is the loop's last touch and starts what holds it next (a
//     goroutine, the ack domain, a frugal reader); in EnrollContext, whose OnOpen
//     is the loop's first; and at accept, likewise.
//  2. While it is parked nobody reads it but a frugal reader, which holds no batches:
//     every byte read before has been turned into records, and those that found no
//     room are in the held batches, in order. They are pushed before anybody reads
//     again; so nothing overtakes.
//  3. parkFD is a duplicate made before gnet closes its own descriptor; it is closed
//     after EnrollContext made another. The socket is never without one.
//  4. ended is called once, after the last batch was pushed or lost: from then on
//     the connection pushes nothing. gone is called once, after the descriptor was
//     closed: its place is free.
type conn struct {
	// the machine
	id     uint64 // never 0
	dec    codec.Decoder
	framed uint64    // records framed so far: the ordinal of the last one
	acks   *ackState // nil without --ack kafka
	carry  int64     // bytes of memory that its unfinished record has

	charged int64 // by the budget: carry, or what it may become

	// the socket
	gc     gnet.Conn      // the loop's handle; nil while no loop has it
	domain *ackDomain     // for life; nil without acks
	remote netip.AddrPort // zero for unix
	parkFD int32
	opens  atomic.Uint32 // times an event loop has got it
	killed atomic.Uint32 // closeReason asked for by the ack domain
	why    closeReason
	state  connState

	// deadlines, in served time
	openedAt   int64
	lastRead   int64
	unfinished int64 // since when; 0: no unfinished record
	graceAt    int64 // when a deadline was found passed with bytes waiting to be read
	links      [lists]link
	held       *held // on its way from the loop to the goroutine that pushes it
}

type connState uint8

const (
	stateOpen    connState = iota
	stateParking           // OnClose hands it over
	stateParkingForMemory
)

// link and connList make intrusive lists: an idle connection costs no element, and
// leaving a list costs no search.
type link struct {
	prev, next *conn
}

const (
	listAll        = iota // by last activity, the longest silent first
	listUnfinished        // by the age of the unfinished record, the oldest first
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
