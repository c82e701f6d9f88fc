package server

import (
	"net/netip"
	"sync/atomic"

	"github.com/panjf2000/gnet/v2"

	"github.com/ringtail/ringtail/codec"
	"github.com/ringtail/ringtail/server/ack"
)

// conn is one connection. One goroutine has it at a time:
//
//	        accept
//	          │
//	          ▼         it has to wait
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
//  1. Fields without a note belong to the goroutine that has the connection. It changes at accept;
//     in OnClose, which is a loop's last touch; and in EnrollContext, whose OnOpen is a loop's
//     first.
//  2. Nobody reads a connection with an overflow, and its end waits too: what was read goes into
//     rings in the order in which it came.
//  3. The pauser's descriptor is a duplicate, made before gnet closes its own. It is closed after
//     EnrollContext has made another. So the socket always has a descriptor, unless none could be
//     had: then nobody reads the connection any more.
//  4. A connection ends once, when there is no overflow and will be none. From then on it pushes
//     nothing. It is gone once, when its place is free.
type conn struct {
	// from bytes to records
	id       uint64 // never 0
	dec      codec.Decoder
	framed   uint64           // records framed so far: the ordinal of the last one
	acks     *ack.Conn[*conn] // nil without --ack kafka
	tls      *tlsConn         // nil: plain text
	partial  int64            // bytes of memory that its unfinished record takes
	overflow *overflow        // what was read and waits for room; nil: nothing
	charged  int64            // to --client-memory, by the budget

	// the socket
	gc        gnet.Conn      // the loop's handle; nil while no loop has it
	loopIndex int            // the event loop that has it, or had it last
	paused    *paused        // from detach on, until the pauser does not have it any more
	tcp       bool           // what its socket is; remote may be another's
	remote    netip.AddrPort // the client's; zero for unix
	listener  int            // the index of the one that it came by
	name      string         // the client's, as its certificate or token has it; "": none
	meter     *meter         // nil: nothing is measured beside the totals
	opens     atomic.Uint32  // times an event loop has got it
	killed    atomic.Uint32  // closeReason that the acks ask for
	why       closeReason    // why it ends; closedNot: it does not
	gone      bool           // its place has been given up already
	helloDue  bool           // with acks: a blank record is answered if it comes now, before any other
	owesToken bool           // it has to show a token before anything else
	facts     connFacts      // what others may know of it

	// deadlines, in served time
	openedAt     int64
	lastRead     int64
	unfinished   int64 // since when; 0: no unfinished record
	graceAt      int64 // when a deadline was found passed while the socket held bytes
	halfClosedAt int64 // when we closed our side; 0: we have not
	links        [lists]link

	// for how long the server has not taken what has come, ns
	waited int64 // since its last read
	rests  int64 // loop.rests at its last read
}

// link is the place of a connection in one of the lists of its event loop (connlist.go).
type link struct {
	prev, next *conn
}

const (
	listAll = iota
	listUnfinished
	listSilent // or half-closed
	lists
)

func (c *conn) next(which int) *conn { return c.links[which].next }

// paused is a connection while the pauser has it.
type paused struct {
	blocked  // waitNothing: it is ready, or being advanced
	c        *conn
	fd       int         // −1: none could be had, or it was given up
	known    bool        // the pauser has seen it
	since    int64       // when it began to wait for us (shard.Now)
	came     uint64      // waitRoom: the end of the ring's last batch when it began to wait
	widened  bool        // its socket takes more than one peek reads
	left     int         // bytes that the last peek left in the socket
	final    closeReason // why nothing comes behind what the socket holds; closedNot: more may come
	ending   closeReason // why it ends as soon as its overflow is in; closedNot: it does not
	finished bool        // its end has run
}

// wait is what a connection waits for before its next record is taken.
type wait uint8

const (
	waitNothing wait = iota
	waitRoom         // in a ring
	waitMemory       // of --client-memory, for the unfinished record
	waitLines        // of --client-memory, for a rejected line
	waitAcks         // until the client takes its lines
	waitRate         // until as much time has passed as its latest reads are worth
	waitInput        // bytes
	waits
)

// blocked says why a chunk was not used up. Its zero value: all of it was.
type blocked struct {
	on   wait
	ring int // of waitRoom
}

// unfinishedRecord returns whether the stream stands inside of a record, or of a TLS record.
func (c *conn) unfinishedRecord() bool {
	return c.dec.Unfinished() || c.tls != nil && len(c.tls.begun) > 0
}

// age updates since when c's record is unfinished. framed is c.framed before the latest bytes.
func (c *conn) age(unfinished bool, framed uint64, now int64) {
	switch {
	case !unfinished:
		c.unfinished, c.graceAt = 0, 0
	case c.unfinished == 0 || c.framed != framed: // another record than before
		c.unfinished, c.graceAt = now, 0
	}
}

// ending returns what there is to say to the client when the connection ends.
func (c *conn) ending() ack.Ending {
	switch {
	case c.why == closedReset:
		return ack.EndingReset
	case c.endedPolitely():
		return ack.EndingFarewell
	}
	return ack.EndingOwed
}

// endedPolitely returns whether the server ends the connection while the client may still send. To
// close at once would then reset it, and could lose acks that the client has not read yet.
func (c *conn) endedPolitely() bool {
	return c.why == closedCutOff || c.why == closedDrain || c.why == closedAge || c.why == closedStream ||
		c.why == closedUnauthorized
}

// silent returns whether the client has sent nothing that could be a record, or a part of one.
func (c *conn) silent() bool { return c.framed == 0 && c.overflow == nil && !c.unfinishedRecord() }

func (c *conn) remoteString() string { return remoteString(c.remote) }

// appendRemote appends what remoteString returns.
func (c *conn) appendRemote(b []byte) []byte {
	if !c.remote.IsValid() {
		return append(b, unixRemote...)
	}
	return c.remote.AppendTo(b)
}

// remoteString is an address as logs and dead letters show it.
func remoteString(remote netip.AddrPort) string {
	if !remote.IsValid() {
		return unixRemote
	}
	return remote.String()
}

const unixRemote = "unix"
