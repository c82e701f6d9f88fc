package server

import "golang.org/x/sys/unix"

// lookMax is the largest record, its frame included, that needs no memory to go on: as much as a look
// sees. What an event loop has gathered of one comes before what is still in the socket.
const lookMax = wholeRead

const (
	wholeRead   = 64 << 10
	frameHeader = 4 // of a length-prefixed frame, as Unread gives it back
)

// read takes what can be taken of a socket. It looks at it (MSG_PEEK), takes the whole records that find
// room, and consumes only their bytes: that takes no memory, and what is left in the socket TCP tells the
// client. So whoever sends records of up to lookMax goes on, however long others hold all the memory there
// is. Of a larger one, or one whose end will not come, all is consumed, but charged before (budget.go).
func (q *pauser) read(p *paused) {
	s, c := q.srv, p.c
	own, looks := q.buf[:0], false
	if c.carry <= lookMax {
		own, looks = c.dec.Unread(own)
	}
	if !looks && !s.memory.mayRead(c) {
		q.waitFor(p, blocked{waitMemory, &q.memory})
		return
	}
	peeked, _, err := unix.Recvfrom(p.fd, q.buf[len(own):len(own)+wholeRead], unix.MSG_PEEK|unix.MSG_DONTWAIT)
	n := max(peeked, 0)
	if n > p.left {
		c.lastRead = s.clock.stamp()
	}
	framed, bytes := c.framed, q.buf[:len(own)+n]
	var o outcome
	needs, consumed := false, n
	if looks {
		var taken int
		o, taken = q.in.look(c, bytes)
		large := n == wholeRead && taken == 0
		endless := n < wholeRead && p.final != closedNot
		needs = o == (outcome{}) && taken < len(bytes) && (large || endless)
		if !needs || !s.memory.mayRead(c) {
			consumed = max(taken-len(own), 0)
		}
		if part := bytes[taken : len(own)+consumed]; len(part) > 0 {
			c.dec.Feed(part)
			q.in.run(c) // yields nothing: it is part of a record
			c.dec.Feed(nil)
		}
		q.in.account(c)
		q.in.counts.bytes.add(uint64(consumed))
	} else {
		o = q.in.take(c, bytes)
	}
	if p.left = n - consumed; p.left > 0 && !p.widened {
		p.widened = true // once: it makes the poll say that there is something
		widen(p.fd)
	}
	consume(p.fd, bytes[len(own):len(own)+consumed])
	c.age(p.left > 0 || c.dec.Unfinished(), framed, s.clock.stamp())
	switch {
	case err == unix.EAGAIN && p.final != closedNot:
		q.end(p, p.final)
	case n == 0 && err == nil && p.final != closedReset:
		q.end(p, closedByClient)
	case n == 0 && err != unix.EAGAIN:
		q.end(p, closedReset)
	case o != (outcome{}):
		q.follow(p, o)
	case needs && p.left > 0:
		q.waitFor(p, blocked{waitMemory, &q.memory})
	case n == wholeRead, p.final != closedNot:
		q.ready = append(q.ready, p)
	default:
		q.waitFor(p, blocked{on: waitInput})
	}
}

// widen makes the kernel take socketRoom bytes at least. It counts a packet until its last byte is read, and
// adds what comes next to it, up to 17 pieces of 32 KiB: what a look leaves could close the
// window, and the rest of the record would never come. (SO_RCVBUF would be the obvious
// way; but it ends the tuning of the buffer for the connection's life.)
func widen(fd int) {
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVLOWAT, socketRoom)
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVLOWAT, 1)
}

const socketRoom = 17*32<<10 + lookMax

// consume reads and drops bytes that have been looked at: they are there.
func consume(fd int, p []byte) {
	for n := 1; n > 0 && len(p) > 0; p = p[max(n, 0):] {
		n, _ = unix.Read(fd, p)
	}
}
