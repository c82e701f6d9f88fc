package server

import (
	"cmp"
	"slices"

	"golang.org/x/sys/unix"
)

// lookMax is the largest record, its frame included, that needs no memory to go on: as much as a look
// sees. What an event loop has gathered of one comes before what is still in the socket.
const lookMax = wholeRead

// read takes what can be taken of a socket. It looks at it, takes the whole records, and consumes only
// their bytes; all else only where a record does not fit into a look, or its end will not come, and once
// it has been charged.
func (q *pauser) read(p *paused) {
	s, c := q.srv, p.c
	own, looks := q.buf[:0], false
	if c.carry <= lookMax {
		own, looks = c.dec.Unfeed(own)
	}
	if !looks && !s.memory.mayRead(c) {
		q.waitFor(p, waitMemory)
		return
	}
	n, err := peek(p.fd, q.buf[len(own):len(own)+wholeRead])
	if n <= 0 {
		q.in.refeed(c, own)
		q.in.account(c)
		q.empty(p, err)
		return
	}
	framed, seen := c.framed, q.buf[:len(own)+n]
	taken, needs, o := len(seen), false, outcome{}
	if looks {
		o, taken = q.in.look(c, seen)
		needs = o == (outcome{}) && taken < len(seen) && (n == wholeRead && taken == 0 || n < wholeRead && p.final != closedNot)
		keep := max(taken, len(own)) // what is not to be in the socket any more
		if needs && s.memory.mayRead(c) {
			keep = len(seen)
		} else if keep < len(seen) && !p.widened {
			p.widened = true // once: it makes the poll say that there is something
			widen(p.fd)
		}
		q.in.refeed(c, seen[taken:keep])
		q.in.account(c)
		q.in.counts.bytes.add(uint64(keep - len(own)))
		taken = keep
	} else {
		o = q.in.take(c, seen)
	}
	consume(p.fd, seen[len(own):taken])
	q.seen(p, len(seen)-taken, n > p.left, framed)
	switch {
	case o != (outcome{}):
		q.follow(p, o)
	case needs && p.left > 0:
		q.waitFor(p, waitMemory)
	case n == wholeRead, p.final != closedNot:
		q.ready = append(q.ready, p)
	default:
		q.waitFor(p, waitInput)
	}
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

// widen makes the kernel take socketRoom bytes at least. It counts a packet until its last byte is read, and
// adds what comes next to it, up to 17 pieces of 32 KiB: what a look leaves could close the
// window, and the rest of the record would never come. (SO_RCVBUF would be the obvious
// way; but it ends the tuning of the buffer for the connection's life.)
func widen(fd int) {
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVLOWAT, socketRoom)
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVLOWAT, 1)
}

const socketRoom = 17*32<<10 + lookMax

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
