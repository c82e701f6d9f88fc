package server

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

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
}

const roomBatch = 50_000 // a twentieth of the ring

func newRoomRig(t *testing.T, batches int) *roomRig {
	s, _ := bareServer(t, codec.Newline, false)
	r := &roomRig{t: t, s: s, q: s.pauser, ring: s.rings[1]}
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
	c := r.s.newConn(r.s.listeners[0], netip.AddrPort{})
	c.overflow = over
	p := &paused{c: c, fd: -1}
	r.q.all[c] = p
	r.q.waitForRoom(p, 1)
	return p
}

// Who waits gets its turn when all is done that was there when it came, though others keep the ring
// above half.
func TestTurnThoughTheRingStaysFull(t *testing.T) {
	r := newRoomRig(t, 14)
	p := r.wait(nil)
	for i := range 14 {
		r.q.giveTurns(1)
		if p.on != waitRoom {
			t.Fatalf("its turn came with %d of 14 batches done, and the ring full", i)
		}
		r.free()
		r.put()
	}
	r.q.giveTurns(1)
	if p.on != waitNothing || r.s.roomy(1) {
		t.Fatalf("it still waits (%d), or the ring has room", p.on)
	}
}

// With half the ring free so many get their turn as would fill a quarter, in order; who has left
// the queue is passed over.
func TestTurnsInOrder(t *testing.T) {
	r := newRoomRig(t, 12)
	var list []*paused
	for range 12 {
		list = append(list, r.wait(nil))
	}
	r.q.rouse(list[1], waitRoom)
	r.q.ready = nil
	for range 3 {
		r.free()
	}
	for _, want := range []string{"[0 2 3 4 5]", "[6 7 8 9 10]", "[11]", "[]"} {
		r.q.giveTurns(1)
		got := []int{}
		for _, p := range r.q.ready {
			for i := range list {
				if list[i] == p {
					got = append(got, i)
				}
			}
		}
		if fmt.Sprint(got) != want {
			t.Fatalf("turns for %v, want %s", got, want)
		}
		r.q.ready = nil
	}
	if n := r.q.inRooms.Load(); n != 0 || r.q.waiting() != 0 {
		t.Fatalf("%d wait in rooms, %d in all", n, r.q.waiting())
	}
}

// A large record that finds no room at its turn is not starved by small ones that do.
func TestWhoFindsNoRoomIsFirst(t *testing.T) {
	r := newRoomRig(t, 19)
	rec := `{"number":1,"pad":"` + strings.Repeat("l", 60_000) + `"}`
	over := &overflow{rec: codec.Record{Data: []byte(rec), Reason: codec.OK}}
	p := r.wait(over)
	for range 19 { // all that was there when it came goes, and others take the room
		r.free()
		r.put()
	}
	r.put()
	r.q.giveTurns(1)
	if err := r.ring.Promise(1000, false); err != shard.ErrFull || p.on != waitRoom {
		t.Fatalf("others are promised room before it: %v", err)
	}
	r.free()
	r.q.giveTurns(1)
	if p.on != waitNothing || p.c.overflow != nil {
		t.Fatal("it still waits, and there is room")
	}
	if err := r.ring.Promise(1000, false); err != nil {
		t.Fatalf("nobody waits any more: %v", err)
	}
	r.ring.Withdraw(1000)
}

// Waiting has ended: what has found no room is lost, and counted, also of a connection whose end has run.
func TestWhatWaitsAtTheEndIsCounted(t *testing.T) {
	for _, finished := range []bool{false, true} {
		r := newRoomRig(t, 20)
		rec := `{"number":1,"pad":"` + strings.Repeat("l", 60_000) + `"}`
		p := r.wait(&overflow{rec: codec.Record{Data: []byte(rec), Reason: codec.OK}, rest: []byte("{\"number\":1}\nx\n")})
		p.finished = finished
		close(r.s.cutOff)
		close(r.s.giveUp)
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
