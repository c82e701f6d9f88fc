package ack

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
	d *Domain[int]
}

func (r *pokes) Acked() uint64 {
	r.d.Wake()
	return r.acked
}

// TestPokeWhileItLooks: a ring that moves after the acker has looked is looked at again.
func TestPokeWhileItLooks(t *testing.T) {
	r := newRig(1)
	a := r.conn(3)
	a.Framed(Chunk{Last: 1, Batches: []Batch{{0, 64}}})
	r.d.Wake()
	<-r.d.poke
	r.d.rings[0] = &pokes{d: r.d}
	r.d.Pass()
	if len(r.d.poke) == 0 {
		t.Error("a poke was lost")
	}
}

// TestDoneWhenLookedAt: a batch that Kafka has before anybody asks is waited for by nobody; one
// that it lacks a byte of is.
func TestDoneWhenLookedAt(t *testing.T) {
	for acked, want := range map[uint64]string{99: "", 100: "{\"acked\":1}\n", 101: "{\"acked\":1}\n"} {
		r := newRig(1)
		r.rings[0].acked = acked
		a := r.conn(3)
		a.Framed(Chunk{Last: 1, Batches: []Batch{{0, 100}}})
		if waits := r.d.queues[0].n > 0; waits != (want == "") {
			t.Errorf("acked %d of 100: waits %v", acked, waits)
		}
		if r.d.Pass(); r.take(3) != want {
			t.Errorf("acked %d of 100, told otherwise", acked)
		}
	}
}

// TestNoDescriptor: a connection that changes hands has none; what comes meanwhile is told once it
// has another.
func TestNoDescriptor(t *testing.T) {
	r := newRig(1)
	a := r.conn(-1)
	a.Framed(Chunk{Last: 1})
	if r.d.Pass(); r.take(-1) != "" {
		t.Error("written to no descriptor")
	}
	a.Attach(5, nil)
	if len(r.d.poke) == 0 {
		t.Error("nobody is woken")
	}
	if r.d.Pass(); r.take(5) != "{\"acked\":1}\n" {
		t.Error("not told")
	}
	a.Abandon()
	a.Framed(Chunk{Last: 2})
	if r.d.Pass(); r.take(5) != "" || a.fd != -1 {
		t.Error("written to a descriptor that was taken back")
	}
}

// TestGivenUpIsForgotten: nothing is said to, or queued for, a client that is gone, its memory is
// given back, and what it had is as new for those who get it.
func TestGivenUpIsForgotten(t *testing.T) {
	r := newRig(1)
	gone := r.conn(3)
	r.charged++
	var rejects []Reject // more than a write takes
	for i := uint64(1); i <= 500; i++ {
		rejects = append(rejects, Reject{i, codec.BadJSON})
	}
	gone.Framed(Chunk{Last: 500, Batches: []Batch{{0, 100}}, Rejects: rejects, Charged: true})
	r.charged++
	gone.Framed(Chunk{Last: 501, Batches: []Batch{{0, 200}}, Rejects: []Reject{{501, codec.BadJSON}}, Charged: true})
	if r.charged != 1 {
		t.Errorf("charged %d times, once is enough", r.charged)
	}
	write := r.d.opt.Write
	r.d.opt.Write = func(int, int, []byte) (int, error) { return -1, errors.New("gone") }
	r.d.Pass()
	r.d.opt.Write = write
	if r.charged != 0 || gone.open != nil || gone.unsent != nil || !gone.broken {
		t.Errorf("charged %d, open %v, unsent %v", r.charged, gone.open, gone.unsent)
	}
	r.charged++
	gone.Framed(Chunk{Last: 502, Rejects: []Reject{{502, codec.BadJSON}}, Charged: true})
	if r.charged != 0 || gone.unsent != nil || gone.Owes() {
		t.Errorf("charged %d, unsent %v", r.charged, gone.unsent)
	}
	other := r.conn(4)
	other.Framed(Chunk{Last: 1, Batches: []Batch{{0, 300}}, Rejects: []Reject{{1, codec.TooDeep}}})
	r.d.Pass()
	if got, want := r.take(4), "{\"rejected\":1,\"reason\":\"too_deep\"}\n"; got != want {
		t.Errorf("who got its memory is told %q, want %q", got, want)
	}
	r.rings[0].acked = 300
	r.d.Pass()
	if got := r.take(4); got != "{\"acked\":1}\n" || other.open != nil {
		t.Errorf("and then %q", got)
	}
	if got := r.take(3); got != "" {
		t.Errorf("who is gone is told %q", got)
	}
}

// TestNothingBehindAFailure: also if it is noticed while there is something to be said.
func TestNothingBehindAFailure(t *testing.T) {
	r := newRig(1)
	a := r.conn(3)
	a.Framed(Chunk{Last: 1})
	r.d.giveUp(a)
	if r.d.Pass(); r.take(3) != "" {
		t.Error("written to who is gone")
	}
}

// TestInterruptedWrite: a signal is no failure, and nothing is said twice.
func TestInterruptedWrite(t *testing.T) {
	r := newRig(1)
	a := r.conn(3)
	times := 0
	r.d.opt.Write = func(owner, fd int, p []byte) (int, error) {
		if times++; times == 1 {
			return -1, unix.EINTR
		}
		return r.write(owner, fd, p)
	}
	a.Framed(Chunk{Last: 1})
	for range 3 {
		r.d.Pass()
	}
	if got := r.take(3); got != "{\"acked\":1}\n" {
		t.Errorf("told %q", got)
	}
}

