package kafkatest

import (
	"fmt"
	"io"
	"runtime"
	"sync"
)

// must fails where there is an error.
func must(tb TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatalf("kafkatest: %v", err)
	}
}

// Runner is a TB without a test. Its log goes to Log.
type Runner struct {
	Log io.Writer

	mu       sync.Mutex
	failure  string
	cleanups []func()
}

// Run runs f, which Fatalf ends, and then what f wants cleaned up. It returns why f failed; "" if it
// did not.
func (r *Runner) Run(f func()) (failure string) {
	done := make(chan struct{})
	go func() { // Fatalf ends the goroutine it is called on
		defer close(done)
		defer r.cleanup()
		f()
	}()
	<-done
	return r.Failure()
}

// Failure is what Fatalf was called with first, by whichever goroutine; "" if it was not.
func (r *Runner) Failure() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failure
}

// Helper does nothing: there is no test to name a line of.
func (r *Runner) Helper() {}

// Logf writes a line to Log.
func (r *Runner) Logf(format string, args ...any) { fmt.Fprintf(r.Log, format+"\n", args...) }

// Fatalf notes a failure and ends this goroutine.
func (r *Runner) Fatalf(format string, args ...any) {
	r.mu.Lock()
	if r.failure == "" {
		r.failure = fmt.Sprintf(format, args...)
	}
	r.mu.Unlock()
	runtime.Goexit()
}

// Cleanup has f run when Run ends; the last comes first.
func (r *Runner) Cleanup(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cleanups = append(r.cleanups, f)
}

func (r *Runner) cleanup() {
	for len(r.cleanups) > 0 {
		last := len(r.cleanups) - 1
		f := r.cleanups[last]
		r.cleanups = r.cleanups[:last]
		f()
	}
}
