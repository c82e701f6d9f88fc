package ack

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"

	"github.com/ringtail/ringtail/codec"
)

// Domain tells the clients of one event loop what has become of their records: {"acked":N} once
// the first N records of a connection are done for good. C is the server's own handle of a
// connection: the domain hands it back in the funcs of Options and never looks at it.
//
// Two kinds of goroutines meet here. The one that pushes a connection's records into rings, its
// event loop or the pauser, calls the methods of Conn. The acker, one goroutine a domain, learns
// from the rings what is done, and writes to the sockets.
//
// A chunk of input becomes one checkpoint: the ordinal of the last record framed in it, and the
// number of batches it became. A published batch leaves an item (end, connection, checkpoint) in
// its ring's queue. When the ring's acked position passes the end, the checkpoint has one batch
// less. N is the ordinal of the last checkpoint of the unbroken run, from the oldest, that has no
// batch left.
//
// The obvious design keeps a list of (ring, end, first ordinal) for each connection, and merges
// entries of the same ring when the list gets long. It was rejected: a busy connection keeps
// extending its newest entry, so its N stands still for as long as it sends; and with more rings
// than entries there is nothing to merge with. Here a full list merges into its newest checkpoint
// only. The older ones are fixed, get done, and make room for a new one.
//
// Invariants, all under mu:
//
//  1. A checkpoint is opened with the count of all its batches before N could pass its ordinal. A
//     record that waits for room has no ordinal yet, so N never covers it.
//  2. A checkpoint is held open by items in queues, one for each batch, and by batches that were
//     lost, for good. So a connection without checkpoints is owed nothing.
//  3. Whoever adds an item looks at the ring's acked position under mu. The acker is poked after
//     that position has moved, and clears the poke before it takes mu. One of the two sees the
//     other: no item waits for a move that is over.
//  4. fd is a descriptor of this connection, or −1. It is written to under mu only, and whoever
//     closes a descriptor first takes it out of here under mu. So nothing is ever written to a
//     number that belongs to another connection by now.
//  5. A rejected record is queued before the checkpoint that covers it is opened, and an acked line
//     is made only when no rejected record is queued. So `rejected` comes before the `acked` that
//     covers it.
//  6. At most one acked line of a connection is pending. It is made when it can be written, and
//     carries the newest N.
//
// The ends in a queue are not quite ascending: two goroutines may claim in one order and get here
// in the other. An item then waits for the one before it, which is published and will be done. It
// comes late by that much, never early.
type Domain[C any] struct {
	mu         sync.Mutex
	rings      []Position
	queues     []itemQueue[C]        // by ring
	dirty      []*Conn[C]            // have something to be written
	otherDirty []*Conn[C]            // the list that the acker works through; the two change places
	blocked    []*Conn[C]            // their socket was full
	halfClosed []*Conn[C]            // everything is sent, our FIN too; waiting for the client's
	ended      map[*Conn[C]]struct{} // lingering or half-closed: the domain owns their descriptors

	freeCheckpoints []*checkpoints // for reuse
	freeUnsent      []*unsent      // for reuse
	scratch         []byte         // lines on their way out

	opt   Options[C]
	idle  atomic.Int64 // Options.IdleTimeout, or what SetTimeouts was told
	frame atomic.Int64 // Options.FrameTimeout
	after atomic.Int64 // Options.LingerTimeout
	poked atomic.Bool
	poke  chan struct{}
}

// Position is what a domain needs to know of a ring.
type Position interface{ Acked() uint64 }

// Options tie a domain to the server. The domain calls every func with its mutex held, so none may
// block or call back.
type Options[C any] struct {
	Clock         func() int64                      // served time, ns: for what clients must do in time
	Now           func() int64                      // ns: for what the domain does
	IdleTimeout   int64                             // ns; 0: none
	FrameTimeout  int64                             // ns; 0: none. For clients whose rejected lines take memory, while Scarce
	LingerTimeout int64                             // ns; 0: none
	Scarce        func() bool                       // others wait for memory
	Resume        func(C)                           // a stalled client has taken its lines
	Kill          func(C, Limit)                    // a client has taken nothing for that long; its Handle is closed next
	Gone          func(C, Limit)                    // a lingering connection has been closed; for want of patience, unless NoLimit
	Write         func(C, int, []byte) (int, error) // to the connection's descriptor; how much the socket has taken
	HalfClose     func(C, int) error                // sends our FIN; EAGAIN: the socket has no room for what must be said before it
	LinesSaid     func()                            // gives back what was charged for rejected lines
}

