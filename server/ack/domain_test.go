package ack

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ringtail/ringtail/codec"
)

// fakeRing is a ring's acked position, moved by hand.
type fakeRing struct{ acked uint64 }

func (r *fakeRing) Acked() uint64 { return r.acked }

// rig is a domain without a goroutine, writing to strings.
type rig struct {
	d       *Domain[int]
	rings   []*fakeRing
	written map[int]*strings.Builder
	full    map[int]int // bytes a descriptor still takes; absent: all
	now     int64
	charged int // for rejected lines
	resumed int
	gone    []Limit // of each, for how long it had taken nothing; NoLimit: it was not ended for that
	scarce  bool
	killed  int
	limit   Limit // of the last that was killed
	closed  int   // handles
}

func newRig(rings int) *rig {
	r := &rig{written: map[int]*strings.Builder{}, full: map[int]int{}}
	positions := make([]Position, rings)
	for i := range positions {
		f := &fakeRing{}
		r.rings = append(r.rings, f)
		positions[i] = f
	}
	r.d = New(positions, Options[int]{
		Clock:         func() int64 { return r.now },
		Now:           func() int64 { return r.now },
		LinesSaid:     func() { r.charged-- },
		IdleTimeout:   1e9,
		FrameTimeout:  5e8,
		LingerTimeout: 1e9,
		Resume:        func(int) { r.resumed++ },
		Scarce:        func() bool { return r.scarce },
		Gone:          func(_ int, limit Limit) { r.gone = append(r.gone, limit) },
		Kill:          func(_ int, limit Limit) { r.killed, r.limit = r.killed+1, limit },
		Write:         r.write,
		HalfClose:     func(_, fd int) error { return unix.Shutdown(fd, unix.SHUT_WR) },
	})
	return r
}

func (r *rig) write(_, fd int, p []byte) (int, error) {
	n := len(p)
	if room, limited := r.full[fd]; limited {
		if room == 0 {
			return -1, unix.EAGAIN
		}
		n = min(n, room)
		r.full[fd] = room - n
	}
	b := r.written[fd]
	if b == nil {
		b = &strings.Builder{}
		r.written[fd] = b
	}
	b.Write(p[:n])
	return n, nil
}

// take returns what fd has got since the last call.
func (r *rig) take(fd int) string {
	b := r.written[fd]
	if b == nil {
		return ""
	}
	s := b.String()
	b.Reset()
	return s
}

// closer is an event loop's handle.
type closer struct{ r *rig }

func (c closer) Close() error { c.r.closed++; return nil }

func (r *rig) conn(fd int) *Conn[int] {
	a := r.d.NewConn(fd)
	a.Attach(fd, closer{r})
	return a
}

func TestAckCoversOnlyWhatIsDoneInEveryRing(t *testing.T) {
	r := newRig(3)
	a := r.conn(7)
	a.Framed(Chunk{Last: 5, Batches: []Batch{{0, 100}, {1, 200}}})
	a.Framed(Chunk{Last: 9, Batches: []Batch{{0, 300}}})
	for _, step := range []struct {
		ring  int
		acked uint64
		want  string
	}{
		{0, 99, ""},
		{0, 300, ""}, // records 6 to 9 are done, but of the first five some are not
		{1, 199, ""},
		{1, 200, "{\"acked\":9}\n"},
	} {
		r.rings[step.ring].acked = step.acked
		r.d.Pass()
		if got := r.take(7); got != step.want {
			t.Fatalf("ring %d acked %d: client got %q, want %q", step.ring, step.acked, got, step.want)
		}
	}
	if a.open != nil {
		t.Fatal("a connection that is owed nothing has checkpoints")
	}
}

// A batch that was lost keeps its checkpoint open for good.
func TestNothingIsAckedBehindALostBatch(t *testing.T) {
	r := newRig(2)
	a := r.conn(3)
	a.Framed(Chunk{Last: 4, Batches: []Batch{{0, 64}}, Lost: 1})
	a.Framed(Chunk{Last: 5, Batches: []Batch{{0, 128}}})
	r.rings[0].acked = 128
	r.d.Pass()
	if got := r.take(3); got != "" || !a.Owes() {
		t.Fatalf("acked %q behind a lost batch", got)
	}
}

