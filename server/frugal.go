package server

import (
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ringtail/ringtail/codec"
)

// A frugal reader looks after connections while --client-memory is used up: it reads
// without holding anything. There is one beside each event loop, asleep as long as
// there is memory.
//
//	    socket                     the reader's buffer           rings
//	┌──────┬──────┬────┐  peek   ┌──────┬──────┬────┐  whole   ┌──────┬──────┐
//	│ rec  │ rec  │ re │ ──────► │ rec  │ rec  │ re │ ───────► │ rec  │ rec  │
//	└──────┴──────┴────┘         └──────┴──────┴────┘ records  └──────┴──────┘
//	└──────────────┘ read and dropped, now that the rings have it
//
// A step looks at up to 64 KiB (MSG_PEEK), takes records as long as they are whole
// and their rings have room, and only then consumes their bytes. The rest stays in the
// socket, so it takes no memory of ours, and TCP stops the client in time. Whoever
// sends records that fit into a read goes on like this for as long as it takes. Who
// needs a ring that is full leaves, holding nothing, and comes back when there is room. Who has
// a record under way that does not fit waits for memory (guest.needs): the oldest
// record first.
//
// An unfinished record of up to carryFree that the connection brought along is taken
// back out of its decoder for the step, and put in front of what the socket holds. So it
// costs nothing but itself.
//
// The poll is edge-triggered: what a step leaves does not wake the reader again, more
// of it does. A guest belongs to the reader's goroutine from add until leave.
type frugal struct {
	srv    *Server
	in     *intake
	buf    []byte
	epfd   int
	n      atomic.Int32 // guests, for placing
	wake   chan struct{}
	again  []*guest // whose socket holds more than a step looks at
	passed time.Time
	warnAt time.Time // the next line that says somebody waits

	mu     sync.Mutex
	guests map[int32]*guest // by descriptor
}

type guest struct {
	c     *conn
	fd    int
	left  int         // bytes that the last step left in the socket
	needs bool        // waits for memory
	gone  bool        // has left
	final closeReason // why nothing comes behind what the socket holds, or closedNot
}

const frameHeader = 4 // of a length-prefixed frame, as Unfeed gives it back

func newFrugal(s *Server) (*frugal, error) {
	in, err := newIntake(s)
	if err != nil {
		return nil, err
	}
	s.intakes = append(s.intakes, in)
	return &frugal{
		srv:    s,
		in:     in,
		epfd:   -1,
		wake:   make(chan struct{}, 1),
		guests: make(map[int32]*guest),
	}, nil
}

// open makes the poll. It is closed by run.
func (f *frugal) open() (err error) {
	f.epfd, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	return err
}

