package server

import (
	"cmp"

	"golang.org/x/sys/unix"
)

// takeRead takes the records of a chunk as it was read from the socket fd: encrypted, if the
// connection is.
func (in *intake) takeRead(c *conn, chunk []byte, fd int) outcome {
	t := c.tls
	if t == nil {
		return in.take(c, chunk)
	}
	plain := in.decrypter.decrypt(t, chunk)
	_ = t.flush(fd) // answers and alerts; what finds no room goes out before anything else
	if t.ended == closedTLS {
		in.env.samples.tls(c)
	}
	o := in.take(c, plain)
	if o == (outcome{}) {
		o.failure = t.ended // a close_notify is the client's FIN
	}
	return o
}

// readTLS is read for a TLS connection. To look into ciphertext is to take it: what has been
// decrypted cannot be put back. So the pauser consumes whole TLS records only, and charges them
// before. Nothing of a TLS record that is not whole takes memory: it stays in the socket.
//
// Where memory is used up, those that have something to be read take turns with the reserve
// (budget.go). With whole records that is over with the read. One whose record does not end, or whose
// client does not read its lines, has it until --frame-timeout, and the others wait: unlike plain
// connections, which need no memory. They age meanwhile, but their turn comes before their end: whole
// records are taken, and who has none is closed then, without another --frame-timeout for each.
func (q *pauser) readTLS(p *paused) {
	c := p.c
	if why := c.endSeen(); why != closedNot {
		q.end(p, why)
		return
	}
	peeked, _, err := unix.Recvfrom(p.fd, q.buf[:peekMax], unix.MSG_PEEK|unix.MSG_DONTWAIT)
	n := max(peeked, 0)
	if n > p.left {
		c.lastRead = q.clock.stamp()
	}
	whole := c.tls.whole(q.buf[:n])
	if whole > 0 && !q.memory.chargeRead(c) {
		p.left = n
		c.age(true, c.framed, q.clock.stamp()) // what it waits for may be whole records: check
		q.waitFor(p, blocked{on: waitMemory})
		return
	}
	framed, o := c.framed, outcome{}
	if whole > 0 {
		consume(p.fd, q.buf[:whole])
		o = q.in.takeRead(c, q.buf[:whole], p.fd)
		p.final = cmp.Or(c.endSeen(), p.final)
	}
	if p.left = n - whole; p.left > 0 && !p.widened {
		p.widened = true // as in read
		widen(p.fd)
	}
	c.age(p.left > 0 || c.unfinishedRecord(), framed, q.clock.stamp())
	switch {
	case o != (outcome{}):
		q.follow(p, o)
	case whole > 0:
		q.ready = append(q.ready, p)
	case n > 0 && p.final == closedByClient: // its FIN came inside of a TLS record
		q.end(p, closedTLS)
	case err == unix.EAGAIN && p.final == closedByClient, n == 0 && err == nil && p.final != closedReset:
		q.end(p, c.endOfStream())
	case p.final != closedNot:
		q.end(p, p.final)
	case n == 0 && err != unix.EAGAIN:
		q.end(p, closedReset)
	default:
		q.waitFor(p, blocked{on: waitInput})
	}
}
