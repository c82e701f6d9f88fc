package server

import (
	"cmp"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ringtail/ringtail/codec"
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
//	            │                      needs memory ────────────────────┼──► memory  the oldest record first
//	            │                      nothing ─────────────────────────┼──► input   bytes, or an end
//	            └───────────────────────────────────────────────────────┘
//
// Whatever a connection waits for, it is advanced again when that has come, when its socket was
// reset, and when the server stops waiting (drain.go). advance looks at everything anew, so a turn
// too many is harmless.
//
// Looking (MSG_PEEK) takes no memory: up to 64 KiB are looked at, the whole records that find room
// are taken, and only their bytes are consumed. The rest stays in the socket, where TCP tells the
// client. So whoever sends records of up to lookMax goes on, however long others hold all
// the memory there is. A larger record waits until it is the oldest of those that
// wait, and is then read here, charged before it is read (budget.go).
//
// Invariants:
//
//  1. The goroutine of run has every connection in all; loops and ack domains post to inbox.
//  2. A connection is in at most one of: ready, a room queue, or with who posts it back.
//  3. Nothing is read of a connection with an overflow, and its end is not run: what was read
//     first is in its ring first. What ended it is looked at last.
//  4. A reset connection that has to wait gives up its socket and its place at once: nothing
//     can be said to it, and it may not keep others out. What was read of it goes on.
type pauser struct {
	srv  *Server
	in   *intake
	buf  []byte
	epfd int
	evfd int // wakes the poll

	handBack func(c *conn, fd int) // to its event loop; the descriptor is its from here on

	all    map[*conn]*paused
	byFD   map[int32]*paused
	ready  []*paused
	rooms  []roomQueue // by ring
	passed time.Time   // of the last tick

	inRooms atomic.Int32 // connections in rooms
	counts  [waits]atomic.Int64
	poked   atomic.Bool

	mu        sync.Mutex
	inbox     []*paused // from loops
	unstalled []*conn   // from ack domains
}

// paused is a connection while the pauser has it.
type paused struct {
	c        *conn
	fd       int    // −1: none could be had, or it was given up
	on       wait   // waitNothing: it is ready, or being advanced
	ring     int    // waitRoom
	turn     uint64 // waitRoom: which entry of the queue is the one that counts
	first    bool   // waitRoom: it had its turn, and still found none
	widened  bool   // its socket takes more than a look
	left     int    // bytes that the last look left in the socket
	failed   codec.Failure
	final    closeReason // why nothing comes behind what the socket holds; closedNot: more may come
	ending   closeReason // its time is up
	finished bool        // its end has run
}

const (
	wholeRead    = 64 << 10
	frameHeader  = 4 // of a length-prefixed frame, as Unfeed gives it back
	roomInterval = time.Millisecond
)

func newPauser(s *Server) (*pauser, error) {
	in, err := newIntake(s)
	if err != nil {
		return nil, err
	}
	return &pauser{
		srv: s, in: in, epfd: -1, evfd: -1, handBack: s.handBack,
		buf:   make([]byte, frameHeader+lookMax+wholeRead),
		all:   make(map[*conn]*paused),
		byFD:  make(map[int32]*paused),
		rooms: make([]roomQueue, len(s.rings)),
	}, nil
}

func (q *pauser) open() (err error) {
	if q.epfd, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return err
	}
	if q.evfd, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err == nil {
		err = unix.EpollCtl(q.epfd, unix.EPOLL_CTL_ADD, q.evfd, &unix.EpollEvent{Fd: -1, Events: unix.EPOLLIN | unix.EPOLLET})
	}
	if err != nil {
		q.close()
	}
	return err
}

func (q *pauser) close() {
	_ = unix.Close(q.epfd)
	if q.evfd >= 0 {
		_ = unix.Close(q.evfd)
	}
}

// pause gives a connection that no loop has any more to the pauser. fd is the pauser's from
// here on; −1: there is none, the connection ends once its overflow is in.
func (s *Server) pause(c *conn, p *paused) {
	p.c, c.paused = c, nil
	s.paused.Add(1)
	s.pauses.Add(1)
	q := s.pauser
	q.mu.Lock()
	q.inbox = append(q.inbox, p)
	q.mu.Unlock()
	q.wake()
}

// resume is the ack domains': the client has taken its lines.
func (s *Server) resume(c *conn) {
	q := s.pauser
	q.mu.Lock()
	q.unstalled = append(q.unstalled, c)
	q.mu.Unlock()
	q.wake()
}

// wake makes the pauser look at its inbox and its rooms. It never blocks, and may be called by
// anybody.
func (q *pauser) wake() {
	if q.poked.CompareAndSwap(false, true) {
		one := [8]byte{1}
		_, _ = unix.Write(q.evfd, one[:])
	}
}

// roomMade is to be called after a ring's freed position has moved.
func (q *pauser) roomMade() {
	if q.inRooms.Load() > 0 {
		q.wake()
	}
}

func (q *pauser) run(stop <-chan struct{}) {
	defer func() { q.poked.Store(true); q.close() }() // who wakes it now finds that somebody has
	events := make([]unix.EpollEvent, 256)
	for !isClosed(stop) {
		if q.inRooms.Load() > 0 && len(q.ready) == 0 {
			time.Sleep(roomInterval) // room comes batch by batch; a turn for each is too many
		}
		n, err := unix.EpollWait(q.epfd, events, q.patience())
		if err != nil && err != unix.EINTR {
			q.srv.warnings.warn("server: polling paused connections", "error", err)
			time.Sleep(time.Millisecond)
		}
		for i := range max(n, 0) {
			q.event(events[i].Fd, events[i].Events)
		}
		q.round(time.Now())
	}
}

