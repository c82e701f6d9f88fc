package server

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ringtail/ringtail/codec"
	"github.com/ringtail/ringtail/shard"
)

// roomRig is a pauser that nothing runs beside, and one ring of a megabyte.
type roomRig struct {
	t    *testing.T
	s    *Server
	q    *pauser
	ring *shard.Ring
	ends []uint64 // of the batches in the ring
	back []*conn  // given to their loops
}

const roomBatch = 50_000 // a twentieth of the ring

func newRoomRig(t *testing.T, batches int) *roomRig {
	s, _ := bareServer(t, codec.Newline, false)
	r := &roomRig{t: t, s: s, q: s.pauser, ring: s.ring(1)}
	r.q.handBack = func(c *conn, _ int) { r.back = append(r.back, c) }
	for range batches {
		r.put()
	}
	return r
}

func (r *roomRig) put() {
	c, err := r.ring.Claim(1, roomBatch)
	if err != nil {
		r.t.Fatal(err)
	}
	c.Append(make([]byte, roomBatch), nil, 0)
	r.ends = append(r.ends, c.End())
	c.Publish()
}

func (r *roomRig) free() {
	if _, ok := r.ring.Next(); !ok {
		r.t.Fatal("the ring is empty")
	}
	r.ring.Free(r.ends[0])
	r.ends = r.ends[1:]
}

// wait lets a new connection wait for room.
func (r *roomRig) wait(over *overflow) *paused {
	c := r.s.registry.newConn(r.s.opt.Listeners[0], netip.AddrPort{})
	c.overflow = over
	p := &paused{c: c, fd: -1}
	r.q.all[c.id] = p
	r.s.pauser.paused.Add(1)
	r.q.waitFor(p, blocked{waitRoom, 1})
	return p
}

// Who waits gets its turn when all is done that was there when it came, though others keep the ring
// above half.
func TestTurnThoughTheRingStaysFull(t *testing.T) {
	r := newRoomRig(t, 14)
	p := r.wait(nil)
	for i := range 14 {
		r.q.giveTurns(&r.q.rooms[1])
		if p.on != waitRoom {
			t.Fatalf("its turn came with %d of 14 batches done, and the ring full", i)
		}
		r.free()
		r.put()
	}
	r.q.giveTurns(&r.q.rooms[1])
	if p.on != waitNothing || r.q.rooms[1].halfFree() {
		t.Fatalf("it still waits (%d), or the ring has room", p.on)
	}
}

// While half the ring is free those who wait get their turns, in order; who has left the queue is
// passed over.
func TestTurnsInOrder(t *testing.T) {
	r := newRoomRig(t, 12)
	rec := `{"number":1,"pad":"` + strings.Repeat("l", roomBatch) + `"}`
	var list []*paused
	for i := range 12 {
		list = append(list, r.wait(nil))
		if i > 0 {
			list[i].c.overflow = &overflow{rec: codec.Record{Data: []byte(rec), Reason: codec.OK}}
		}
	}
	r.q.makeReady(list[2], waitRoom)
	waiting := func() (still []int) {
		for i, p := range list {
			if p.on == waitRoom {
				still = append(still, i)
			}
		}
		return still
	}
	for _, step := range []struct {
		free int
		want string
	}{
		{1, "[0 1 3 4 5 6 7 8 9 10 11]"},
		{1, "[3 4 5 6 7 8 9 10 11]"}, // the first of these needs no room
		{1, "[4 5 6 7 8 9 10 11]"},
		{2, "[6 7 8 9 10 11]"},
	} {
		for range step.free {
			r.free()
		}
		r.q.giveTurns(&r.q.rooms[1])
		if got := fmt.Sprint(waiting()); got != step.want {
			t.Fatalf("%s wait, want %s", got, step.want)
		}
	}
	if n := r.s.Stats().Waiting; n != 6 || len(r.back) != 1 {
		t.Fatalf("%d wait, %d went back to their loops", n, len(r.back))
	}
}