// beFrugal gives a parked connection to the frugal reader that has the fewest. Any
// goroutine may call it, and has the connection no more.
func (s *Server) beFrugal(c *conn) {
	f := s.frugals[0]
	for _, g := range s.frugals[1:] {
		if g.n.Load() < f.n.Load() {
			f = g
		}
	}
	s.memory.charge(c, c.carry) // nothing is charged ahead here
	if c.carry <= carryFree {
		s.memory.recordEnded(c)
	}
	s.spared.Add(1)
	widen(int(c.parkFD))
	f.n.Add(1)
	g := &guest{c: c, fd: int(c.parkFD)}
	f.mu.Lock()
	f.guests[c.parkFD] = g
	err := unix.EpollCtl(f.epfd, unix.EPOLL_CTL_ADD, g.fd,
		&unix.EpollEvent{Fd: c.parkFD, Events: unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLET})
	f.mu.Unlock()
	if err != nil { // the kernel's memory, or its limit of watches: no event will come
		s.warnings.warn("server: cannot watch a connection", "error", err)
	}
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// leave ends the reader's part. The caller has the connection then.
func (f *frugal) leave(g *guest) *conn {
	g.gone = true
	f.mu.Lock()
	delete(f.guests, int32(g.fd))
	_ = unix.EpollCtl(f.epfd, unix.EPOLL_CTL_DEL, g.fd, nil)
	f.mu.Unlock()
	f.n.Add(-1)
	f.need(g, false)
	f.srv.spared.Add(-1)
	return g.c
}

func (f *frugal) need(g *guest, needs bool) {
	if g.needs != needs {
		g.needs = needs
		if needs {
			f.srv.needy.Add(1)
		} else {
			f.srv.needy.Add(-1)
		}
	}
}

// run is the reader's goroutine.
func (f *frugal) run(stop <-chan struct{}) {
	defer unix.Close(f.epfd)
	events := make([]unix.EpollEvent, 256)
	for {
		if f.n.Load() == 0 {
			f.buf = nil
			select {
			case <-stop:
				return
			case <-f.wake:
				continue
			}
		}
		if f.buf == nil {
			f.buf = make([]byte, frameHeader+carryFree+wholeRead)
		}
		n, err := unix.EpollWait(f.epfd, events, f.patience())
		if err != nil && err != unix.EINTR {
			f.srv.warnings.warn("server: frugal reader", "error", err)
			time.Sleep(time.Millisecond)
		}
		again := f.again
		f.again = nil
		for i := range max(n, 0) {
			f.event(&events[i])
		}
		for _, g := range again {
			if !g.gone {
				f.step(g)
			}
		}
		if now := time.Now(); now.Sub(f.passed) >= f.interval() {
			f.passed = now
			f.check()
		}
		if isClosed(stop) {
			return
		}
	}
}

// patience is how long to wait for an event, in milliseconds.
func (f *frugal) patience() int {
	if len(f.again) > 0 {
		return 0
	}
	return int(f.interval() / time.Millisecond)
}

func (f *frugal) interval() time.Duration {
	if f.srv.isDraining() {
		return tickIntervalDrain
	}
	return tickInterval
}

func (f *frugal) event(ev *unix.EpollEvent) {
	f.mu.Lock()
	g := f.guests[ev.Fd]
	f.mu.Unlock()
	if g == nil {
		return
	}
	switch before := g.final; {
	case ev.Events&(unix.EPOLLHUP|unix.EPOLLERR) != 0:
		g.final = closedReset
	case ev.Events&unix.EPOLLRDHUP != 0 && before != closedReset:
		g.final = closedByClient
	}
	if !g.needs || g.final != closedNot {
		f.step(g)
	}
}

// step takes what can be taken of one guest.
func (f *frugal) step(g *guest) {
	s, c := f.srv, g.c
	switch {
	case g.final != closedReset && !s.memory.spent() && c.carry <= carryFree:
		c = f.leave(g)
		s.spawn(func() { s.unpark(c, true) })
		return
	case c.carry > carryFree:
		f.tooLarge(g)
		return
	}
	own, ok := c.dec.Unfeed(f.buf[:0])
	if !ok { // it is being skipped, to an end that may be far
		f.tooLarge(g)
		return
	}
	n, err := peek(g.fd, f.buf[len(own):len(own)+wholeRead])
	if n <= 0 {
		f.in.refeed(c, own)
		f.empty(g, err)
		return
	}
	framed := c.framed
	o, taken := f.in.sip(c, f.buf[:len(own)+n])
	if taken == 0 {
		f.in.refeed(c, own)
	} else {
		taken -= len(own)
		consume(g.fd, f.buf[len(own):][:taken])
		f.in.counts.bytes.add(uint64(taken))
	}
	f.in.account(c, o.held)
	f.seen(g, n-taken, n > g.left, framed)
	f.next(g, o, n == wholeRead, taken > 0)
}

// empty follows when a socket holds nothing, with the error of reading it.
func (f *frugal) empty(g *guest, err error) {
	switch {
	case err == unix.EAGAIN && g.final == closedNot: // another event's bytes
	case err == unix.EAGAIN:
		f.end(g, g.final)
	case err != nil || g.final == closedReset:
		f.end(g, closedReset)
	default:
		f.end(g, closedByClient)
	}
}

// next decides what a step that has looked at something leads to.
func (f *frugal) next(g *guest, o outcome, more, progress bool) {
	s := f.srv
	switch ring := f.in.blocked; {
	case o.failure != 0:
		why := closedStream
		if o.failure == codec.Foreign {
			why = closedForeign
		}
		f.end(g, why)
	case o.held != nil || o.stalled:
		c := f.leave(g)
		c.held = o.held
		s.spawn(func() { s.waitHeld(c) })
	case ring >= 0:
		c := f.leave(g)
		s.spawn(func() { s.waitRoom(c, ring) })
	case more && progress, g.final != closedNot && g.left == 0:
		f.again = append(f.again, g)
	case more, g.final != closedNot:
		f.tooLarge(g)
	}
}

// seen keeps what deadlines go by.
func (f *frugal) seen(g *guest, left int, fresh bool, framed uint64) {
	c, now := g.c, f.srv.clock.stamp()
	if fresh {
		c.lastRead = now
	}
	g.left = left
	switch {
	case left == 0 && !c.dec.Unfinished():
		c.unfinished = 0
	case c.unfinished == 0 || c.framed != framed:
		c.unfinished = now
	}
}

// tooLarge follows when a guest cannot go on without memory. Nothing more than one
// read follows what comes last, however: that is charged, and taken.
func (f *frugal) tooLarge(g *guest) {
	if g.final == closedNot || !f.swallow(g) {
		f.need(g, true)
	}
}

// swallow reads once as an event loop does, for a guest that has ended: what it makes
// has been charged before. It answers false if there is no memory for that, and somebody
// else is the eldest; without that, ended guests that hold all there is would wait for
// each other for ever.
func (f *frugal) swallow(g *guest) bool {
	s, c := f.srv, g.c
	n, err := peek(g.fd, f.buf[:wholeRead])
	if n <= 0 {
		f.empty(g, err)
		return true
	}
	need := ahead(c.carry, s.memory.maxRecord) + f.growth(n)
	if !s.memory.extend(c, need, s.memory.closing) &&
		!(s.memory.becomeEldest(c) && s.memory.extend(c, need, s.memory.closing)) {
		return false
	}
	f.need(g, false)
	consume(g.fd, f.buf[:n])
	o := f.in.take(c, f.buf[:n])
	f.in.blocked, g.left = -1, 0
	f.next(g, o, false, true)
	return true
}

// growth is what so many bytes can become while they wait for room.
func (f *frugal) growth(n int) int64 {
	if f.srv.deadLane >= 0 {
		return int64(n) * lettersGrowth / (wholeRead + carryFree)
	}
	return int64(n) * readGrowth / (wholeRead + carryFree)
}

// end ends a guest.
func (f *frugal) end(g *guest, why closeReason) {
	c := f.leave(g)
	f.srv.spawn(func() { f.srv.endParked(c, why) })
}

// room is what a chunk has seen of a ring.
type room uint8

const (
	roomUnknown room = iota
	roomFree
	roomNone
)

// hasRoom tells whether the ring of the record in in.rec has room for what a read
// brings, and nobody waits for it. Between this look and the claim others may take it;
// then the records are held, once a ring, for there is a waiter from then on.
func (in *intake) hasRoom(rec *codec.Record) bool {
	ring := rec.Shard
	if rec.Reason != codec.OK {
		if ring = in.srv.deadLane; ring < 0 || rec.Reason == codec.Unauthorized {
			return true
		}
	}
	if in.rooms[ring] == roomUnknown {
		in.rooms[ring] = roomNone
		if in.srv.pressure.claiming[ring].Load() == 0 && in.srv.pressure.roomy(ring) {
			in.rooms[ring] = roomFree
		}
	}
	if in.rooms[ring] == roomNone {
		in.blocked = ring
		return false
	}
	return true
}

// sip is take for a chunk that is only looked at: it takes whole records, up to the
// first whose ring has no room, and leaves no carry. It answers how many bytes of the
// chunk those are. The decoder must stand between two records. The caller accounts.
func (in *intake) sip(c *conn, chunk []byte) (o outcome, taken int) {
	in.sparing, in.blocked, in.rest = true, -1, len(chunk)
	c.dec.Feed(chunk)
	o = in.run(c)
	in.sparing = false
	clear(in.rooms)
	if o.failure = c.dec.Failure(); o.failure != 0 {
		in.srv.samples.stream(c)
	}
	taken = len(chunk) - in.rest
	if in.blocked < 0 && !c.dec.Unfinished() {
		taken = len(chunk) // what is behind the last record is white space
	}
	c.dec.Drop()
	c.dec.Feed(nil)
	return o, taken
}

// refeed puts back what Unfeed took.
func (in *intake) refeed(c *conn, own []byte) {
	if len(own) > 0 {
		c.dec.Feed(own)
		in.run(c) // yields nothing: it is part of a record
		c.dec.Feed(nil)
	}
}

// socketRoom is what a guest's socket is to take. The kernel counts a packet, of up to
// 64 KiB, until its last byte is read: what a step leaves of one could close the
// window, and the rest of the record would never come.
const socketRoom = 4 * wholeRead

// widen makes the kernel take socketRoom bytes at least. (SO_RCVBUF would be the
// obvious way; but it ends the tuning of the buffer for the connection's life.)
func widen(fd int) {
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVLOWAT, socketRoom)
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVLOWAT, 1)
}

func peek(fd int, p []byte) (int, error) {
	for {
		n, _, err := unix.Recvfrom(fd, p, unix.MSG_PEEK|unix.MSG_DONTWAIT)
		if err != unix.EINTR {
			return n, err
		}
	}
}

func read(fd int, p []byte) (int, error) {
	for {
		n, err := unix.Read(fd, p)
		if err != unix.EINTR {
			return n, err
		}
	}
}

// consume reads and drops bytes that have been looked at: they are there.
func consume(fd int, p []byte) {
	for len(p) > 0 {
		n, err := read(fd, p)
		if n <= 0 || err != nil {
			return
		}
		p = p[n:]
	}
}
