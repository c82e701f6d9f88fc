package server

import (
	"net"
	"net/netip"
	"testing"
)

// Connections that come at the same time are spread over the loops, also where none of
// these has taken one yet.
func TestConnectionsAreSpread(t *testing.T) {
	r := newRig(t, func(o *rigOptions) { o.Loops = 3 })
	for range 4 * len(r.loops) {
		r.registry.leastLoaded()
	}
	for i := range r.loops {
		if n := r.registry.placed[i].Swap(0); n != 4 {
			t.Errorf("loop %d is to take %d of 12, want 4", i, n)
		}
	}
}

// A connection that no loop could take is not counted as one of a loop's.
func TestConnectionNotTakenIsNotCounted(t *testing.T) {
	r := newRig(t, nil)
	client, notASocket := net.Pipe()
	defer client.Close()
	r.acceptor.welcome(r.listeners[0], notASocket, netip.AddrPort{})
	r.eventually("the pipe to be refused", func() bool { return r.Stats().Refused["error"] == 1 })
	for i := range r.loops {
		if n := r.registry.placed[i].Load(); n != 0 {
			t.Errorf("%d connections placed with loop %d", n, i)
		}
	}
}