// A large record that finds no room at its turn is not starved by small ones that do, whether it
// has been read or is still in its socket.
func TestWhoFindsNoRoomIsFirst(t *testing.T) {
	for _, unread := range []bool{false, true} {
		r := newRoomRig(t, 19)
		rec := `{"number":1,"pad":"` + strings.Repeat("l", 60_000) + `"}`
		p := r.wait(&overflow{rec: codec.Record{Data: []byte(rec), Reason: codec.OK}})
		if unread {
			fds, err := tcpPair()
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Close(fds[0])
			defer unix.Close(fds[1])
			r.s.memory.add(r.s.memory.usable.Load() + 1) // so it is looked at
			p.c.overflow, p.fd = nil, fds[1]
			if n, err := unix.Write(fds[0], []byte(rec+"\n")); n != len(rec)+1 {
				t.Fatal(n, err)
			}
		}
		for range 19 { // all that was there when it came goes, and others take the room
			r.free()
			r.put()
		}
		r.put()
		for range 3 {
			r.q.giveTurns(&r.q.rooms[1])
		}
		if r.finds() || p.on != waitRoom || len(r.q.rooms[1].queue) != 1 {
			t.Fatalf("unread=%v: others find room before it, who waits for %d", unread, p.on)
		}
		r.free()
		r.q.giveTurns(&r.q.rooms[1])
		if p.on == waitRoom || p.c.overflow != nil || p.c.framed != 1 {
			t.Fatalf("unread=%v: it still waits, and there is room", unread)
		}
		if !r.finds() {
			t.Fatalf("unread=%v: nobody waits any more, and a loop finds no room", unread)
		}
	}
}

// finds tells whether a small record that an event loop has read finds room.
func (r *roomRig) finds() bool {
	o := r.s.loops[0].in.take(r.s.registry.newConn(r.s.opt.Listeners[0], netip.AddrPort{}), []byte("{\"number\":1}\n"))
	return o.blocked.on == waitNothing
}

// Whoever finds room for a part of what it has goes behind the others then.
func TestWhoFindsSomeRoomGoesBehind(t *testing.T) {
	r := newRoomRig(t, 19)
	rec := `{"number":1,"pad":"` + strings.Repeat("l", 40_000) + `"}`
	over := func() *overflow {
		return &overflow{rec: codec.Record{Data: []byte(rec), Reason: codec.OK}, rest: []byte(rec + "\n" + rec + "\n")}
	}
	first, second := r.wait(over()), r.wait(over())
	for range 19 {
		r.free()
		r.put()
	}
	for range 3 { // the rest of the first's is not in at its next turn
		r.q.giveTurns(&r.q.rooms[1])
	}
	if first.c.framed == 0 || second.c.framed > 0 || r.q.rooms[1].queue[0] != second {
		t.Fatalf("%d of the first's are in, %d of the second's", first.c.framed, second.c.framed)
	}
}

// Waiting has ended: what has found no room is lost, and counted, also of a connection whose end
// has run.
func TestWhatWaitsAtTheEndIsCounted(t *testing.T) {
	for _, finished := range []bool{false, true} {
		r := newRoomRig(t, 20)
		rec := `{"number":1,"pad":"` + strings.Repeat("l", 60_000) + `"}`
		p := r.wait(&overflow{rec: codec.Record{Data: []byte(rec), Reason: codec.OK}, rest: []byte("{\"number\":1}\nx\n")})
		p.finished = finished
		close(r.s.stages.cutOff)
		close(r.s.stages.giveUp)
		r.q.check()
		for len(r.q.ready) > 0 {
			ready := r.q.ready
			r.q.ready = nil
			for _, p := range ready {
				r.q.advance(p)
			}
		}
		if st := r.s.Stats(); len(r.q.all) != 0 || st.Received != 3 || st.Lost != 1 || st.Routed[1] != 2 || st.Rejected["bad_json"] != 1 {
			t.Errorf("finished=%v: %d still wait, %+v", finished, len(r.q.all), st)
		}
	}
}
