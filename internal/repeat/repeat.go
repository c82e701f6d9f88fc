// Package repeat does something again and again on a goroutine of its own.
package repeat

import (
	"sync"
	"time"
)

// Every calls do in that interval until stop is called, which waits for a call that is under way.
func Every(interval time.Duration, do func()) (stop func()) {
	done := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		tick := time.NewTicker(interval)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				do()
			}
		}
	})
	return func() { close(done); running.Wait() }
}