// Conn is the acks of one connection. Its fields belong to the domain's mutex. One goroutine at a
// time calls its methods: the one that has the connection.
type Conn[C any] struct {
	domain  *Domain[C]
	owner   C
	handle  io.Closer    // the event loop's handle of the connection; nil while no loop has it
	open    *checkpoints // nil: the client is owed nothing
	unsent  *unsent      // nil: nothing waits to be written but acks
	done    uint64       // the first done records are done for good
	told    uint64       // and the client has been told of so many
	took    int64        // when the client last took a byte, or was last owed nothing
	retryAt int64
	fd      int32
	backoff int32 // ns

	framing codec.Framing
	inDirty bool
	blocked bool  // in the blocked list
	hello   bool  // {"acked":0} is to be written, before anything else
	broken  bool  // writing failed, or the domain gave the client up: nothing is written any more
	stalled bool  // the server does not read it until it has taken its lines
	limit   Limit // it lingered, and took nothing for so long
	phase   phase
}

type phase uint8

const (
	phaseReading    phase = iota // the server reads it, or will again
	phaseLingering               // its reading has ended; it is closed when all is said
	phaseHalfClosed              // all is said, our FIN is sent
)

const (
	rejectsMax = 4 << 10 // bytes queued (two or three a record); beyond them a client is stalled
	retainMax  = 256     // objects that a domain retains for reuse, of each kind

	// RejectsAtOnce bounds the rejected records of one chunk.
	RejectsAtOnce = 1024

	// UnsentMax is the most memory that the unsent lines of a connection take: what is queued when
	// RejectsAtOnce come on top of rejectsMax, in a buffer that may be twice as large, and the
	// remainder of a write.
	UnsentMax = 2*(rejectsMax+3*RejectsAtOnce) + scratchBytes
)

// ErrPart is what Options.Write returns where EAGAIN would not be all: the socket has taken a part of
// what lines were made into, but no line yet. The client reads.
var ErrPart = errors.New("ack: the socket has taken a part of what the lines became")

// New makes a domain; rings are those that the Ring of a Batch indexes.
func New[C any](rings []Position, opt Options[C]) *Domain[C] {
	d := &Domain[C]{
		rings:   rings,
		queues:  make([]itemQueue[C], len(rings)),
		scratch: make([]byte, 0, scratchBytes),
		ended:   make(map[*Conn[C]]struct{}),
		opt:     opt,
		poke:    make(chan struct{}, 1),
	}
	d.SetTimeouts(opt.IdleTimeout, opt.FrameTimeout, opt.LingerTimeout)
	return d
}

// SetTimeouts changes Options.IdleTimeout, FrameTimeout and LingerTimeout, also while the domain runs.
func (d *Domain[C]) SetTimeouts(idle, frame, linger int64) {
	d.idle.Store(idle)
	d.frame.Store(frame)
	d.after.Store(linger)
}

// NewConn makes the acks of one connection, which has no descriptor yet.
func (d *Domain[C]) NewConn(owner C) *Conn[C] { return &Conn[C]{domain: d, owner: owner, fd: -1} }

// Wake makes the acker look at the rings. It never blocks, and any goroutine may call it.
func (d *Domain[C]) Wake() {
	if d.poked.CompareAndSwap(false, true) {
		select {
		case d.poke <- struct{}{}:
		default:
		}
	}
}

// Attach sets the descriptor that the connection is written to from now on, and the event loop's
// handle of it, nil if no loop has it.
func (a *Conn[C]) Attach(fd int, handle io.Closer) {
	d := a.domain
	d.mu.Lock()
	a.fd, a.handle = int32(fd), handle
	if a.unsaid() {
		d.touch(a)
		d.Wake()
	}
	d.mu.Unlock()
}

// Chunk is what one read of a connection became.
type Chunk struct {
	Last    uint64   // ordinal of the last record framed
	Batches []Batch  // published in rings
	Lost    int      // batches that are in no ring, and never will be
	Rejects []Reject // records that were rejected
	Charged bool     // the rejects have been charged to --client-memory
	Framing codec.Framing
}

// Batch says where a published batch ends.
type Batch struct {
	Ring int
	End  uint64
}

// Reject is a rejected record, by its ordinal on its connection.
type Reject struct {
	Ordinal uint64
	Reason  codec.Reason
}

// Framed opens the checkpoint of a chunk. It returns true if the client must take its lines before
// it is read again.
func (a *Conn[C]) Framed(ch Chunk) (stalled bool) {
	d := a.domain
	d.mu.Lock()
	defer d.mu.Unlock()
	if ch.Charged && (a.broken || a.unsent != nil && a.unsent.charged) {
		d.opt.LinesSaid() // once is enough
	} else if ch.Charged {
		d.needUnsent(a).charged = true
	}
	if a.broken {
		return false
	}
	a.framing = ch.Framing
	for _, r := range ch.Rejects {
		d.queueReject(a, r)
	}
	seq := d.openCheckpoint(a, ch.Last, len(ch.Batches)+ch.Lost)
	for _, b := range ch.Batches {
		d.await(a, b, seq)
	}
	if a.unsaid() {
		d.touch(a)
		d.Wake()
	}
	return a.mustStall()
}

