package server

import "golang.org/x/sys/unix"

// peekMax is the size, its frame included, up to which a record needs no memory to go on: as much
// as one peek reads. What an event loop has gathered of a record counts, before what is in the
// socket.
const peekMax = 64 << 10

const frameHeader = 4 // of a length-prefixed frame, as Unread gives it back

// read takes what can be taken of a socket. It peeks (MSG_PEEK), takes the whole records that find
// room, and consumes only their bytes. That needs no memory, and what is left in the socket closes
// TCP's window. So a client that sends records of up to peekMax goes on, however long others use
// all the memory there is. If a record is larger, or its end will not come, all bytes are consumed,
// but they are charged first (budget.go).
func (q *pauser) read(p *paused) {
	c := p.c
	if c.tls != nil {
		q.readTLS(p)
		return
	}
	own, peeks := q.buf[:0], false
	if c.partial <= peekMax {
		own, peeks = c.dec.Unread(own)
	}
	if !peeks && !q.memory.chargeRead(c) {
		q.waitFor(p, blocked{on: waitMemory})
		return
	}
	peeked, _, err := unix.Recvfrom(p.fd, q.buf[len(own):len(own)+peekMax], unix.MSG_PEEK|unix.MSG_DONTWAIT)
	n := max(peeked, 0)
	if n > p.left {
		c.lastRead = q.clock.stamp()
	}
	framed, bytes := c.framed, q.buf[:len(own)+n]
	var o outcome
	needsMemory, consumed := false, n
	if peeks {
		var taken int
		o, taken = q.in.peek(c, bytes)
		large := n == peekMax && taken == 0
		endless := n < peekMax && p.final != closedNot
		needsMemory = o == (outcome{}) && taken < len(bytes) && (large || endless)
		if !needsMemory || !q.memory.chargeRead(c) {
			consumed = max(taken-len(own), 0)
		}
		if begun := bytes[taken : len(own)+consumed]; len(begun) > 0 {
			c.dec.Feed(begun)
			q.in.run(c) // takes nothing: it is a part of a record
			c.dec.Feed(nil)
		}
		q.in.account(c)
		q.in.countsOf(c).bytes.add(uint64(consumed))
		q.in.note(c, consumed)
	} else {
		o = q.in.take(c, bytes)
	}
	if p.left = n - consumed; p.left > 0 && !p.widened {
		p.widened = true // once: it makes epoll report the socket
		widen(p.fd)
	}
	consume(p.fd, bytes[len(own):len(own)+consumed])
	c.age(p.left > 0 || c.dec.Unfinished(), framed, q.clock.stamp())
	switch {
	case err == unix.EAGAIN && p.final != closedNot:
		q.end(p, p.final)
	case n == 0 && err == nil && p.final != closedReset:
		q.end(p, closedByClient)
	case n == 0 && err != unix.EAGAIN:
		q.end(p, closedReset)
	case o != (outcome{}):
		q.follow(p, o)
	case needsMemory && p.left > 0:
		q.waitFor(p, blocked{on: waitMemory})
	case n == peekMax, p.final != closedNot:
		q.ready = append(q.ready, p)
	default:
		q.waitFor(p, blocked{on: waitInput})
	}
}

// socketRoom is how much a socket has to hold whose bytes are peeked at.
const socketRoom = 17*32<<10 + peekMax

// consume reads and drops bytes that were peeked at, so they are there.
func consume(fd int, p []byte) {
	for n := 1; n > 0 && len(p) > 0; p = p[max(n, 0):] {
		n, _ = unix.Read(fd, p)
	}
}
