package ack

import (
	"context"
	"testing"

	"golang.org/x/sys/unix"
)

// pair is a connection: our end, and the client's.
func pair(t *testing.T) (ours, client int) {
	t.Helper()
	fds, err := socketPair()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fds[1]) })
	return fds[0], fds[1]
}

// finSeen tells whether a client has got our FIN.
func finSeen(client int) bool {
	n, err := unix.Read(client, make([]byte, 100))
	return n == 0 && err == nil
}

func isOpen(fd int) bool {
	_, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	return err == nil
}

// TestWhoLingers: whoever is owed something, or is to get a farewell; nobody who was reset.
func TestWhoLingers(t *testing.T) {
	for _, c := range []struct {
		name string
		owed Chunk
		how  Ending
		want bool
	}{
		{"an ack is under way", Chunk{Last: 1, Batches: []Batch{{0, 64}}}, EndingOwed, true},
		{"an ack is not said", Chunk{Last: 1}, EndingOwed, true},
		{"nothing is owed", Chunk{}, EndingOwed, false},
		{"a farewell", Chunk{}, EndingFarewell, true},
		{"a reset", Chunk{Last: 1, Batches: []Batch{{0, 64}}}, EndingReset, false},
	} {
		r := newRig(1)
		ours, client := pair(t)
		a := r.conn(ours)
		if c.owed.Last > 0 {
			a.Framed(c.owed)
		}
		if owes := a.Owes(); owes != (c.owed.Last > 0) {
			t.Errorf("%s: owes %v", c.name, owes)
		}
		if got := a.Linger(ours, c.how); got != c.want {
			t.Errorf("%s: lingers %v", c.name, got)
		}
		if !c.want {
			_ = unix.Close(ours)
			continue
		}
		r.rings[0].acked = 64
		r.d.Pass()
		if got := r.take(ours); (got != "") != (c.owed.Last > 0) || !finSeen(client) {
			t.Errorf("%s: told %q, and no FIN", c.name, got)
		}
		_ = unix.Shutdown(client, unix.SHUT_WR)
		r.d.Pass()
		if isOpen(ours) || len(r.gone) != 1 || r.gone[0] != NoLimit {
			t.Errorf("%s: still open, gone %v", c.name, r.gone)
		}
	}
}

// TestWhoLingersAndTakesNothing: has its own time, which begins when nothing but its reading is
// waited for, and is closed then.
func TestWhoLingersAndTakesNothing(t *testing.T) {
	r := newRig(1)
	r.d.SetTimeouts(0, 0, 1e9)
	ours, _ := pair(t)
	a := r.conn(ours)
	r.now = 50e9
	r.full[ours] = 0
	a.Framed(Chunk{Last: 1})
	r.d.Pass()
	if !a.Linger(ours, EndingOwed) {
		t.Fatal("it does not linger")
	}
	begun := r.now
	for ; len(r.gone) == 0 && r.now < begun+10e9; r.now += 1e8 {
		r.d.Pass()
	}
	if waited := r.now - begun; waited < 1e9 || waited > 15e8 || len(r.gone) != 1 || r.gone[0] != IdleTimeout || isOpen(ours) || r.killed > 0 {
		t.Errorf("closed after %d ms, gone %v, killed %d", waited/1e6, r.gone, r.killed)
	}
}

// TestWhoLingersAndIsGone: is closed when a write fails, and not again at the end.
func TestWhoLingersAndIsGone(t *testing.T) {
	r := newRig(1)
	ours, _ := pair(t)
	a := r.conn(ours)
	a.Framed(Chunk{Last: 1})
	a.Linger(ours, EndingOwed)
	r.d.opt.Write = func(int, int, []byte) (int, error) { return -1, unix.EPIPE }
	r.d.Pass()
	if isOpen(ours) || len(r.gone) != 1 {
		t.Errorf("still open, gone %v", r.gone)
	}
	if r.d.Finish(t.Context()); len(r.gone) != 1 {
		t.Errorf("gone %v", r.gone)
	}
}

// TestHalfClosed: who got our FIN has a second to send its own, however much it still sends.
func TestHalfClosed(t *testing.T) {
	r := newRig(1)
	ours, client := pair(t)
	a := r.conn(ours)
	a.Linger(ours, EndingFarewell)
	r.d.Pass()
	if !isOpen(ours) || !r.d.restless() {
		t.Fatal("closed, and its FIN was not waited for")
	}
	for begun := r.now; r.now < begun+halfClosedTime; r.now += 1e8 {
		_, _ = unix.Write(client, make([]byte, 1000))
		if r.d.Pass(); !isOpen(ours) {
			t.Fatalf("closed after %d ms", (r.now-begun)/1e6)
		}
	}
	if r.d.Pass(); isOpen(ours) || len(r.gone) != 1 || r.d.restless() {
		t.Errorf("open after a second, gone %v", r.gone)
	}
}

