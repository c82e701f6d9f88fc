package server

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ringtail/ringtail/codec"
)

// pokes is a ring that is done with more at the very moment at which it is looked at.
type pokes struct {
	fakeRing
	d *ackDomain
}

func (r *pokes) Acked() uint64 {
	r.d.wake()
	return r.acked
}

// TestPokeWhileItLooks: a ring that moves behind the look at it is looked at again.
func TestPokeWhileItLooks(t *testing.T) {
	r := newAckRig(1)
	a := r.conn(3)
	r.d.framed(a, chunk{last: 1, ends: []ringEnd{{0, 64}}})
	r.d.wake()
	<-r.d.poke
	r.d.rings[0] = &pokes{d: r.d}
	r.d.pass()
	if len(r.d.poke) == 0 {
		t.Error("a poke was lost")
	}
}

// TestDoneWhenLookedAt: a batch that Kafka has before anybody asks is waited for by nobody; one that
// it lacks a byte of is.
func TestDoneWhenLookedAt(t *testing.T) {
	for acked, want := range map[uint64]string{99: "", 100: "{\"acked\":1}\n", 101: "{\"acked\":1}\n"} {
		r := newAckRig(1)
		r.rings[0].acked = acked
		a := r.conn(3)
		r.d.framed(a, chunk{last: 1, ends: []ringEnd{{0, 100}}})
		if waits := r.d.queues[0].n > 0; waits != (want == "") {
			t.Errorf("acked %d of 100: waits %v", acked, waits)
		}
		if r.d.pass(); r.take(3) != want {
			t.Errorf("acked %d of 100, told otherwise", acked)
		}
	}
}

// TestNoDescriptor: a connection that changes hands has none; what comes meanwhile is told once it
// has another.
func TestNoDescriptor(t *testing.T) {
	r := newAckRig(1)
	a := r.conn(-1)
	r.d.framed(a, chunk{last: 1})
	if r.d.pass(); r.take(-1) != "" {
		t.Error("written to no descriptor")
	}
	r.d.attach(a, 5, nil)
	if len(r.d.poke) == 0 {
		t.Error("nobody is woken")
	}
	if r.d.pass(); r.take(5) != "{\"acked\":1}\n" {
		t.Error("not told")
	}
	r.d.abandon(a)
	r.d.framed(a, chunk{last: 2})
	if r.d.pass(); r.take(5) != "" || a.fd != -1 {
		t.Error("written to a descriptor that was taken back")
	}
}

// TestGivenUpIsForgotten: nothing is said or kept for who is gone, its memory is given back, and what
// it had is as new for those who get it.
func TestGivenUpIsForgotten(t *testing.T) {
	r := newAckRig(1)
	gone := r.conn(3)
	r.charged++
	var rejects []reject // more than a write takes
	for i := uint64(1); i <= 500; i++ {
		rejects = append(rejects, reject{i, codec.BadJSON})
	}
	r.d.framed(gone, chunk{last: 500, ends: []ringEnd{{0, 100}}, rejects: rejects, charged: true})
	r.charged++
	r.d.framed(gone, chunk{last: 501, ends: []ringEnd{{0, 200}}, rejects: []reject{{501, codec.BadJSON}}, charged: true})
	if r.charged != 1 {
		t.Errorf("charged %d times, once is enough", r.charged)
	}
	write := r.d.opt.write
	r.d.opt.write = func(int, []byte) (int, error) { return -1, errors.New("gone") }
	r.d.pass()
	r.d.opt.write = write
	if r.charged != 0 || gone.open != nil || gone.unsent != nil || !gone.broken {
		t.Errorf("charged %d, open %v, unsent %v", r.charged, gone.open, gone.unsent)
	}
	r.charged++
	r.d.framed(gone, chunk{last: 502, rejects: []reject{{502, codec.BadJSON}}, charged: true})
	if r.charged != 0 || gone.unsent != nil || r.d.owes(gone) {
		t.Errorf("charged %d, unsent %v", r.charged, gone.unsent)
	}
	other := r.conn(4)
	r.d.framed(other, chunk{last: 1, ends: []ringEnd{{0, 300}}, rejects: []reject{{1, codec.TooDeep}}})
	r.d.pass()
	if got, want := r.take(4), "{\"rejected\":1,\"reason\":\"too_deep\"}\n"; got != want {
		t.Errorf("who got its memory is told %q, want %q", got, want)
	}
	r.rings[0].acked = 300
	r.d.pass()
	if got := r.take(4); got != "{\"acked\":1}\n" || other.open != nil {
		t.Errorf("and then %q", got)
	}
	if got := r.take(3); got != "" {
		t.Errorf("who is gone is told %q", got)
	}
}

