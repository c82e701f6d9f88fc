package ack

import (
	"context"
	"time"

	"golang.org/x/sys/unix"
)

// The acker is the domain's goroutine. It reads from the rings which batches are done, and tells
// the clients. It sleeps until it is poked, and makes one pass a millisecond at most, so a
// connection gets at most one acked line in that time.
//
// A connection whose reading has ended lingers here, with a descriptor of its own, until everything
// is said. Then the domain half-closes it: it sends our FIN, waits for the client's, a second at
// most, and closes the descriptor. (Closing at once, with bytes unread, would be a reset, and the
// client could lose its last acks.)
const (
	passInterval   = time.Millisecond
	retryInterval  = 5 * time.Millisecond
	backoffMax     = int64(200 * time.Millisecond)
	backoffMin     = int64(2 * time.Millisecond)
	halfClosedTime = int64(time.Second)
	flushBytesMax  = 64 << 10 // written to one connection at a time
)

// Run is the acker. It returns when stop is closed.
func (d *Domain[C]) Run(stop <-chan struct{}) {
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
		d.Pass()
		time.Sleep(passInterval)
	}
}

// restless returns whether there is something to do without a poke.
func (d *Domain[C]) restless() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.blocked)+len(d.halfClosed)+len(d.dirty) > 0
}

// Pass completes the batches that are done, and writes what there is to say. It unlocks the mutex
// between connections, because event loops wait for it. Run calls it; tests that have no acker do.
func (d *Domain[C]) Pass() {
	d.poked.Store(false) // first: a move after this line pokes again
	d.mu.Lock()
	for i := range d.queues {
		d.completeRing(i)
	}
	dirty := d.dirty
	d.dirty = d.otherDirty[:0]
	d.mu.Unlock()
	for i, a := range dirty {
		d.mu.Lock()
		a.inDirty = false
		d.flush(a)
		d.mu.Unlock()
		dirty[i] = nil
	}
	d.otherDirty = dirty[:0]
	d.retryBlocked()
	d.closeHalfClosed()
}

func (d *Domain[C]) completeRing(i int) {
	q := &d.queues[i]
	if q.n == 0 {
		return
	}
	acked := d.rings[i].Acked()
	for q.n > 0 && q.items[q.head].end <= acked {
		it := q.pop()
		d.completeBatch(it.a, it.seq)
		if it.a.unsaid() {
			d.touch(it.a)
		}
	}
}

// flush writes what there is to say to a client. The caller has locked mu.
func (d *Domain[C]) flush(a *Conn[C]) {
	if a.broken || a.fd < 0 {
		return
	}
	for written := 0; written < flushBytesMax; {
		var line []byte
		begun := a.unsent != nil && len(a.unsent.out) > 0
		if begun {
			line = a.unsent.out
		} else if line = d.lines(a); len(line) == 0 {
			d.allSaid(a)
			return
		}
		n, err := d.opt.Write(a.owner, int(a.fd), line)
		if n = max(n, 0); n > 0 || err == ErrPart {
			a.took = d.opt.Clock()
			a.backoff = 0
			written += n
		}
		if begun || n < len(line) {
			u := d.needUnsent(a)
			u.out = append(u.out[:0], line[n:]...)
		}
		if err == unix.EAGAIN || err == ErrPart {
			d.block(a)
			return
		}
		if err != nil && err != unix.EINTR {
			d.giveUp(a)
			return
		}
	}
	d.touch(a) // the rest in the next pass: others come first
}

// lines formats rejected lines and, behind the last of them, the newest acked line.
func (d *Domain[C]) lines(a *Conn[C]) []byte {
	buf := d.scratch[:0]
	if a.hello {
		a.hello = false
		return appendAcked(buf, 0, a.framing)
	}
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

// allSaid does what follows when a client has been told everything there is so far.
func (d *Domain[C]) allSaid(a *Conn[C]) {
	d.dropUnsent(a)
	if a.stalled {
		a.stalled = false
		d.opt.Resume(a.owner)
	}
	if a.phase == phaseLingering && a.open == nil {
		d.halfClose(a)
	}
}

// block has the acker try a full socket again later, more and more rarely.
func (d *Domain[C]) block(a *Conn[C]) {
	a.backoff = int32(min(max(2*int64(a.backoff), backoffMin), backoffMax))
	a.retryAt = d.opt.Now() + int64(a.backoff)
	if !a.blocked {
		a.blocked = true
		d.blocked = append(d.blocked, a)
	}
}

// retryBlocked writes to the clients whose sockets were full, and ends those that have taken
// nothing for too long. A client that still reads is never ended while Kafka owes it an ack.
func (d *Domain[C]) retryBlocked() {
	d.mu.Lock()
	defer d.mu.Unlock()
	now, served := d.opt.Now(), d.opt.Clock()
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
		if limit, ns := d.patience(a); ns > 0 && served-a.took > ns {
			d.dropClient(a, limit)
			continue
		}
		d.flush(a)
	}
	clear(list[len(d.blocked):])
}

