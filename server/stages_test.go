package server

import (
	"strings"
	"testing"
	"time"

	"github.com/ringtail/ringtail/codec"
)

// TestStagesOfRecordsThatDoNotWait: they are worked on, no longer than the whole test takes for each, and
// wait for nothing.
func TestStagesOfRecordsThatDoNotWait(t *testing.T) {
	r := newRig(t, func(o *rigOptions) { o.framing, o.dead = codec.Newline, true })
	begun := time.Now()
	nc := r.dial()
	r.send(nc, strings.Repeat("bad\n", 1000))
	r.eventually("the rejected ones", func() bool { return r.Stats().Received == 1000 })
	if got := r.Stages(); got != (StageTimes{}) {
		t.Errorf("nothing was routed: %+v", got)
	}
	const n = 1000
	r.send(nc, strings.Repeat("{\"number\":1}\n", n))
	r.eventually("the others", func() bool { return r.w.count() == n })
	r.eventually("their time", func() bool { return r.Stages().Parse > 0 })
	got := r.Stages()
	if got.Socket != 0 || got.Parse > n*time.Since(begun).Seconds() || got.Parse < n*1e-9 {
		t.Errorf("%+v", got)
	}
}

// TestRecordsThatWaitedForRoom: those of the read that found none, and those in the socket behind it, have
// waited for as long as their connection; those that come later have not.
func TestRecordsThatWaitedForRoom(t *testing.T) {
	const overflow, behind, later = 7, 5, 11
	r := newRig(t, func(o *rigOptions) { o.framing = codec.Newline })
	r.fill(3, 0)
	nc := r.dial()
	begun := time.Now()
	r.send(nc, strings.Repeat("{\"number\":3}\n", overflow))
	r.eventually("it waits", func() bool { return r.Stats().Waiting == 1 })
	waits := time.Now()
	r.send(nc, strings.Repeat("{\"number\":4}\n", behind))
	r.eventually("it has waited", func() bool { return time.Since(waits) > 30*time.Millisecond })
	waited := time.Since(waits).Seconds()
	r.w.stuck[3].Store(false)
	r.eventually("they are in", func() bool { return len(r.own(3)) == overflow && len(r.own(4)) == behind })
	r.eventually("their time", func() bool { return r.Stages().Socket >= (overflow+behind)*waited })
	if most := (overflow + behind) * time.Since(begun).Seconds(); r.Stages().Socket > most {
		t.Errorf("%+v, at most %g", r.Stages(), most)
	}
	was := r.Stages()
	r.send(nc, strings.Repeat("{\"number\":5}\n", later))
	r.eventually("the later ones", func() bool { return len(r.own(5)) == later && r.Stages().Parse > was.Parse })
	if got := r.Stages(); got.Socket != was.Socket {
		t.Errorf("those that came later have waited: %+v, then %+v", was, got)
	}
}

// TestSilenceIsNoWaiting: what comes long after a connection has waited has not.
func TestSilenceIsNoWaiting(t *testing.T) {
	r := newRig(t, func(o *rigOptions) { o.framing = codec.Newline })
	r.fill(3, 0)
	nc := r.dial()
	r.send(nc, "{\"number\":3}\n")
	r.eventually("it waits", func() bool { return r.Stats().Waiting == 1 })
	r.w.stuck[3].Store(false)
	r.eventually("it is in", func() bool { return len(r.own(3)) == 1 && r.Stages().Socket > 0 && r.pauser.paused.Load() == 0 })
	was := r.Stages()
	r.send(nc, "{\"number\":4}\n")
	r.eventually("the next", func() bool { return len(r.own(4)) == 1 && r.Stages().Parse > was.Parse })
	if got := r.Stages(); got.Socket != was.Socket {
		t.Errorf("%+v, then %+v", was, got)
	}
}

