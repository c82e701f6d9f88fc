package server

import (
	"net/netip"
	"testing"
	"time"

	"github.com/ringtail/ringtail/server/ack"
)

// TestReload: each option that may change while the server runs does, for those who come; who is
// there counts, and stays.
func TestReload(t *testing.T) {
	r := newRig(t, func(o *rigOptions) { o.ack = true; o.Loops = 1 })
	o := r.opt
	o.Listeners = append([]Listener(nil), o.Listeners...)
	reload := func(change func()) {
		t.Helper()
		change()
		r.Reload(&o)
	}
	served := func(why string, ip string) {
		t.Helper()
		before := r.w.count()
		r.send(r.dialFrom(ip), record(1)+"\n")
		r.eventually(why, func() bool { return r.w.count() == before+1 })
	}
	refused := func(reason, ip string) {
		t.Helper()
		before := r.Stats().Refused[reason]
		closedByServer(t, r.dialFrom(ip))
		if n := r.Stats().Refused[reason]; n != before+1 {
			t.Errorf("%d refused for %s, want one more than %d", n, reason, before)
		}
	}
	one := netip.MustParsePrefix("127.0.0.2/32")
	served("no list", "127.0.0.2")
	reload(func() { o.Listeners[0].Deny = []netip.Prefix{one} })
	refused("denied", "127.0.0.2")
	reload(func() { o.Listeners[0].Deny, o.Listeners[0].Allow = nil, []netip.Prefix{one} })
	served("allowed", "127.0.0.2")
	refused("denied", "127.0.0.3")
	reload(func() { o.Listeners[0].Allow = nil })
	served("no list any more", "127.0.0.3")

	reload(func() { o.MaxConnectionsPerIP = 2 }) // 127.0.0.2 has two of before
	refused("max_connections_per_ip", "127.0.0.2")
	served("another address", "127.0.0.3")
	reload(func() { o.MaxConnectionsPerIP, o.MaxConnections = 0, 4 })
	refused("max_connections", "127.0.0.2")
	reload(func() { o.MaxConnections = 5 })
	served("a fifth place", "127.0.0.2")
	reload(func() { o.MaxConnections = 0 })
	served("as many as there are descriptors", "127.0.0.2")

	before := r.memory.limit.Load()
	reload(func() { o.ClientMemory = 2 * before })
	if n := r.memory.limit.Load(); n != 2*before {
		t.Errorf("the limit is %d, want %d", n, 2*before)
	}

	reload(func() { o.MaxRatePerConnection = Rate{PerSecond: 1} })
	fast := r.dialFrom("127.0.0.4")
	all := r.w.count()
	for range 2000 {
		r.send(fast, record(1)+"\n")
	}
	r.eventually("who comes is measured", func() bool { return r.Stats().WaitingForRate == 1 })
	reload(func() { o.MaxRatePerConnection = Rate{PerSecond: 1_000_000} })
	r.eventually("with a higher rate the rest does not take half an hour", func() bool { return r.w.count() == all+2000 })

	idle := r.dialFrom("127.0.0.5")
	reload(func() { o.IdleTimeout = 50 * time.Millisecond })
	closedByServer(t, idle)
	r.eventually("all are idle", func() bool { return r.Stats().Connections == 0 })
	reload(func() { o.IdleTimeout, o.FrameTimeout = 0, 50*time.Millisecond })
	unfinished := r.dialFrom("127.0.0.5")
	r.send(unfinished, `{"number":`)
	closedByServer(t, unfinished)
}

// TestLoweredMemory: what is in use stays, also over the new limit, and nobody gets more.
func TestLoweredMemory(t *testing.T) {
	b := &budget{}
	b.init(64<<20, 1, 1000)
	b.add(32 << 20)
	b.setLimit(8 << 20)
	if b.limit.Load() != 8<<20 || b.tryAdd(1, b.lines.Load()) {
		t.Errorf("the limit is %d, and more was given", b.limit.Load())
	}
	b.add(1) // an event loop's read, which is counted when it has been taken
	if !b.usedUp() {
		t.Error("it is not used up")
	}
	b.add(-32 << 20)
	if b.usedUp() || !b.tryAdd(ack.UnsentMax, b.lines.Load()) {
		t.Error("nothing is given when there is room again")
	}
}

// TestAlive: a server whose loops are there is alive, with records or without; one with a loop that
// does not come back is not.
func TestAlive(t *testing.T) {
	stuck := make(chan struct{})
	r := newRig(t, func(o *rigOptions) {
		o.Loops = 1
		o.Codec.MaxRecordBytes = 1000
		o.Token = func([]byte) (string, bool) { <-stuck; return "", false }
	})
	alive := func(want bool) {
		t.Helper()
		r.Alive() // asks
		r.eventually("it is alive", func() bool { return r.Alive() == want })
	}
	alive(true)
	r.dial()
	r.eventually("it is there", func() bool { return r.Stats().Opened == 1 })
	alive(true)
	r.send(r.dial(), `{"token":"x"}`+"\n")
	alive(false)
	for range 10 {
		if time.Sleep(10 * time.Millisecond); r.Alive() {
			t.Error("it is alive again")
		}
	}
	close(stuck)
	alive(true)
}