// tries is the times, in ms, at which a full socket was tried until then.
func (r *rig) tries(until int64) (at []int64) {
	write := r.d.opt.Write
	r.d.opt.Write = func(owner, fd int, p []byte) (int, error) {
		at = append(at, r.now/1e6)
		return write(owner, fd, p)
	}
	for ; r.now < until*1e6; r.now += 1e6 {
		r.d.Pass()
	}
	r.d.opt.Write = write
	return at
}

// TestFullSocket: is tried more and more rarely, but five times a second; as often as before once
// it has taken something; and however much there is to be said to it, it waits in one list.
func TestFullSocket(t *testing.T) {
	r := newRig(1)
	r.d.SetTimeouts(0, 0, r.d.opt.LingerTimeout) // nobody is ended
	a := r.conn(3)
	r.full[3] = 0
	a.Framed(Chunk{Last: 1})
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
			r.d.Pass()
		}
		r.now = a.retryAt
	}
	for i := range uint64(5) {
		a.Framed(Chunk{Last: 2 + i, Rejects: []Reject{{2 + i, codec.BadJSON}}})
		r.d.Pass()
	}
	if n := len(r.d.blocked); n != 1 || r.killed > 0 {
		t.Errorf("it waits in %d places; ended: %d", n, r.killed)
	}
}

// TestSlowClientIsNotEnded: --idle-timeout begins with each byte that is taken, and with what there
// is to be taken.
func TestSlowClientIsNotEnded(t *testing.T) {
	r := newRig(1)
	a := r.conn(3)
	r.now = 100e9 // it was silent, and owed nothing
	r.full[3] = 0
	a.Framed(Chunk{Last: 1, Batches: []Batch{{0, 64}}})
	r.now += 100e9
	r.rings[0].acked = 64
	for range 10 {
		for end := r.now + 9e8; r.now < end; r.now += 1e8 {
			r.d.Pass()
		}
		r.full[3] = 1
	}
	if got := r.take(3); r.killed > 0 || len(got) < 8 {
		t.Errorf("took %q; ended: %d", got, r.killed)
	}
}

// TestOneDoesNotMakeOthersWait: of much that is to be said to one, the others wait for a part.
func TestOneDoesNotMakeOthersWait(t *testing.T) {
	r := newRig(1)
	a, b := r.conn(3), r.conn(4)
	var rejects []Reject
	for i := uint64(1); i <= 10_000; i++ {
		rejects = append(rejects, Reject{i, codec.BadJSON})
	}
	a.Framed(Chunk{Last: 10_000, Rejects: rejects})
	b.Framed(Chunk{Last: 1})
	r.d.Pass()
	if n := len(r.take(3)); n > flushBytesMax+scratchBytes || r.take(4) == "" {
		t.Errorf("%d bytes at a time", n)
	}
	for range 10 {
		r.d.Pass()
	}
	if got := r.take(3); !strings.HasSuffix(got, "\"}\n{\"acked\":10000}\n") {
		t.Error("the rest is never said")
	}
}

// TestResumedOnce: who has taken its lines is read again, and is not told so again.
func TestResumedOnce(t *testing.T) {
	r := newRig(1)
	a := r.conn(3)
	r.full[3] = 0
	a.Framed(Chunk{Last: 1})
	r.d.Pass()
	if !a.Stall() {
		t.Fatal("a client that does not read is read")
	}
	delete(r.full, 3)
	for i := range uint64(5) {
		r.now += backoffMax
		r.d.Pass()
		a.Framed(Chunk{Last: 2 + i})
		if a.Refused(1, codec.RefusedByKafka); len(r.d.dirty) != 1 {
			t.Errorf("looked at %d times a pass", len(r.d.dirty))
		}
	}
	if r.resumed != 1 {
		t.Errorf("resumed %d times", r.resumed)
	}
	r.full[3] = 0
	a.Framed(Chunk{Last: 10})
	if r.d.Pass(); !a.Stall() {
		t.Fatal("a client that does not read is read")
	}
	a.Unstall()
	delete(r.full, 3)
	r.now += backoffMax
	if r.d.Pass(); r.resumed != 1 {
		t.Error("resumed, and need not be")
	}
}

// TestRefusedIsToldAtOnce: also where nothing else happens.
func TestRefusedIsToldAtOnce(t *testing.T) {
	r := newRig(1)
	a := r.conn(3)
	a.Framed(Chunk{Last: 1, Batches: []Batch{{0, 64}}})
	if a.Refused(1, codec.RefusedByKafka); len(r.d.poke) == 0 {
		t.Error("nobody is woken")
	}
	if r.d.Pass(); r.take(3) == "" {
		t.Error("not told")
	}
}

// TestQueueOfItems: comes out in the order in which it went in, wherever it grows, and gives back
// what a stall took.
func TestQueueOfItems(t *testing.T) {
	var q itemQueue[int]
	in, out := uint64(0), uint64(0)
	for _, n := range []int{40, -30, 100, -100, 50, 10_000, -10_060} {
		for ; n > 0; n-- {
			q.push(item[int]{end: in})
			in++
		}
		for ; n < 0; n++ {
			if it := q.pop(); it.end != out {
				t.Fatalf("item %d comes out where %d is expected", it.end, out)
			}
			out++
		}
	}
	if len(q.items) > itemsRetainMax {
		t.Errorf("an empty queue retains room for %d", len(q.items))
	}
	if q.push(item[int]{end: 7}); q.pop().end != 7 {
		t.Error("it does not begin anew")
	}
}
