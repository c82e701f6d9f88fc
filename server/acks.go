package server

import (
	"sync"
	"sync/atomic"

	"github.com/panjf2000/gnet/v2"

	"github.com/ringtail/ringtail/codec"
)

// An ack domain answers the connections of one event loop: {"acked":N} once the
// first N records of a connection are done for good. Two kinds of threads meet
// here: whoever pushes a connection's records into rings (its event loop, or the
// pauser), and the acker, one goroutine a domain, which learns from the rings what
// is done and writes to the sockets.
//
// A chunk of input becomes one checkpoint: the ordinal of the last record framed
// in it, and the number of batches it became. A batch that was published leaves
// an item (end, connection, checkpoint) in its ring's queue; when the ring's
// acked position passes end, the checkpoint has one batch less. N is the ordinal
// of the last checkpoint of the unbroken run, from the oldest, that has none left.
//
// The obvious design keeps a list of (ring, end, first ordinal) a connection and
// merges entries of the same ring when it gets long. It was rejected: a busy
// connection goes on extending its newest entry, so its N stands still for as long
// as it sends, and with more rings than entries there is none to merge with. Here
// a full list merges into its newest checkpoint only; the older ones are fixed,
// get done, and make room for a new one.
//
// Invariants, all under mu:
//
//  1. A checkpoint is opened with the count of all its batches before N could pass its
//     ordinal. A record that waits for room has no ordinal yet: N never covers it.
//  2. Only items in queues hold a checkpoint open, each exactly one, and batches that
//     were lost, for good; so a connection without checkpoints is owed nothing.
//  3. Whoever adds an item looks at the ring's acked position under mu; the acker
//     is poked after that position moved, and clears the poke before it takes mu.
//     One of the two sees the other: no item waits for a move that has been.
//  4. fd is a descriptor of this connection or −1. It is written to under mu only,
//     and whoever closes a descriptor first takes it out of here under mu: nothing
//     is ever written to a number that has become somebody else's.
//  5. A rejected record is queued before the checkpoint that covers it is opened,
//     and an acked line is made only when no rejected ones are queued: `rejected`
//     comes before the `acked` that covers it.
//  6. At most one acked line of a connection is pending, and it is made when it can
//     be written: the newest.
//
// Ends in a queue are not quite ascending: two goroutines may claim in one order
// and get here in the other. An item then waits for the one before it, which is
// published and will be done; it comes late by that much, never early.
type ackDomain struct {
	mu      sync.Mutex
	rings   []ackedPosition // shards, then the dead-letter ring if there is one
	queues  []ackQueue      // by ring
	dirty   []*ackState     // have something to be written
	spare   []*ackState     // the acker's other dirty list
	blocked []*ackState     // their socket was full
	parting []*ackState     // everything sent; waiting for the client's FIN
	free    []*checkpoints  // to be used again, as are
	idle    []*unsent
	scratch []byte // lines on their way out

	opt   ackOptions
	poked atomic.Bool
	poke  chan struct{}
	ended map[*ackState]struct{} // lingering or parting: theirs is the descriptor we own
}

// ackedPosition is what acks need to know of a ring.
type ackedPosition interface{ Acked() uint64 }

// ackOptions are the domain's ties to the server; every func is called with the
// domain's mutex held and must not block or call back.
type ackOptions struct {
	clock         func() int64                        // served time, ns: for what clients must do in time
	now           func() int64                        // ns: for what we do
	idleTimeout   int64                               // ns; 0: none
	lingerTimeout int64                               // ns; 0: none
	resume        func(*conn)                         // a stalled client has taken its lines
	gone          func(*conn, closeReason)            // a lingering connection has been closed
	kill          func(*conn, gnet.Conn, closeReason) // close this connection of a loop
	write         func(int, []byte) (int, error)
	linesSaid     func() // gives back what was charged for rejected lines
}

// ackState is one connection's acks. All fields belong to the domain's mutex; so does
// conn.gc, which its own loop may read without.
type ackState struct {
	conn    *conn
	open    *checkpoints // nil: owed nothing
	unsent  *unsent      // nil: nothing waits to be written but acks
	done    uint64       // the first done records are done for good
	told    uint64       // and the client has been told of so many
	took    int64        // when the client last took a byte, or was last owed nothing
	retryAt int64
	fd      int32
	backoff int32 // ns

	framing codec.Framing
	inDirty bool
	blocked bool // in the blocked list
	broken  bool // writing failed, or given up: nothing is written any more
	stalled bool // not read until it has taken its lines
	phase   ackPhase
	reason  closeReason // why its reading ended
}

