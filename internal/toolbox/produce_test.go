package toolbox

import (
	"testing"
	"time"
)

// TestStall: told once when records have waited and none has moved, and again for the
// next time.
func TestStall(t *testing.T) {
	var w stall
	begin := time.Unix(1e9, 0)
	for i, c := range []struct {
		handed, delivered int64
		after             time.Duration
		want              bool
	}{
		{9, 0, 0, false}, {9, 0, sayEvery - 1, false}, {9, 0, sayEvery, true}, {9, 0, 2 * sayEvery, false},
		{9, 7, 3 * sayEvery, false}, {9, 7, 4*sayEvery - 1, false}, {9, 8, 4 * sayEvery, false}, {9, 8, 5 * sayEvery, true},
		{9, 9, 6 * sayEvery, false}, {9, 9, 8 * sayEvery, false}, {10, 9, 8*sayEvery + 1, false}, {10, 9, 9 * sayEvery, true},
	} {
		if got := w.lasts(c.handed, c.delivered, begin.Add(c.after)); got != c.want {
			t.Errorf("step %d: %v, want %v", i, got, c.want)
		}
	}
}
