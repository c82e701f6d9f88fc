package node

import (
	"fmt"
	"io"
	"sync"
)

// Stderr is standard error with a last line: behind it nothing is written any more,
// although a stop that failed leaves goroutines that still log.
type Stderr struct {
	mu    sync.Mutex
	w     io.Writer
	ended bool
}

// NewStderr writes to w.
func NewStderr(w io.Writer) *Stderr { return &Stderr{w: w} }

// Write writes, until Last has been called.
func (s *Stderr) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return len(p), nil
	}
	return s.w.Write(p)
}

// Last writes the last line.
func (s *Stderr) Last(line fmt.Stringer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended {
		_, _ = fmt.Fprintln(s.w, line)
	}
	s.ended = true
}