// round does what there is to do.
func (q *pauser) round(now time.Time) {
	q.arrivals()
	for ring := range q.rooms {
		q.giveTurns(ring)
	}
	tick := now.Sub(q.passed) >= q.interval()
	if tick {
		q.passed = now
		q.check()
	}
	if q.counts[waitMemory].Load() > 0 && (tick || q.srv.memory.eldest.Load() == 0) {
		q.serveMemory()
	}
	ready := q.ready
	q.ready = nil
	for _, p := range ready {
		q.advance(p)
	}
}

// patience is how long to wait for an event, in milliseconds.
func (q *pauser) patience() int {
	switch {
	case len(q.ready) > 0:
		return 0
	case len(q.all) == 0:
		return -1
	}
	return int(q.interval() / time.Millisecond)
}

func (q *pauser) interval() time.Duration {
	if q.srv.isDraining() {
		return tickIntervalDrain
	}
	return tickInterval
}

func (q *pauser) arrivals() {
	q.poked.Store(false) // first: what comes after this line pokes again
	q.mu.Lock()
	inbox, unstalled := q.inbox, q.unstalled
	q.inbox, q.unstalled = nil, nil
	q.mu.Unlock()
	for _, p := range inbox {
		q.all[p.c] = p
		if p.fd >= 0 {
			q.watch(p)
		} else { // gnet has closed the only one
			q.mute(p.c)
			q.freePlace(p.c, cmp.Or(p.c.why, p.final))
		}
		if p.on != waitRoom {
			q.ready = append(q.ready, p)
			continue
		}
		p.on = waitNothing
		q.waitForRoom(p, p.ring)
	}
	for _, c := range unstalled {
		if p := q.all[c]; p != nil {
			q.rouse(p, waitAcks)
		}
	}
}

func (q *pauser) watch(p *paused) {
	q.byFD[int32(p.fd)] = p
	err := unix.EpollCtl(q.epfd, unix.EPOLL_CTL_ADD, p.fd,
		&unix.EpollEvent{Fd: int32(p.fd), Events: unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLET})
	if err != nil { // the kernel's memory, or its limit of watches: only ticks look at it
		q.srv.warnings.warn("server: cannot watch a connection", "error", err)
	}
}

func (q *pauser) unwatch(p *paused) {
	if p.fd >= 0 {
		delete(q.byFD, int32(p.fd))
		_ = unix.EpollCtl(q.epfd, unix.EPOLL_CTL_DEL, p.fd, nil)
	}
}

// event notes what the poll says of a socket. It is edge-triggered: what a look leaves does not
// come again, more of it does.
func (q *pauser) event(fd int32, events uint32) {
	if fd < 0 {
		var n [8]byte
		_, _ = unix.Read(q.evfd, n[:])
		return
	}
	p := q.byFD[fd]
	if p == nil {
		return
	}
	// Both sides of a TCP connection have ended, and we have not ended ours: it was reset, and a
	// failed write has taken the error.
	hungUp := events&unix.EPOLLHUP != 0 && p.c.farewellAt == 0 && p.c.remote.IsValid()
	switch {
	case events&unix.EPOLLERR != 0 || hungUp:
		q.mute(p.c)
		q.ends(p, closedReset)
	case events&(unix.EPOLLRDHUP|unix.EPOLLHUP) != 0 && p.final == closedNot:
		q.ends(p, closedByClient)
	case p.c.carry <= carryFree || q.fresh(p, carryFree):
		q.rouse(p, waitInput)
	default: // a few bytes more of what a look copies again: the next tick is soon enough
	}
}

// mute says that nothing can be said to c any more.
func (q *pauser) mute(c *conn) {
	if c.acks != nil {
		c.loop.domain.abandon(c.acks)
	}
}

// ends notes that nothing will come behind what the socket holds. Only a reset does not wait.
func (q *pauser) ends(p *paused, why closeReason) {
	p.final = why
	q.rouse(p, waitInput)
	if why == closedReset {
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
	if p.on == waitRoom {
		q.leaveRoom(p)
	} else if c := p.c; p.on == waitAcks {
		c.loop.domain.unstall(c.acks)
	}
	if p.c.unfinished != 0 && p.on != waitMemory && p.on != waitInput {
		p.c.unfinished = q.srv.clock.stamp() // it does not age while it is we who do not read
	}
	q.counts[p.on].Add(-1)
	p.on = waitNothing
}

// waitFor lets p wait. A connection that was reset, and whose wait may be long, goes.
func (q *pauser) waitFor(p *paused, on wait) {
	if p.final == closedReset && p.fd >= 0 && on != waitInput {
		q.giveUpSocket(p)
		if p.c.overflow == nil {
			q.ready = append(q.ready, p)
			return
		}
	}
	p.on = on
	q.counts[on].Add(1)
}

// waiting is how many connections are not read.
func (q *pauser) waiting() (n int64) {
	for _, on := range []wait{waitRoom, waitMemory, waitLines, waitAcks} {
		n += q.counts[on].Load()
	}
	return n
}