// Hello has {"acked":0} said: the client began with a blank record, to know whether it is acked.
func (a *Conn[C]) Hello(f codec.Framing) {
	d := a.domain
	d.mu.Lock()
	defer d.mu.Unlock()
	a.framing, a.hello = f, true
	d.touch(a)
	d.Wake()
}

// Refused queues the news that a record which was in a ring has been set aside. Any goroutine may
// call it.
func (a *Conn[C]) Refused(ordinal uint64, reason codec.Reason) {
	d := a.domain
	d.mu.Lock()
	defer d.mu.Unlock()
	if a.broken {
		return
	}
	d.queueReject(a, Reject{Ordinal: ordinal, Reason: reason})
	d.touch(a)
	d.Wake()
}

// Owes returns whether a connection that ends now would have to linger.
func (a *Conn[C]) Owes() bool {
	d := a.domain
	d.mu.Lock()
	defer d.mu.Unlock()
	return !a.broken && (a.open != nil || a.unsaid())
}

// Stall asks for Options.Resume once the client has taken its lines. It returns false if it has
// taken them already.
func (a *Conn[C]) Stall() bool {
	d := a.domain
	d.mu.Lock()
	defer d.mu.Unlock()
	a.stalled = a.mustStall()
	return a.stalled
}

// Unstall takes back what Stall asked for.
func (a *Conn[C]) Unstall() {
	d := a.domain
	d.mu.Lock()
	defer d.mu.Unlock()
	a.stalled = false
}

// Ending is what there is to say to a client whose reading has ended.
type Ending uint8

const (
	EndingOwed     Ending = iota // what is owed, if anything
	EndingFarewell               // that, and our FIN: the server ends the connection
	EndingReset                  // nothing: the client has reset the connection
)

// Linger takes over a connection whose reading has ended, and closes it when all is said. It takes
// nothing and returns false if there is nothing to say. fd belongs to the caller until Linger
// returns true; −1 is none.
func (a *Conn[C]) Linger(fd int, how Ending) bool {
	d := a.domain
	d.mu.Lock()
	defer d.mu.Unlock()
	a.fd, a.handle = -1, nil
	if fd < 0 || a.broken || how == EndingReset || (a.open == nil && !a.unsaid() && how != EndingFarewell) {
		d.giveUp(a)
		return false
	}
	a.fd, a.phase = int32(fd), phaseLingering
	a.took = d.opt.Clock()
	d.ended[a] = struct{}{}
	d.touch(a)
	d.Wake()
	return true
}

// Abandon takes back the descriptor of a connection that was reset: nothing more is written.
func (a *Conn[C]) Abandon() {
	d := a.domain
	d.mu.Lock()
	defer d.mu.Unlock()
	a.fd, a.handle = -1, nil
	d.giveUp(a)
}

// Snapshot is the state of a connection's acks at one moment. Tests look at it.
type Snapshot struct {
	Done, Told  uint64 // so many records are done; the client was told of so many
	FD          int    // −1: none
	Ended       bool   // its reading has ended
	UnsentBytes int    // memory that its unsent lines take
}

// Snapshot returns the state of the connection's acks.
func (a *Conn[C]) Snapshot() Snapshot {
	d := a.domain
	d.mu.Lock()
	defer d.mu.Unlock()
	s := Snapshot{Done: a.done, Told: a.told, FD: int(a.fd), Ended: a.phase != phaseReading}
	if u := a.unsent; u != nil {
		s.UnsentBytes = cap(u.out) + cap(u.rejects.buf)
	}
	return s
}

// touch has the acker look at a in its next pass.
func (d *Domain[C]) touch(a *Conn[C]) {
	if !a.inDirty && !a.broken {
		a.inDirty = true
		d.dirty = append(d.dirty, a)
	}
}

// unsaid returns whether there is something to write, or the connection is to be ended.
func (a *Conn[C]) unsaid() bool {
	return a.hello || a.done > a.told || a.unsent != nil || (a.phase == phaseLingering && a.open == nil)
}

// mustStall returns whether the client must take its lines before it is read again.
func (a *Conn[C]) mustStall() bool {
	return !a.broken && (a.blocked || (a.unsent != nil && a.unsent.rejects.bytes() > rejectsMax))
}
