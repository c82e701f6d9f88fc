package toolbox

import (
	"testing"
	"time"
)

// TestStall: told once, when nothing has moved for sayEvery, and again for the next.
func TestStall(t *testing.T) {
	var w stall
	begin := time.Unix(1e9, 0)
	for i, c := range []struct {
		delivered int64
		after     time.Duration
		want      bool
	}{
		{0, 0, false}, {0, sayEvery - 1, false}, {0, sayEvery, true}, {0, 2 * sayEvery, false},
		{7, 3 * sayEvery, false}, {7, 4*sayEvery - 1, false}, {8, 4 * sayEvery, false}, {8, 5 * sayEvery, true},
	} {
		if got := w.lasts(c.delivered, begin.Add(c.after)); got != c.want {
			t.Errorf("step %d: %v, want %v", i, got, c.want)
		}
	}
}
