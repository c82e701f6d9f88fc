package server

import (
	"testing"
	"time"
)

// TestReadCoalescer feeds reads, and says when a loop would rest.
func TestReadCoalescer(t *testing.T) {
	const us = int64(time.Microsecond)
	for name, test := range map[string]struct {
		burst int   // reads one after the other
		bytes int   // of each
		takes int64 // each
		then  int64 // from a burst's end to the next one
		rests bool
	}{
		"one now and then":            {1, 220, 5 * us, 5000 * us, false},
		"one every 2 ms":              {1, 220, 5 * us, 2000 * us, false},
		"a thousand a second":         {1, 220, 5 * us, 995 * us, true},
		"ten thousand a second":       {1, 220, 5 * us, 95 * us, true},
		"many at once, every 2 ms":    {10, 220, 5 * us, 2000 * us, true},
		"many at once, now and then":  {10, 220, 5 * us, 10_000 * us, false},
		"always something, small":     {1000, 220, 5 * us, 2 * us, false},
		"always something, large":     {1000, 64 << 10, 50 * us, 2 * us, false},
		"three at once, now and then": {3, 220, 5 * us, 4100 * us, false},
		"load, and a short sleep":     {100, 64 << 10, 50 * us, 20 * us, false},
	} {
		t.Run(name, func(t *testing.T) {
			var p readCoalescer
			now, rests := int64(time.Hour), 0
			p.rested(now)
			for range 100 {
				for range test.burst {
					now += 2 * us
					p.begin(now)
					now += test.takes
					if p.end(test.bytes, now) {
						rests++
						now += int64(coalesceRest)
						p.rested(now)
					}
				}
				now += test.then
			}
			if (rests > 0) != test.rests {
				t.Errorf("%d rests", rests)
			}
		})
	}
}