// Limit is for how long a client took nothing, when it was ended for that.
type Limit uint8

const (
	NoLimit      Limit = iota // it was not
	IdleTimeout               // --idle-timeout
	FrameTimeout              // --frame-timeout, and others wait for the memory that its lines take
)

// patience returns for how long a client may take nothing, in ns; 0: for as long as it likes. One
// whose lines take memory that others wait for has as long as one that does not end its record.
func (d *Domain[C]) patience(a *Conn[C]) (Limit, int64) {
	if a.phase == phaseLingering && a.open == nil {
		return IdleTimeout, d.after.Load()
	}
	idle, frame := d.idle.Load(), d.frame.Load()
	if frame > 0 && (idle == 0 || frame < idle) && a.unsent != nil && a.unsent.charged && d.opt.Scarce() {
		return FrameTimeout, frame
	}
	return IdleTimeout, idle
}

// giveUp forgets what there was to say: a write has failed, or the client is gone. The event loop
// or pauser that reads the connection learns that from the socket.
func (d *Domain[C]) giveUp(a *Conn[C]) {
	a.broken = true
	d.dropUnsent(a)
	d.dropCheckpoints(a)
	if a.stalled {
		a.stalled = false
		d.opt.Resume(a.owner)
	}
	if a.phase == phaseLingering {
		d.closeFD(a)
	}
}

// dropClient ends a client that has taken nothing for too long.
func (d *Domain[C]) dropClient(a *Conn[C], limit Limit) {
	if a.phase == phaseLingering {
		a.limit = limit
	} else {
		d.opt.Kill(a.owner, limit)
		if a.handle != nil {
			_ = a.handle.Close()
		}
	}
	d.giveUp(a)
}

// halfClose sends our FIN, and has the acker wait for the client's. If the socket is full, it is
// tried again as lines are.
func (d *Domain[C]) halfClose(a *Conn[C]) {
	if d.opt.HalfClose(a.owner, int(a.fd)) == unix.EAGAIN {
		d.block(a)
		return
	}
	a.phase = phaseHalfClosed
	a.broken = true // nothing is written behind the FIN
	d.dropUnsent(a)
	d.dropCheckpoints(a)
	if discard(int(a.fd)) {
		d.closeFD(a)
		return
	}
	a.retryAt = d.opt.Clock() + halfClosedTime
	d.halfClosed = append(d.halfClosed, a)
}

// closeHalfClosed closes the half-closed connections whose client has sent its FIN, or has had its
// time.
func (d *Domain[C]) closeHalfClosed() {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.opt.Clock()
	list := d.halfClosed
	d.halfClosed = d.halfClosed[:0]
	for _, a := range list {
		if discard(int(a.fd)) || now >= a.retryAt {
			d.closeFD(a)
		} else {
			d.halfClosed = append(d.halfClosed, a)
		}
	}
	clear(list[len(d.halfClosed):])
}

// discard reads and drops what a client still sends. It returns true if the client has ended.
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

// closeFD closes the descriptor of a connection that has ended.
func (d *Domain[C]) closeFD(a *Conn[C]) {
	a.broken = true
	d.dropUnsent(a)
	d.dropCheckpoints(a)
	_ = unix.Close(int(a.fd))
	a.fd = -1
	delete(d.ended, a)
	d.opt.Gone(a.owner, a.limit)
}

// Finish says the last acks, after the writer has drained, and closes all connections that linger:
// it half-closes them until ctx is done, and closes them at once then. What is not done by now
// never will be, so clients are told what is. Run must have returned.
func (d *Domain[C]) Finish(ctx context.Context) {
	for {
		d.Pass()
		d.mu.Lock()
		for a := range d.ended {
			switch {
			case ctx.Err() != nil:
				d.closeFD(a)
			case a.phase == phaseLingering && a.said():
				d.halfClose(a)
			}
		}
		left := len(d.ended)
		if left == 0 {
			d.halfClosed, d.blocked = nil, nil
		}
		d.mu.Unlock()
		if left == 0 {
			return
		}
		time.Sleep(passInterval)
	}
}

// said returns whether all that can be said has been.
func (a *Conn[C]) said() bool {
	return !a.hello && a.done == a.told && a.unsent == nil
}
