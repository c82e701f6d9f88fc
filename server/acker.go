package server

import (
	"context"
	"time"

	"golang.org/x/sys/unix"
)

// The acker is the domain's goroutine: it looks what the rings have done, and
// says it. It sleeps until poked, and groups: at most one pass a millisecond or
// so, hence at most one acked line a connection in that time.
//
// A connection whose reading has ended lingers here with a descriptor of its own
// until everything is said; then it parts: our FIN, its FIN, or a second, and the
// descriptor is closed. (Closing at once, with bytes unread, would be a reset, and
// could take the last acks from the client's hands.)
const (
	passInterval  = time.Millisecond
	retryInterval = 5 * time.Millisecond
	backoffMax    = int64(200 * time.Millisecond)
	backoffMin    = int64(2 * time.Millisecond)
	partingTime   = int64(time.Second)
	flushBytesMax = 64 << 10 // written to one connection at a time
)

func (d *ackDomain) run(stop <-chan struct{}) {
	timer := time.NewTimer(retryInterval)
	defer timer.Stop()
	for {
		var retry <-chan time.Time
		if d.restless() {
			timer.Reset(retryInterval)
			retry = timer.C
		}
		select {
		case <-stop:
			return
		case <-d.poke:
		case <-retry:
		}
		d.pass()
		time.Sleep(passInterval)
	}
}

// restless tells whether somebody is to be looked at again without a poke.
func (d *ackDomain) restless() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.blocked)+len(d.parting)+len(d.dirty) > 0
}

// pass settles what the rings have done and writes what there is to say. It gives
// the mutex back between connections: event loops wait for it.
func (d *ackDomain) pass() {
	d.poked.Store(false) // first: a move after this line pokes again
	d.mu.Lock()
	for i := range d.queues {
		d.settleRing(i)
	}
	dirty := d.dirty
	d.dirty = d.spare[:0]
	d.mu.Unlock()
	for i, a := range dirty {
		d.mu.Lock()
		a.inDirty = false
		d.flush(a)
		d.mu.Unlock()
		dirty[i] = nil
	}
	d.spare = dirty[:0]
	d.retryBlocked()
	d.partAll()
}

func (d *ackDomain) settleRing(i int) {
	q := &d.queues[i]
	if q.n == 0 {
		return
	}
	acked := d.rings[i].Acked()
	for q.n > 0 && q.items[q.head].end <= acked {
		it := q.pop()
		d.settle(it.a, it.seq)
		if it.a.unsaid() {
			d.touch(it.a)
		}
	}
}

// flush writes what a has to say. mu is held.
func (d *ackDomain) flush(a *ackState) {
	if a.broken || a.fd < 0 {
		return
	}
	for written := 0; written < flushBytesMax; {
		line, carried := []byte(nil), a.unsent != nil && len(a.unsent.out) > 0
		if carried {
			line = a.unsent.out
		} else if line = d.lines(a); len(line) == 0 {
			d.allSaid(a)
			return
		}
		n, err := d.opt.write(int(a.fd), line)
		if n = max(n, 0); n > 0 {
			a.took = d.opt.clock()
			a.backoff = 0
			written += n
		}
		if carried || n < len(line) {
			u := d.needUnsent(a)
			u.out = append(u.out[:0], line[n:]...)
		}
		if err == unix.EAGAIN {
			d.block(a)
			return
		}
		if err != nil && err != unix.EINTR {
			d.giveUp(a)
			return
		}
	}
	d.touch(a) // others first
}

// lines formats rejected lines, and behind the last of them the newest acked.
func (d *ackDomain) lines(a *ackState) []byte {
	buf := d.scratch[:0]
	if u := a.unsent; u != nil {
		for !u.rejects.empty() && len(buf) < scratchBytes-2*lineMax {
			buf = appendRejected(buf, u.rejects.pop(), a.framing)
		}
		if !u.rejects.empty() {
			return buf
		}
	}
	if a.done > a.told {
		buf = appendAcked(buf, a.done, a.framing)
		a.told = a.done
	}
	return buf
}

// allSaid follows when a client has been told everything there is so far.
func (d *ackDomain) allSaid(a *ackState) {
	d.dropUnsent(a)
	if a.stalled {
		a.stalled = false
		d.opt.resume(a.conn)
	}
	if a.phase == ackLingering && a.open == nil {
		d.part(a)
	}
}

func (d *ackDomain) block(a *ackState) {
	a.backoff = int32(min(max(2*int64(a.backoff), backoffMin), backoffMax))
	a.retryAt = d.opt.now() + int64(a.backoff)
	if !a.blocked {
		a.blocked = true
		d.blocked = append(d.blocked, a)
	}
}

// retryBlocked tries those whose socket was full, and ends those who have taken
// nothing for too long. A client that still reads is never ended while Kafka owes
// it an ack.
func (d *ackDomain) retryBlocked() {
	d.mu.Lock()
	defer d.mu.Unlock()
	now, served := d.opt.now(), d.opt.clock()
	list := d.blocked
	d.blocked = d.blocked[:0]
	for _, a := range list {
		if a.broken {
			a.blocked = false
			continue
		}
		if now < a.retryAt {
			d.blocked = append(d.blocked, a)
			continue
		}
		a.blocked = false
		if limit := d.patience(a); limit > 0 && served-a.took > limit {
			d.disown(a, closedIdle)
			continue
		}
		d.flush(a)
	}
	clear(list[len(d.blocked):])
}