// TestNothingBehindAFailure: also if it is noticed while there is something to be said.
func TestNothingBehindAFailure(t *testing.T) {
	r := newAckRig(1)
	a := r.conn(3)
	r.d.framed(a, chunk{last: 1})
	r.d.giveUp(a)
	if r.d.pass(); r.take(3) != "" {
		t.Error("written to who is gone")
	}
}

// TestInterruptedWrite: a signal is no failure, and nothing is said twice.
func TestInterruptedWrite(t *testing.T) {
	r := newAckRig(1)
	a := r.conn(3)
	times := 0
	r.d.opt.write = func(fd int, p []byte) (int, error) {
		if times++; times == 1 {
			return -1, unix.EINTR
		}
		return r.write(fd, p)
	}
	r.d.framed(a, chunk{last: 1})
	for range 3 {
		r.d.pass()
	}
	if got := r.take(3); got != "{\"acked\":1}\n" {
		t.Errorf("told %q", got)
	}
}

// tries is the times, in ms, at which a full socket was tried until then.
func (r *ackRig) tries(until int64) (at []int64) {
	write := r.d.opt.write
	r.d.opt.write = func(fd int, p []byte) (int, error) {
		at = append(at, r.now/1e6)
		return write(fd, p)
	}
	for ; r.now < until*1e6; r.now += 1e6 {
		r.d.pass()
	}
	r.d.opt.write = write
	return at
}

// TestFullSocket: is tried more and more rarely, but five times a second; as often as before once it
// has taken something; and however much there is to be said to it, it waits in one list.
func TestFullSocket(t *testing.T) {
	r := newAckRig(1)
	r.d.opt.idleTimeout = 0 // nobody is ended
	a := r.conn(3)
	r.full[3] = 0
	r.d.framed(a, chunk{last: 1})
	for round := range 2 {
		begun := r.now / 1e6
		at := r.tries(begun + 100_000)
		want := begun
		for i, step := 0, int64(2+2*round); i < 12 && i < len(at); i, step = i+1, min(2*step, 200) {
			if at[i] != want {
				t.Fatalf("round %d: tried at %v ms, want %d", round, at[:i+1], want)
			}
			want += step
		}
		if len(at) < 480 || len(at) > 520 {
			t.Errorf("round %d: tried %d times in a hundred seconds", round, len(at))
		}
		r.full[3] = 1 // it takes a byte
		for r.full[3] > 0 {
			r.now += 1e6
			r.d.pass()
		}
		r.now = a.retryAt
	}
	for i := range uint64(5) {
		r.d.framed(a, chunk{last: 2 + i, rejects: []reject{{2 + i, codec.BadJSON}}})
		r.d.pass()
	}
	if n := len(r.d.blocked); n != 1 || len(r.killed) > 0 {
		t.Errorf("it waits in %d places; ended: %v", n, r.killed)
	}
}

