package e2e

import (
	"errors"
	"os"
	"regexp"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

var takenOver = regexp.MustCompile(`the new process has taken over; [^\n]* pid=([0-9]+)`)

// TakeOver has a new process take the place of the server's, and returns when that has done so. From
// then on signals and figures are the new one's, and Wait waits for both.
func (s *Server) TakeOver() {
	s.tb.Helper()
	if err := adoptOrphans(); err != nil {
		s.tb.Fatalf("e2e: %v", err)
	}
	s.Signal(syscall.SIGUSR2)
	var found [][]string
	s.Await("a new process takes over", func() bool {
		found = takenOver.FindAllStringSubmatch(s.Output(), -1)
		return len(found) == len(s.family)
	})
	pid, err := strconv.Atoi(found[len(found)-1][1])
	if err != nil {
		s.tb.Fatalf("e2e: %v\n%s", err, s.output)
	}
	p, err := os.FindProcess(pid)
	if err != nil {
		s.tb.Fatalf("e2e: %v\n%s", err, s.output)
	}
	s.family = append(s.family, p)
}

// process is the one that accepts.
func (s *Server) process() *os.Process { return s.family[len(s.family)-1] }

// state is how the last process ended.
func (s *Server) state() *os.ProcessState {
	s.tb.Helper()
	if len(s.family) == 1 {
		return s.cmd.ProcessState
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		state, err := s.process().Wait()
		if err == nil {
			return state
		}
		if !errors.Is(err, unix.ECHILD) || time.Now().After(deadline) { // its parent is just ending
			s.tb.Fatalf("e2e: the end of a process that took over: %v\n%s", err, s.output)
		}
	}
}
