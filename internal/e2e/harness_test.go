package e2e

import (
	"errors"
	"os/exec"
	"syscall"
	"time"

	"github.com/ringtail/ringtail/bench"
	"github.com/ringtail/ringtail/internal/kafkatest"
)

// What the harness has for this package's own tests.

// StopAtOnce sends SIGTERM twice and waits. Two in short succession count as one, so
// it goes on sending until the server has ended.
func (s *Server) StopAtOnce() Exit {
	s.tb.Helper()
	again := time.NewTicker(500 * time.Millisecond)
	defer again.Stop()
	for deadline := time.After(patience); ; {
		_ = s.cmd.Process.Signal(syscall.SIGTERM) // it may have ended just now
		select {
		case <-s.gone:
			return s.Wait()
		case <-deadline:
			return s.Wait() // says that it has not ended
		case <-again.C:
		}
	}
}

// Command runs the binary to its end and returns its exit code and what it
// wrote to standard output and error together.
func Command(tb kafkatest.TB, args ...string) (code int, out string) {
	tb.Helper()
	text, err := exec.Command(Binary(tb), args...).CombinedOutput()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return exit.ExitCode(), string(text)
	}
	if err != nil {
		tb.Fatalf("e2e: %v", err)
	}
	return 0, string(text)
}

// CheckFlawless fails unless everything a load sent is in the topic, once, in
// order, unchanged, and nothing else is.
func CheckFlawless(tb kafkatest.TB, c *kafkatest.Cluster, topic string, l *bench.Load, r *bench.Result) bench.Verdict {
	tb.Helper()
	if err := r.Err(); err != nil {
		tb.Fatalf("e2e: %v", err)
	}
	v := Verify(tb, c, topic, l, r.Outcomes)
	if err := v.Err(); err != nil {
		tb.Fatalf("e2e: %v", err)
	}
	if v.Foreign > 0 {
		tb.Fatalf("e2e: the topic holds %d records that nobody sent", v.Foreign)
	}
	if r.Unasked > 0 {
		tb.Fatalf("e2e: the server wrote %d bytes to clients that asked for nothing", r.Unasked)
	}
	return v
}
