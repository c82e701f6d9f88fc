package server

import (
	"cmp"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// The pauser has every connection that an event loop may not read for now, whatever the
// reason. gnet cannot pause one connection: unread data grows in its buffers, or blocks
// the whole loop. So the loop makes a duplicate of the descriptor, lets gnet close its own, and
// the pauser gives the connection back (EnrollContext) when there is nothing to wait for.
//
//	            ┌─────────────────────── advance ───────────────────────┐
//	            │ what is first in this list decides:                   │
//	pause ─────►│  an overflow       resume it      ── no room ─────────┼──► room    a ring is half free
//	            │                                   ── lines unread ────┼──► acks    the client reads
//	            │                                   ── no memory for ───┼──► lines   others have read theirs
//	            │                                      a rejected line  │
//	            │  its end has run   conclude ──────────────────────────┼──► gone
//	            │  it is to end      run its end                        │
//	            │  lines unread ────────────────────────────────────────┼──► acks
//	            │  there is memory   enroll ────────────────────────────┼──► an event loop
//	            │  there is none     look at its socket                 │
//	            │                      whole records  take them         │
//	            │                      no room ─────────────────────────┼──► room
//	            │                      needs memory ────────────────────┼──► memory  first come, first served
//	            │                      nothing ─────────────────────────┼──► input   bytes, or an end
//	            └───────────────────────────────────────────────────────┘
//
// Whatever a connection waits for, it is advanced again when that has come, when its socket was
// reset, and when the server stops waiting (drain.go). advance looks at everything anew, so a turn
// too many is harmless.
//
// Invariants:
//
//  1. The goroutine of run has every connection in all; loops and ack domains post to inbox.
//  2. A connection is in at most one of: ready, a room's queue, or with who posts it back.
//  3. Nothing is read of a connection with an overflow, and its end is not run: what was read
//     first is in its ring first. What ended it is looked at last.
//  4. A reset connection that has to wait gives up its socket and its place at once: nothing
//     can be said to it, and it may not keep others out. What was read of it goes on.
type pauser struct {
	srv  *Server
	in   *intake
	buf  []byte
	epfd int

	handBack func(c *conn, fd int) // to its event loop; the descriptor is its from here on

	all    map[uint64]*paused // by the connection's id
	ready  []*paused
	rooms  []room // by ring
	memory room   // for records
	lines  room   // for rejected lines
	counts [waits]atomic.Int64
	ticked atomic.Bool // the ticker's word

	mu    sync.Mutex
	inbox []*paused
	poke  chan struct{} // there is something in it
}

// paused is a connection while the pauser has it.
type paused struct {
	blocked  // waitNothing: it is ready, or being advanced
	c        *conn
	fd       int         // −1: none could be had, or it was given up
	known    bool        // the pauser has seen it
	came     uint64      // waitRoom: the end of the ring's last batch then
	widened  bool        // its socket takes more than a look
	left     int         // bytes that the last look left in the socket
	final    closeReason // why nothing comes behind what the socket holds; closedNot: more may come
	ending   closeReason // why it ends as soon as its overflow is in; closedNot: it does not
	finished bool        // its end has run
}

// pauseInterval is how often the pauser looks at what it has. Room comes batch by batch, and connections
// one by one; to do something about each at once would cost more than all else.
const pauseInterval = time.Millisecond

func newPauser(s *Server) (*pauser, error) {
	in, err := newIntake(s)
	rooms := make([]room, len(s.rings))
	for i := range rooms {
		rooms[i].ring = s.rings[i]
	}
	return &pauser{
		srv: s, in: in, epfd: -1, handBack: s.handBack, rooms: rooms, all: make(map[uint64]*paused),
		buf: make([]byte, frameHeader+lookMax+wholeRead), poke: make(chan struct{}, 1),
	}, err
}

// pause gives a connection that no loop has any more to the pauser. p's descriptor is the pauser's from
// here on; −1: there is none, the connection ends once its overflow is in.
func (s *Server) pause(c *conn, p *paused) {
	p.c, c.paused = c, p
	s.paused.Add(1)
	s.pauses.Add(1)
	s.pauser.post(p)
}

// post gives the pauser a connection, or tells it that the client has taken its lines. It never blocks.
func (q *pauser) post(p *paused) {
	q.mu.Lock()
	q.inbox = append(q.inbox, p)
	q.mu.Unlock()
	select {
	case q.poke <- struct{}{}:
	default:
	}
}

func (q *pauser) run(stop <-chan struct{}) {
	defer func() { _ = unix.Close(q.epfd) }()
	events := make([]unix.EpollEvent, 256)
	for !isClosed(stop) {
		if q.srv.paused.Load() == 0 {
			select {
			case <-q.poke:
			case <-stop:
			}
		} else if len(q.ready) == 0 {
			time.Sleep(pauseInterval)
		}
		n, _ := unix.EpollWait(q.epfd, events, 0) // it does not fail: there is nothing to interrupt
		q.round(events[:max(n, 0)])
	}
}

// round does what there is to do.
func (q *pauser) round(events []unix.EpollEvent) {
	for i := range events {
		if p := q.all[uint64(uint32(events[i].Fd))|uint64(uint32(events[i].Pad))<<32]; p != nil {
			q.event(p, events[i].Events)
		}
	}
	q.arrivals()
	for ring := range q.rooms {
		q.giveTurns(&q.rooms[ring])
	}
	if q.ticked.Swap(false) {
		q.check()
	}
	q.giveTurns(&q.memory)
	q.giveTurns(&q.lines)
	ready := q.ready
	q.ready = nil
	for _, p := range ready {
		q.advance(p)
	}
}

func (q *pauser) arrivals() {
	q.mu.Lock()
	inbox := q.inbox
	q.inbox = nil
	q.mu.Unlock()
	for _, p := range inbox {
		if p.known { // resumed; it may have left since
			q.rouse(p, waitAcks)
			continue
		}
		p.known, q.all[p.c.id] = true, p
		if p.fd < 0 { // gnet has closed the only one
			q.giveUpSocket(p, cmp.Or(p.c.why, p.final))
		} else if err := unix.EpollCtl(q.epfd, unix.EPOLL_CTL_ADD, p.fd, &unix.EpollEvent{
			Events: unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLET, // what is left does not come again, more of it does
			Fd:     int32(p.c.id), Pad: int32(p.c.id >> 32),
		}); err != nil { // the kernel's memory, or its limit of watches
			q.srv.warnings.warn("server: cannot watch a connection", "error", err) // only ticks look at it
		}
		q.ready = append(q.ready, p)
	}
}

// event notes what the poll says of a socket.
func (q *pauser) event(p *paused, events uint32) {
	// Both sides of a TCP connection have ended, and we have not ended ours: it was reset, and a
	// failed write has taken the error.
	hungUp := events&unix.EPOLLHUP != 0 && p.c.farewellAt == 0 && p.c.remote.IsValid()
	switch {
	case events&unix.EPOLLERR != 0 || hungUp:
		q.ends(p, closedReset)
	case events&(unix.EPOLLRDHUP|unix.EPOLLHUP) != 0 && p.final == closedNot:
		q.ends(p, closedByClient)
	case q.fresh(p, min(p.left+int(p.c.carry), lookMax)/16): // it is much beside what a look copies again
		q.rouse(p, waitInput) // else the next tick is soon enough
	}
}

// ends notes that nothing will come behind what the socket holds. Only a reset does not wait.
func (q *pauser) ends(p *paused, why closeReason) {
	if p.final = why; p.on == waitInput || why == closedReset {
		q.rouse(p, p.on)
	}
}

// rouse makes p ready if that is what it waits for.
func (q *pauser) rouse(p *paused, on wait) {
	if p.on == on && on != waitNothing {
		q.unwait(p)
		q.ready = append(q.ready, p)
	}
}

// unwait ends p's waiting, whatever for.
func (q *pauser) unwait(p *paused) {
	if p.at != nil {
		p.at.wait(-1)
	}
	if p.on == waitAcks {
		p.c.acks.Unstall()
	}
	if p.c.unfinished != 0 && p.on != waitMemory && p.on != waitInput {
		p.c.unfinished = q.srv.clock.stamp() // it does not age while it is we who do not read
	}
	q.counts[p.on].Add(-1)
	p.blocked = blocked{}
}

// waitFor lets p wait. A connection that was reset, and whose wait may be long, gives up its socket.
func (q *pauser) waitFor(p *paused, b blocked) {
	if p.final == closedReset && p.fd >= 0 && b.on != waitInput {
		if q.giveUpSocket(p, closedReset); p.c.overflow == nil {
			q.ready = append(q.ready, p)
			return
		}
	}
	p.blocked = b
	q.counts[b.on].Add(1)
	if b.at != nil {
		b.at.queue = append(b.at.queue, p)
		b.at.wait(1)
	}
	if b.on == waitRoom {
		p.came = b.at.ring.Claimed()
	}
}
