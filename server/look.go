package server

import (
	"cmp"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// read takes what can be taken of a socket: by looking, where memory is short; else, or where
// a record does not fit into a look, by reading what has been charged before.
func (q *pauser) read(p *paused) {
	s, c := q.srv, p.c
	buf := q.scratch()
	if c.carry <= ownMax && !p.long && s.memory.spent() {
		if own, ok := c.dec.Unfeed(buf[:0]); ok {
			q.look(p, own)
			return
		}
	}
	if !s.memory.mayRead(c) {
		q.waitFor(p, waitMemory)
		return
	}
	p.long = false
	n, err := read(p.fd, buf[:wholeRead])
	if n <= 0 {
		q.in.account(c)
		q.empty(p, err)
		return
	}
	framed := c.framed
	o := q.in.take(c, buf[:n])
	q.seen(p, 0, true, framed)
	q.follow(p, o)
}

// scratch is the pauser's buffer, while it has connections.
func (q *pauser) scratch() []byte {
	if q.buf == nil {
		q.buf = make([]byte, frameHeader+ownMax+wholeRead)
	}
	return q.buf
}

// look takes the whole records that a socket holds, behind an unfinished one that has been
// taken back out of the decoder: own.
func (q *pauser) look(p *paused, own []byte) {
	c := p.c
	if !p.widened {
		p.widened = true
		widen(p.fd)
	}
	n, err := peek(p.fd, q.buf[len(own):len(own)+wholeRead])
	if n <= 0 {
		q.in.refeed(c, own)
		q.empty(p, err)
		return
	}
	framed := c.framed
	o, taken := q.in.look(c, q.buf[:len(own)+n])
	if taken == 0 {
		q.in.refeed(c, own)
		taken = len(own)
	}
	rest := q.buf[taken : len(own)+n]
	q.take(p, q.buf[len(own):taken])
	if o == (outcome{}) && q.keepTail(p, rest) {
		rest = nil
	}
	q.in.account(c)
	q.seen(p, len(rest), n > p.left, framed)
	switch more := n == wholeRead; {
	case o != (outcome{}):
		q.follow(p, o)
	case more && len(rest) < n, p.final != closedNot && p.left == 0:
		q.ready = append(q.ready, p)
	case more, p.final != closedNot:
		p.long = true
		q.ready = append(q.ready, p)
	default:
		q.waitFor(p, waitInput)
	}
}

// take consumes bytes that have been looked at.
func (q *pauser) take(p *paused, looked []byte) {
	consume(p.fd, looked)
	q.in.counts.bytes.add(uint64(len(looked)))
}

// keepTail takes the beginning of a record into the connection, though memory is short, where it
// keeps the window closed: the rest of the record would never come.
func (q *pauser) keepTail(p *paused, tail []byte) bool {
	c := p.c
	held := int64(c.dec.Held() + len(tail))
	if len(tail) == 0 || powerOfTwo(held) > ownMax || !crammed(p.fd) || !q.srv.memory.extend(c, 2*powerOfTwo(held), q.srv.memory.lines) {
		return false
	}
	q.take(p, tail)
	q.in.refeed(c, tail)
	return true
}

// ownMax is the largest unfinished record that is put in front of what a look sees.
const ownMax = wholeRead

// crammed tells whether a socket's receive buffer is over half full. The kernel counts packets until their
// last byte is read, and adds the next ones to a packet that has been read in part: a few
// bytes that a look leaves can count as all that came before them.
func crammed(fd int) bool {
	var info [9]uint32 // the kernel's SK_MEMINFO_VARS: bytes allocated, and those that may be, come first
	size := uint32(unsafe.Sizeof(info))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_MEMINFO,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	return errno == 0 && info[0] > info[1]/2
}

// empty follows when a socket holds nothing, with the error of reading it.
func (q *pauser) empty(p *paused, err error) {
	switch {
	case err == unix.EAGAIN && p.final == closedNot:
		q.waitFor(p, waitInput)
	case err == unix.EAGAIN:
		q.end(p, p.final)
	case err != nil || p.final == closedReset:
		q.end(p, closedReset)
	default:
		q.end(p, closedByClient)
	}
}

// seen keeps what deadlines go by.
func (q *pauser) seen(p *paused, left int, fresh bool, framed uint64) {
	c, now := p.c, q.srv.clock.stamp()
	if fresh {
		c.lastRead = now
	}
	p.left = left
	switch {
	case left == 0 && !c.dec.Unfinished():
		c.unfinished = 0
	case c.unfinished == 0 || c.framed != framed:
		c.unfinished = now
	}
}

// serveMemory gives those who wait for memory their turns, the oldest records first.
func (q *pauser) serveMemory() {
	waiting := q.oldestFirst()
	for i, p := range waiting {
		if !q.srv.memory.mayRead(p.c) {
			q.srv.warnings.warn("server: unfinished records wait for memory; raise --client-memory, or lower --frame-timeout",
				"waiting", len(waiting)-i, "bytes", q.srv.memory.held(), "limit", q.srv.memory.limit)
			return
		}
		q.rouse(p, waitMemory)
	}
}

func (q *pauser) oldestFirst() []*paused {
	var list []*paused
	for _, p := range q.all {
		if p.on == waitMemory {
			list = append(list, p)
		}
	}
	slices.SortFunc(list, func(a, b *paused) int {
		return cmp.Or(cmp.Compare(a.c.unfinished, b.c.unfinished), cmp.Compare(a.c.id, b.c.id))
	})
	return list
}

// refeed puts back what Unfeed took, or what a look left.
func (in *intake) refeed(c *conn, part []byte) {
	if len(part) > 0 {
		c.dec.Feed(part)
		in.run(c) // yields nothing: it is part of a record
		c.dec.Feed(nil)
	}
}

// socketRoom is what a paused connection's socket is to take. The kernel counts a packet, of up
// to 64 KiB, until its last byte is read: what a look leaves of one could close the window,
// and the rest of the record would never come.
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
