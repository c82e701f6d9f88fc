package server

import (
	"net"
	"testing"
	"time"
)

// TestDrainEndsUnderAFlood: clients that owe a header and say nothing, more than the greetings have
// slots for, do not keep a drain beyond its time. Whoever is not greeted by then is turned away.
func TestDrainEndsUnderAFlood(t *testing.T) {
	const conns = 400 // 200 ms each: 80 s
	r := greeted(t, func(o *rigOptions) {
		o.greetings = 1
		o.waiting = func(a net.Addr) {
			for range conns {
				nc, err := net.Dial("tcp", a.String())
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = nc.Close() })
			}
		}
	})
	if err := r.drain(6 * time.Second); err != nil {
		t.Errorf("the drain has not ended in time: %v", err)
	}
	st := r.Stats()
	came := st.Opened
	for _, n := range st.Refused {
		came += n
	}
	if came >= conns/2 || st.Connections != 0 {
		t.Errorf("%d of %d were waited for, %d are there", came, conns, st.Connections)
	}
}