// unsent is what most connections never have.
type unsent struct {
	out     []byte // a line begun, or more: goes out before anything else
	rejects rejectQueue
	charged bool
}

type ackPhase uint8

const (
	ackReading   ackPhase = iota // somebody reads it, or will again
	ackLingering                 // its reading has ended; closed when all is said
	ackParting                   // all is said, our FIN is sent
)

const (
	checkpointsMax = 32
	freeMax        = 256     // kept for use again, a domain
	rejectsMax     = 4 << 10 // bytes queued (two or three a record); beyond: stalled

	// unsentMax is the most that an unsent takes: what is queued when rejectsAtOnce come on
	// top of rejectsMax, in a buffer that may be twice as large, and a write's remainder.
	unsentMax = 2*(rejectsMax+3*rejectsAtOnce) + scratchBytes
)

type checkpoint struct {
	ordinal uint64
	batches int32
}

// checkpoints is a ring of them; base numbers the oldest.
type checkpoints struct {
	at   [checkpointsMax]checkpoint
	base uint32
	n    uint32
}

func (k *checkpoints) get(seq uint32) *checkpoint { return &k.at[seq%checkpointsMax] }

// ringEnd says that a batch was published in a ring.
type ringEnd struct {
	ring int
	end  uint64
}

func newAckDomain(rings []ackedPosition, opt ackOptions) *ackDomain {
	return &ackDomain{
		rings:   rings,
		queues:  make([]ackQueue, len(rings)),
		scratch: make([]byte, 0, scratchBytes),
		ended:   make(map[*ackState]struct{}),
		opt:     opt,
		poke:    make(chan struct{}, 1),
	}
}

// wake makes the acker look. It never blocks and may be called by anybody.
func (d *ackDomain) wake() {
	if d.poked.CompareAndSwap(false, true) {
		select {
		case d.poke <- struct{}{}:
		default:
		}
	}
}

// attach says which descriptor the connection is written to from now on, and the
// event loop's handle of it if a loop has it.
func (d *ackDomain) attach(a *ackState, fd int, gc gnet.Conn) {
	d.mu.Lock()
	a.fd, a.conn.gc = int32(fd), gc
	if a.unsaid() {
		d.touch(a)
		d.wake()
	}
	d.mu.Unlock()
}

// chunk is what one read of a connection became.
type chunk struct {
	last    uint64    // ordinal of the last record framed
	ends    []ringEnd // batches published
	lost    int       // batches that are in no ring, and never will be
	rejects []reject
	charged bool // the rejects have been, to --client-memory
	framing codec.Framing
}

// framed opens the checkpoint of a chunk. It returns whether the client must take
// its lines before it is read again.
func (d *ackDomain) framed(a *ackState, ch chunk) (stalled bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if ch.charged && (a.broken || a.unsent != nil && a.unsent.charged) {
		d.opt.linesSaid() // once is enough
	} else if ch.charged {
		d.needUnsent(a).charged = true
	}
	if a.broken {
		return false
	}
	a.framing = ch.framing
	for _, r := range ch.rejects {
		d.queueReject(a, r)
	}
	seq := d.openCheckpoint(a, ch.last, len(ch.ends)+ch.lost)
	for _, e := range ch.ends {
		d.await(a, e, seq)
	}
	if a.unsaid() {
		d.touch(a)
		d.wake()
	}
	return a.mustStall()
}

// refused queues the news that a record which was in a ring has been set aside.
func (d *ackDomain) refused(a *ackState, ordinal uint64, reason codec.Reason) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if a.broken {
		return
	}
	d.queueReject(a, reject{ordinal: ordinal, reason: reason})
	d.touch(a)
	d.wake()
}

func (d *ackDomain) queueReject(a *ackState, r reject) {
	d.needUnsent(a).rejects.push(r)
}