func (d *ackDomain) patience(a *ackState) int64 {
	if a.phase == ackLingering && a.open == nil {
		return d.opt.lingerTimeout
	}
	return d.opt.idleTimeout
}

// giveUp follows a failed write: the client is gone, nothing more can be said.
// Whoever reads the connection learns it from the socket.
func (d *ackDomain) giveUp(a *ackState) {
	a.broken = true
	d.dropUnsent(a)
	d.dropCheckpoints(a)
	if a.stalled {
		a.stalled = false
		d.opt.resume(a.conn)
	}
	if a.phase == ackLingering {
		d.bury(a)
	}
}

// disown ends a client that has taken nothing for too long.
func (d *ackDomain) disown(a *ackState, why closeReason) {
	if a.phase == ackLingering {
		a.reason = why
	} else {
		d.opt.kill(a.conn, a.conn.gc, why)
	}
	d.giveUp(a)
}

// linger takes over a connection whose reading has ended. It answers false, and
// takes nothing, if nothing can be said to it any more, or nothing is owed to it and
// there need be no farewell. fd is the caller's until this answers true; −1 is none.
func (d *ackDomain) linger(a *ackState, fd int, why closeReason, farewell bool) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	a.fd, a.conn.gc = -1, nil
	if fd < 0 || a.broken || why == closedReset || (a.open == nil && !a.unsaid() && !farewell) {
		d.giveUp(a)
		return false
	}
	a.fd, a.phase, a.reason = int32(fd), ackLingering, why
	a.took = d.opt.clock()
	d.ended[a] = struct{}{}
	d.touch(a)
	d.wake()
	return true
}

// owes tells whether a connection that ends now would have to linger.
func (d *ackDomain) owes(a *ackState) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return !a.broken && (a.open != nil || a.unsaid())
}

// stall says that the connection, in nobody's hands now, is to be resumed once it
// has taken its lines. It answers false if it has taken them already.
func (d *ackDomain) stall(a *ackState) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	a.stalled = a.mustStall()
	return a.stalled
}

// unstall says that the connection need not be resumed any more.
func (d *ackDomain) unstall(a *ackState) {
	d.mu.Lock()
	defer d.mu.Unlock()
	a.stalled = false
}

// abandon takes back the descriptor of a connection that was reset: nothing more is written.
func (d *ackDomain) abandon(a *ackState) {
	d.mu.Lock()
	defer d.mu.Unlock()
	a.fd, a.conn.gc = -1, nil
	d.giveUp(a)
}

// part sends our FIN and waits for the client's.
func (d *ackDomain) part(a *ackState) {
	a.phase = ackParting
	a.broken = true // nothing is written behind the FIN
	d.dropUnsent(a)
	d.dropCheckpoints(a)
	_ = unix.Shutdown(int(a.fd), unix.SHUT_WR)
	if discard(int(a.fd)) {
		d.bury(a)
		return
	}
	a.retryAt = d.opt.clock() + partingTime
	d.parting = append(d.parting, a)
}

func (d *ackDomain) partAll() {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.opt.clock()
	list := d.parting
	d.parting = d.parting[:0]
	for _, a := range list {
		if discard(int(a.fd)) || now >= a.retryAt {
			d.bury(a)
		} else {
			d.parting = append(d.parting, a)
		}
	}
	clear(list[len(d.parting):])
}

// discard reads and drops what a client still sends; true: it has ended.
func discard(fd int) bool {
	var buf [4096]byte
	for range 16 {
		n, err := unix.Read(fd, buf[:])
		if err == unix.EINTR {
			continue
		}
		if err == unix.EAGAIN {
			return false
		}
		if n <= 0 {
			return true
		}
	}
	return false
}

// bury closes the descriptor of a connection that has ended.
func (d *ackDomain) bury(a *ackState) {
	a.broken = true
	d.dropUnsent(a)
	d.dropCheckpoints(a)
	_ = unix.Close(int(a.fd))
	a.fd = -1
	delete(d.ended, a)
	d.opt.gone(a.conn, a.reason)
}

// finish says the last of it, after the writer has drained, and closes all that
// linger: politely until ctx is done, at once then. What is still open now will
// never be done: those clients are told what has been. The acker must have ended.
func (d *ackDomain) finish(ctx context.Context) {
	for {
		d.pass()
		d.mu.Lock()
		for a := range d.ended {
			switch {
			case ctx.Err() != nil:
				d.bury(a)
			case a.phase == ackLingering && a.said():
				d.part(a)
			}
		}
		left := len(d.ended)
		if left == 0 {
			d.parting, d.blocked = nil, nil
		}
		d.mu.Unlock()
		if left == 0 {
			return
		}
		time.Sleep(passInterval)
	}
}

// said tells whether all that can be said has been.
func (a *ackState) said() bool {
	return a.done == a.told && a.unsent == nil
}