func TestRejectedIsToldBeforeTheAckThatCoversIt(t *testing.T) {
	r := newRig(1)
	a := r.conn(3)
	a.Framed(Chunk{Last: 3, Batches: []Batch{{0, 64}}, Rejects: []Reject{{2, codec.BadJSON}}})
	r.rings[0].acked = 64
	a.Refused(1, codec.RefusedByKafka) // later news of an earlier record
	r.d.Pass()
	want := "{\"rejected\":2,\"reason\":\"bad_json\"}\n{\"rejected\":1,\"reason\":\"refused_by_kafka\"}\n{\"acked\":3}\n"
	if got := r.take(3); got != want {
		t.Fatalf("got %q, want %q", got, want)
	}
	a.Framed(Chunk{Last: 4, Rejects: []Reject{{4, codec.TooDeep}}})
	r.d.Pass()
	if got, want := r.take(3), "{\"rejected\":4,\"reason\":\"too_deep\"}\n{\"acked\":4}\n"; got != want {
		t.Fatalf("only rejects: got %q, want %q", got, want)
	}
}

// TestAckFramings: lines come framed as the client's own records do.
func TestAckFramings(t *testing.T) {
	for f, want := range map[codec.Framing]string{
		codec.Newline:        "{\"acked\":17}\n",
		codec.JSON:           "{\"acked\":17}\n",
		codec.NUL:            "{\"acked\":17}\x00",
		codec.Octet:          "12 {\"acked\":17}",
		codec.Length:         "\x00\x00\x00\x0c{\"acked\":17}",
		codec.Length16:       "\x00\x0c{\"acked\":17}",
		codec.LengthLittle:   "\x0c\x00\x00\x00{\"acked\":17}",
		codec.Length16Little: "\x0c\x00{\"acked\":17}",
	} {
		r := newRig(1)
		a := r.conn(3)
		a.Framed(Chunk{Last: 17, Framing: f})
		r.d.Pass()
		if got := r.take(3); got != want {
			t.Errorf("%v: got %q, want %q", f, got, want)
		}
	}
}

// A connection that never pauses must still be told: with a full list only the
// newest checkpoint grows.
func TestAcksGoOnWhileAConnectionSendsWithoutPause(t *testing.T) {
	r := newRig(4)
	a := r.conn(3)
	end := make([]uint64, 4)
	told := uint64(0)
	for i := uint64(1); i <= 5000; i++ {
		ring := int(i) % 4
		end[ring] += 64
		a.Framed(Chunk{Last: i, Batches: []Batch{{ring, end[ring]}}})
		if i > 200 { // two hundred batches are always under way
			r.rings[int(i-200)%4].acked += 64
			r.d.Pass()
		}
		if a.open.n > checkpointsMax {
			t.Fatalf("%d checkpoints", a.open.n)
		}
		if a.told > told {
			told = a.told
		}
		if i-told > 1000 {
			t.Fatalf("after %d records only %d are acked", i, told)
		}
	}
}

func TestNewestAckOnlyWhileTheClientDoesNotRead(t *testing.T) {
	r := newRig(1)
	a := r.conn(3)
	r.full[3] = 5
	for i := uint64(1); i <= 100; i++ {
		a.Framed(Chunk{Last: i})
		r.d.Pass()
	}
	if n := len(a.unsent.out); n > lineMax {
		t.Fatalf("%d bytes pending", n)
	}
	if !a.mustStall() || !a.Stall() {
		t.Fatal("a client that does not read is still read")
	}
	delete(r.full, 3)
	r.now += backoffMax
	r.d.Pass()
	if got, want := r.take(3), "{\"acked\":1}\n{\"acked\":100}\n"; got != want {
		t.Fatalf("got %q, want %q", got, want)
	}
	if r.resumed != 1 {
		t.Fatalf("resumed %d times", r.resumed)
	}
}

func TestClientThatTakesNothingIsEndedAfterIdleTimeout(t *testing.T) {
	r := newRig(1)
	a := r.conn(3)
	r.full[3] = 0
	a.Framed(Chunk{Last: 1})
	r.d.Pass()
	for r.now = 0; r.now < 3e9 && r.killed == 0; r.now += 1e8 {
		r.d.Pass()
	}
	if r.killed != 1 || r.closed != 1 {
		t.Fatalf("killed %d times, %d handles closed", r.killed, r.closed)
	}
	if r.now < 1e9 || r.now > 15e8 {
		t.Fatalf("ended after %d ms, want a bit over 1000", r.now/1e6)
	}
}

