package server

import (
	"net"
	"testing"
)

// TestListenErrorOfAName: it has no words of package net, and no name server.
func TestListenErrorOfAName(t *testing.T) {
	err := &ListenError{Listener{Network: "tcp", Address: "nowhere:1"}, &net.OpError{
		Op: "listen", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "nowhere", Server: "192.0.2.1:53", IsNotFound: true},
	}}
	if got, want := err.Error(), "--listen tcp://nowhere:1: no such host"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
