package kafkatest

import (
	"fmt"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
)

// Nobody is an address where nobody listens.
func Nobody(tb TB) string { return fmt.Sprint("127.0.0.1:", ReservePorts(tb, 1)) }

// Deaf is the address of a listener that accepts connections and never answers.
func Deaf(tb TB) string { return stranger(tb, func(net.Conn) {}) }

// Rude is the address of a listener that closes each connection at once.
func Rude(tb TB) string { return stranger(tb, func(c net.Conn) { c.Close() }) }

// stranger listens until tb ends, and closes then what it has accepted.
func stranger(tb TB, accepted func(net.Conn)) string {
	tb.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(tb, err)
	var accepting sync.WaitGroup
	accepting.Go(func() {
		var all []net.Conn
		for {
			c, err := ln.Accept()
			if err != nil {
				break
			}
			all = append(all, c)
			accepted(c)
		}
		for _, c := range all {
			c.Close()
		}
	})
	tb.Cleanup(func() { ln.Close(); accepting.Wait() })
	return ln.Addr().String()
}

// Busy keeps every processor at work until tb ends.
func Busy(tb TB) {
	var over atomic.Bool
	var spinning sync.WaitGroup
	for range runtime.NumCPU() {
		spinning.Go(func() {
			for !over.Load() { // nothing else: that is the point
			}
		})
	}
	tb.Cleanup(func() { over.Store(true); spinning.Wait() })
}