// TestSlowClientIsNotEnded: --idle-timeout begins with each byte that is taken, and with what there
// is to be taken.
func TestSlowClientIsNotEnded(t *testing.T) {
	r := newAckRig(1)
	a := r.conn(3)
	r.now = 100e9 // it was silent, and owed nothing
	r.full[3] = 0
	r.d.framed(a, chunk{last: 1, ends: []ringEnd{{0, 64}}})
	r.now += 100e9
	r.rings[0].acked = 64
	for range 10 {
		for end := r.now + 9e8; r.now < end; r.now += 1e8 {
			r.d.pass()
		}
		r.full[3] = 1
	}
	if got := r.take(3); len(r.killed) > 0 || len(got) < 8 {
		t.Errorf("took %q; ended: %v", got, r.killed)
	}
}

// TestOneDoesNotKeepOthersWaiting: of much that is to be said to one, the others wait for a part.
func TestOneDoesNotKeepOthersWaiting(t *testing.T) {
	r := newAckRig(1)
	a, b := r.conn(3), r.conn(4)
	var rejects []reject
	for i := uint64(1); i <= 10_000; i++ {
		rejects = append(rejects, reject{i, codec.BadJSON})
	}
	r.d.framed(a, chunk{last: 10_000, rejects: rejects})
	r.d.framed(b, chunk{last: 1})
	r.d.pass()
	if n := len(r.take(3)); n > flushBytesMax+scratchBytes || r.take(4) == "" {
		t.Errorf("%d bytes at a time", n)
	}
	for range 10 {
		r.d.pass()
	}
	if got := r.take(3); !strings.HasSuffix(got, "\"}\n{\"acked\":10000}\n") {
		t.Error("the rest is never said")
	}
}

// TestResumedOnce: who has taken its lines is read again, and is not told so again.
func TestResumedOnce(t *testing.T) {
	r := newAckRig(1)
	a := r.conn(3)
	r.full[3] = 0
	r.d.framed(a, chunk{last: 1})
	r.d.pass()
	if !r.d.stall(a) {
		t.Fatal("a client that does not read is read")
	}
	delete(r.full, 3)
	for i := range uint64(5) {
		r.now += backoffMax
		r.d.pass()
		r.d.framed(a, chunk{last: 2 + i})
		if r.d.refused(a, 1, codec.RefusedByKafka); len(r.d.dirty) != 1 {
			t.Errorf("looked at %d times a pass", len(r.d.dirty))
		}
	}
	if len(r.resumed) != 1 {
		t.Errorf("resumed %d times", len(r.resumed))
	}
	r.full[3] = 0
	r.d.framed(a, chunk{last: 10})
	if r.d.pass(); !r.d.stall(a) {
		t.Fatal("a client that does not read is read")
	}
	r.d.unstall(a)
	delete(r.full, 3)
	r.now += backoffMax
	if r.d.pass(); len(r.resumed) != 1 {
		t.Error("resumed, and need not be")
	}
}

// TestRefusedIsToldAtOnce: also where nothing else happens.
func TestRefusedIsToldAtOnce(t *testing.T) {
	r := newAckRig(1)
	a := r.conn(3)
	r.d.framed(a, chunk{last: 1, ends: []ringEnd{{0, 64}}})
	if r.d.refused(a, 1, codec.RefusedByKafka); len(r.d.poke) == 0 {
		t.Error("nobody is woken")
	}
	if r.d.pass(); r.take(3) == "" {
		t.Error("not told")
	}
}

// TestQueueOfItems: comes out in the order in which it went in, wherever it grows, and gives back what a
// stall took.
func TestQueueOfItems(t *testing.T) {
	var q ackQueue
	in, out := uint64(0), uint64(0)
	for _, n := range []int{40, -30, 100, -100, 50, 10_000, -10_060} {
		for ; n > 0; n-- {
			q.push(ackItem{end: in})
			in++
		}
		for ; n < 0; n++ {
			if it := q.pop(); it.end != out {
				t.Fatalf("item %d comes out where %d is expected", it.end, out)
			}
			out++
		}
	}
	if len(q.items) > ackItemsKept {
		t.Errorf("an empty queue keeps room for %d", len(q.items))
	}
	if q.push(ackItem{end: 7}); q.pop().end != 7 {
		t.Error("it does not begin anew")
	}
}