// TestHalfClosedAtOnce: whoever has sent its FIN is waited for no longer.
func TestHalfClosedAtOnce(t *testing.T) {
	r := newRig(1)
	ours, client := pair(t)
	_, _ = unix.Write(client, make([]byte, 1000))
	_ = unix.Shutdown(client, unix.SHUT_WR)
	a := r.conn(ours)
	a.Linger(ours, EndingFarewell)
	if r.d.Pass(); isOpen(ours) || len(r.gone) != 1 {
		t.Errorf("open, gone %v", r.gone)
	}
}

// TestFinish: at the end each is told what has been done, gets our FIN, and is closed; at once when
// the time is over.
func TestFinish(t *testing.T) {
	r := newRig(2)
	ours, client := pair(t)
	full, waiting := pair(t)
	a, b := r.conn(ours), r.conn(full)
	a.Framed(Chunk{Last: 1, Batches: []Batch{{0, 64}}})
	a.Framed(Chunk{Last: 2, Batches: []Batch{{1, 64}}}) // never done
	b.Framed(Chunk{Last: 1})
	r.full[full] = 0
	a.Linger(ours, EndingOwed)
	b.Linger(full, EndingOwed)
	r.rings[0].acked = 64
	ctx, cancel := context.WithCancel(t.Context())
	now := r.d.opt.Now
	passes := 0
	r.d.opt.Now = func() int64 { // it is asked once a pass
		if passes++; passes == 20 {
			if !finSeen(client) || finSeen(waiting) || len(r.gone) != 0 {
				t.Errorf("after some time: no FIN, or one for who was told nothing, or gone %v", r.gone)
			}
			_ = unix.Shutdown(client, unix.SHUT_WR)
		}
		if passes == 50 {
			if len(r.gone) != 1 || !isOpen(full) || finSeen(waiting) {
				t.Errorf("who has sent its FIN, and nobody else, is gone: %v", r.gone)
			}
			cancel()
		}
		return now()
	}
	r.d.Finish(ctx)
	if got := r.take(ours); got != "{\"acked\":1}\n" || isOpen(ours) || isOpen(full) || len(r.gone) != 2 {
		t.Errorf("told %q, gone %v", got, r.gone)
	}
}

// TestFINWaitsForRoom: what must be said before our FIN may find the socket full; the FIN waits for
// it, and is sent once.
func TestFINWaitsForRoom(t *testing.T) {
	r := newRig(1)
	ours, client := pair(t)
	a := r.conn(ours)
	full, times := 3, 0
	r.d.opt.HalfClose = func(_, fd int) error {
		if times++; times <= full {
			return unix.EAGAIN
		}
		return unix.Shutdown(fd, unix.SHUT_WR)
	}
	a.Linger(ours, EndingFarewell)
	for range full {
		if r.d.Pass(); finSeen(client) || !r.d.restless() {
			t.Fatal("half-closed, or forgotten, and what comes before is not sent")
		}
		r.now += backoffMax
	}
	if r.d.Pass(); !finSeen(client) || times != full+1 {
		t.Errorf("no FIN after %d tries", times)
	}
}

// TestPartOfALine: a client that takes a part of what its lines became is alive, and is tried again
// soon.
func TestPartOfALine(t *testing.T) {
	r := newRig(1)
	a := r.conn(3)
	part := true
	r.d.opt.Write = func(owner, fd int, p []byte) (int, error) {
		if part {
			return 0, ErrPart
		}
		return r.write(owner, fd, p)
	}
	a.Framed(Chunk{Last: 1})
	for end := r.now + 5e9; r.now < end; r.now += 1e8 {
		r.d.Pass()
	}
	if r.killed > 0 || int64(a.backoff) != backoffMin {
		t.Errorf("ended %d times, tried again after %d ns", r.killed, a.backoff)
	}
	part = false
	r.d.Pass()
	if got := r.take(3); got != "{\"acked\":1}\n" {
		t.Errorf("told %q", got)
	}
}

// socketPair returns two sockets that are connected, which no call waits for and no child inherits.
func socketPair() (fds [2]int, err error) {
	fds, err = unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	for i := 0; i < len(fds) && err == nil; i++ {
		unix.CloseOnExec(fds[i])
		err = unix.SetNonblock(fds[i], true)
	}
	return fds, err
}