// TestRecordsThatWaitedForTheirRate: that is waiting; to wait for a client that does not take its lines is
// not, since it is the client's.
func TestRecordsThatWaitedForTheirRate(t *testing.T) {
	r := newRig(t, func(o *rigOptions) { o.framing, o.MaxRatePerConnection = codec.Newline, Rate{PerSecond: 100} })
	nc := r.dial()
	r.send(nc, strings.Repeat("{\"number\":1}\n", 120))
	r.eventually("it waits", func() bool { return r.Stats().WaitingForRate == 1 })
	r.send(nc, "{\"number\":2}\n")
	r.eventually("it is read again", func() bool { return len(r.own(2)) == 1 })
	r.eventually("its time", func() bool { return r.Stages().Socket > 0 })

	s, c := bareServer(t, codec.Newline, true)
	p := &paused{c: c, fd: -1}
	for on, want := range map[wait]bool{waitRoom: true, waitMemory: true, waitLines: true, waitRate: true, waitAcks: false, waitInput: false} {
		c.waited = 0
		s.pauser.waitFor(p, blocked{on: on})
		p.since -= int64(time.Second)
		if s.pauser.stopWaiting(p); c.waited >= int64(time.Second) != want {
			t.Errorf("%d: has waited %d", on, c.waited)
		}
	}
}

// TestRecordsThatWaitedForARest: a loop that rests because all rings are more than half full has those
// wait that it has.
func TestRecordsThatWaitedForARest(t *testing.T) {
	r := newRig(t, func(o *rigOptions) { o.framing, o.Loops = codec.Newline, 1 })
	for ring := range shards {
		r.fill(ring, r.ring(ring).Capacity()/4)
	}
	a, b := r.dial(), r.dial()
	r.send(b, "{\"number\":1}\n")
	r.eventually("it is in, and the loop rests", func() bool { return r.Stats().Received == 1 })
	r.send(a, "{\"number\":2}\n{\"number\":2}\n")
	r.eventually("both are in", func() bool { return r.Stats().Received == 3 })
	r.send(b, strings.Repeat("{\"number\":3}\n", 10))
	r.eventually("its time", func() bool { return r.Stages().Socket >= 10*2*coalesceRest.Seconds()*0.9 })
	if r.Stats().Waiting != 0 {
		t.Error("somebody was paused")
	}
}

// TestWaitingDoesNotAddUp: a wait counts for the read that it kept waiting, and for the next, and not for
// all that come after; of an overflow that waits again, all its waits count.
func TestWaitingDoesNotAddUp(t *testing.T) {
	s, c := bareServer(t, codec.Newline, false)
	in := s.pauser.in
	socket := func() float64 {
		was := in.stages.socket.load()
		in.stages.socket.add(1, -int64(was*1e9))
		return was
	}
	shut := func(ring int, is bool) { s.env.rooms[ring].shut.Store(is) }
	step := func(what string, waited time.Duration, do func() outcome, on wait, want float64) {
		t.Helper()
		c.waited += int64(waited)
		if o := do(); o.blocked.on != on {
			t.Fatalf("%s: %+v", what, o)
		}
		if got := socket(); got < want-1e-6 || got > want+1e-6 {
			t.Errorf("%s: %g seconds, want %g", what, got, want)
		}
	}
	take := func(stream string) func() outcome { return func() outcome { return in.take(c, []byte(stream)) } }
	resume := func() outcome { return in.resume(c) }
	step("nothing has waited", 0, take("{\"number\":2}\n"), waitNothing, 0)
	shut(1, true)
	step("a read that waited, until it finds no room", time.Second, take("{\"number\":2}\n{\"number\":1}\n{\"number\":3}\n"), waitRoom, 1)
	step("its overflow waits again", 2*time.Second, resume, waitRoom, 0)
	shut(1, false)
	shut(3, true)
	step("a part of it finds room", 3*time.Second, resume, waitRoom, 1+2+3)
	shut(3, false)
	step("and the rest", time.Second, resume, waitNothing, 1+2+3+1)
	step("the next read", 0, take("{\"number\":2}\n{\"number\":2}\n"), waitNothing, 2*(2+3+1))
	step("and one after it", 0, take("{\"number\":2}\n"), waitNothing, 0)
}