func (d *ackDomain) openCheckpoint(a *ackState, last uint64, batches int) uint32 {
	k := a.open
	if k == nil {
		if batches == 0 {
			a.done = last
			return 0
		}
		k = d.takeCheckpoints()
		a.open = k
	}
	if k.n > 0 && (batches == 0 || k.n == checkpointsMax) {
		newest := k.get(k.base + k.n - 1)
		newest.ordinal = last
		newest.batches += int32(batches)
		return k.base + k.n - 1
	}
	seq := k.base + k.n
	*k.get(seq) = checkpoint{ordinal: last, batches: int32(batches)}
	k.n++
	return seq
}

// await queues an item, or settles it at once if the ring is past it already.
func (d *ackDomain) await(a *ackState, e ringEnd, seq uint32) {
	if d.rings[e.ring].Acked() >= e.end {
		d.settle(a, seq)
		return
	}
	d.queues[e.ring].push(ackItem{end: e.end, a: a, seq: seq})
}

// settle takes one batch off a checkpoint and moves done over those without any.
func (d *ackDomain) settle(a *ackState, seq uint32) {
	k := a.open
	if k == nil {
		return // given up
	}
	k.get(seq).batches--
	for k.n > 0 && k.get(k.base).batches == 0 {
		a.done = k.get(k.base).ordinal
		k.base++
		k.n--
	}
	if k.n == 0 {
		d.dropCheckpoints(a)
		a.took = d.opt.clock()
	}
}

func (d *ackDomain) takeCheckpoints() *checkpoints {
	if n := len(d.free); n > 0 {
		k := d.free[n-1]
		d.free = d.free[:n-1]
		return k
	}
	return new(checkpoints)
}

func (d *ackDomain) dropCheckpoints(a *ackState) {
	if a.open == nil {
		return
	}
	*a.open = checkpoints{}
	if len(d.free) < freeMax {
		d.free = append(d.free, a.open)
	}
	a.open = nil
}

func (d *ackDomain) needUnsent(a *ackState) *unsent {
	if a.unsent == nil {
		if n := len(d.idle); n > 0 {
			a.unsent, d.idle = d.idle[n-1], d.idle[:n-1]
		} else {
			a.unsent = new(unsent)
		}
	}
	return a.unsent
}

func (d *ackDomain) dropUnsent(a *ackState) {
	u := a.unsent
	a.unsent = nil
	if u == nil {
		return
	}
	if u.charged {
		d.opt.linesSaid()
	}
	if len(d.idle) < freeMax && cap(u.out) <= scratchBytes && cap(u.rejects.buf) <= rejectsMax {
		*u = unsent{out: u.out[:0], rejects: rejectQueue{buf: u.rejects.buf[:0]}}
		d.idle = append(d.idle, u)
	}
}

func (d *ackDomain) touch(a *ackState) {
	if !a.inDirty && !a.broken {
		a.inDirty = true
		d.dirty = append(d.dirty, a)
	}
}

// unsaid tells whether there is something to be written, or an end to be made.
func (a *ackState) unsaid() bool {
	return a.done > a.told || a.unsent != nil || (a.phase == ackLingering && a.open == nil)
}

func (a *ackState) mustStall() bool {
	return !a.broken && (a.blocked || (a.unsent != nil && a.unsent.rejects.bytes() > rejectsMax))
}

// ackItem waits in a ring's queue for the ring's acked position to pass end.
type ackItem struct {
	end uint64
	a   *ackState
	seq uint32
}

// ackItemsKept is how many items' room an empty queue keeps.
const ackItemsKept = 4096

// ackQueue is first in, first out; its length is bounded by the batches a ring holds.
type ackQueue struct {
	items []ackItem // a power of two long
	head  int
	n     int
}

func (q *ackQueue) push(it ackItem) {
	if q.n == len(q.items) {
		grown := make([]ackItem, max(64, 2*len(q.items)))
		for i := range q.n {
			grown[i] = q.items[(q.head+i)&(len(q.items)-1)]
		}
		q.items, q.head = grown, 0
	}
	q.items[(q.head+q.n)&(len(q.items)-1)] = it
	q.n++
}

func (q *ackQueue) pop() ackItem {
	it := q.items[q.head]
	q.items[q.head] = ackItem{}
	q.head = (q.head + 1) & (len(q.items) - 1)
	q.n--
	if q.n == 0 && len(q.items) > ackItemsKept {
		q.items, q.head = nil, 0 // what a stall needed is not kept for ever
	}
	return it
}
