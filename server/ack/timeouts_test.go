package ack

import "testing"

// TestSetTimeouts: how long a client may take nothing is what was said last.
func TestSetTimeouts(t *testing.T) {
	d := New(nil, Options[int]{IdleTimeout: 1, LingerTimeout: 2})
	a := d.NewConn(0)
	for _, want := range [][2]int64{{1, 2}, {3, 4}} {
		a.phase = phaseReading
		_, idle := d.patience(a)
		a.phase = phaseLingering
		if _, linger := d.patience(a); idle != want[0] || linger != want[1] {
			t.Errorf("%d while it is read, %d while it lingers, want %d", idle, linger, want)
		}
		d.SetTimeouts(3, 5, 4)
	}
}