// TestScarceMemory: a client whose rejected lines take memory that others wait for has no longer than
// for a record to take a byte of them; others have --idle-timeout, as ever.
func TestScarceMemory(t *testing.T) {
	for _, c := range []struct {
		scarce, rejected bool
		want             Limit
	}{{true, true, FrameTimeout}, {true, false, IdleTimeout}, {false, true, IdleTimeout}} {
		r := newRig(1)
		r.scarce = c.scarce
		a := r.conn(3)
		r.full[3] = 0
		chunk := Chunk{Last: 1}
		if c.rejected {
			chunk.Rejects, chunk.Charged = []Reject{{Ordinal: 1}}, true
		}
		a.Framed(chunk)
		r.d.Pass()
		for r.now = 0; r.now < 3e9 && r.killed == 0; r.now += 1e8 {
			r.d.Pass()
		}
		early := r.now < 1e9
		if r.killed != 1 || r.limit != c.want || early != (c.want == FrameTimeout) || r.charged > 0 {
			t.Errorf("%+v: killed %d times for %d after %d ms, %d charged", c, r.killed, r.limit, r.now/1e6, r.charged)
		}
	}
}

func TestRejectsAreBoundedAndComplete(t *testing.T) {
	r := newRig(1)
	a := r.conn(3)
	r.full[3] = 10
	var rejects []Reject
	for i := uint64(1); i <= 20000; i++ {
		rejects = append(rejects, Reject{i, codec.Reason(1 + i%7)})
	}
	r.charged = 1
	if !a.Framed(Chunk{Last: 20000, Rejects: rejects, Charged: true}) {
		t.Fatal("twenty thousand rejects queued and the client is still read")
	}
	if n := a.unsent.rejects.bytes(); n > 2*20000+8 {
		t.Fatalf("%d bytes for 20000 rejects", n)
	}
	delete(r.full, 3)
	for range 100 {
		r.now += backoffMax
		r.d.Pass()
	}
	lines := strings.Split(strings.TrimSuffix(r.take(3), "\n"), "\n")
	if len(lines) != 20001 {
		t.Fatalf("%d lines, want 20001", len(lines))
	}
	for i := range 20000 {
		want := fmt.Sprintf(`{"rejected":%d,"reason":"%s"}`, i+1, codec.Reason(1+(i+1)%7))
		if lines[i] != want {
			t.Fatalf("line %d is %s, want %s", i, lines[i], want)
		}
	}
	if r.charged != 0 {
		t.Fatal("their memory was not given back")
	}
	if lines[20000] != `{"acked":20000}` {
		t.Fatalf("last line %s", lines[20000])
	}
}

// Invariant 4 and the end: a lingering connection is closed exactly when all is said.
func TestLingerUntilTheLastAck(t *testing.T) {
	r := newRig(1)
	a := r.conn(3)
	fds, err := socketPair()
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fds[1])
	a.Framed(Chunk{Last: 2, Batches: []Batch{{0, 64}}})
	if !a.Linger(fds[0], EndingOwed) {
		t.Fatal("nothing owed?")
	}
	r.now += 1e12 // while Kafka owes an ack no deadline runs
	r.d.Pass()
	if len(r.gone) != 0 {
		t.Fatal("closed before its last ack")
	}
	r.rings[0].acked = 64
	r.d.Pass()
	if got, want := r.take(fds[0]), "{\"acked\":2}\n"; got != want {
		t.Fatalf("got %q, want %q", got, want)
	}
	if len(r.gone) != 0 {
		t.Fatal("closed without waiting for the client's FIN")
	}
	if err := unix.Shutdown(fds[1], unix.SHUT_WR); err != nil {
		t.Fatal(err)
	}
	r.d.Pass()
	if len(r.gone) != 1 || r.gone[0] != NoLimit {
		t.Fatalf("gone: %v", r.gone)
	}
	if _, err := unix.Write(fds[0], nil); err != unix.EBADF {
		t.Fatalf("descriptor still open: %v", err)
	}
}

func TestGiveUpAfterAFailedWrite(t *testing.T) {
	r := newRig(1)
	a := r.conn(3)
	r.d.opt.Write = func(int, int, []byte) (int, error) { return -1, io.ErrClosedPipe }
	a.Framed(Chunk{Last: 1, Batches: []Batch{{0, 64}}})
	a.Framed(Chunk{Last: 2, Rejects: []Reject{{2, codec.BadJSON}}})
	r.d.Pass()
	if !a.broken || a.open != nil {
		t.Fatal("a client that is gone still has checkpoints")
	}
	r.rings[0].acked = 64
	r.d.Pass() // the item in the queue finds nothing
	a.Framed(Chunk{Last: 3, Batches: []Batch{{0, 128}}})
	if a.Owes() {
		t.Fatal("owes a client that is gone")
	}
}
