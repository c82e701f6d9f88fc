package main

import (
	"bytes"
	"context"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// patience only ends tests that would otherwise hang.
const patience = 3 * time.Minute

// output is what a verb wrote so far; a test may look while it runs.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

func (o *output) lines() []string {
	return strings.Split(strings.TrimSuffix(o.String(), "\n"), "\n")
}

// command is a run of the whole program in this process.
type command struct {
	t        testing.TB
	out, err output
	signals  chan os.Signal
	exit     chan int
	aborted  chan int
	metrics  *prometheus.Registry // a serve's
}

// start runs ringtail with these arguments and input.
func start(t testing.TB, input string, args ...string) *command {
	t.Helper()
	args = withFreePorts(withSmallRings(args))
	c := &command{t: t, signals: make(chan os.Signal, 2), exit: make(chan int, 3), aborted: make(chan int, 2), metrics: prometheus.NewRegistry()}
	go func() {
		c.exit <- run(args, &process{
			In: strings.NewReader(input), Out: &c.out, Err: &c.err,
			Signals: c.signals, Abort: func(code int) { c.aborted <- code; c.exit <- code }, Metrics: c.metrics,
		})
	}()
	return c
}

// withSmallRings gives a serve that says nothing of its rings small ones. They stay in memory until
// the process ends (internal/node/stop.go), and this one runs a hundred.
func withSmallRings(args []string) []string {
	speaks := func(flag string) bool {
		return slices.ContainsFunc(args, func(arg string) bool { return arg == flag || strings.HasPrefix(arg, flag+"=") })
	}
	if len(args) == 0 || args[0] != "serve" || slices.ContainsFunc([]string{
		"--ring-bytes", "--ring-dir", "--max-record-bytes", "--config", "--print-config", "--help",
	}, speaks) {
		return args
	}
	return append(slices.Clone(args), "--ring-bytes", "5MiB")
}

// withFreePorts gives a check that says nothing of addresses free ones: somebody on the machine may
// have the usual ones.
func withFreePorts(args []string) []string {
	speaks := func(arg string) bool {
		return slices.ContainsFunc([]string{"--listen", "--config", "--print-config", "--help", "--embedded-port"}, func(flag string) bool { return arg == flag || strings.HasPrefix(arg, flag+"=") })
	}
	if len(args) == 0 || args[0] != "check" || slices.ContainsFunc(args, speaks) {
		return args
	}
	args = append(slices.Clone(args), "--listen", "tcp://127.0.0.1:0", "--embedded-port", "0")
	if !slices.Contains(args, "--admin") {
		args = append(args, "--admin", "")
	}
	return args
}

// wait waits for the end and returns the exit code.
func (c *command) wait() int {
	c.t.Helper()
	select {
	case code := <-c.exit:
		if strings.Contains(c.err.String(), "the books do not add up") {
			c.t.Errorf("a record was dropped or counted twice:\n%s", c.err.String())
		}
		return code
	case <-time.After(patience):
		c.t.Fatalf("still running; it said\n%s%s", c.out.String(), c.err.String())
		return -1
	}
}

func (c *command) terminate() int {
	c.signals <- syscall.SIGTERM
	return c.wait()
}

// ringtail runs a command to its end.
func ringtail(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	c := start(t, "", args...)
	code = c.wait()
	return code, c.out.String(), c.err.String()
}

// must runs a command that has to end well, and returns its output.
func must(t *testing.T, args ...string) string {
	t.Helper()
	code, out, errs := ringtail(t, args...)
	if code != 0 {
		t.Fatalf("ringtail %s: exit %d: %s", strings.Join(args, " "), code, errs)
	}
	return out
}

// refuse runs a command that has to end with that code and one line, which contains
// all of want.
func refuse(t *testing.T, code int, want []string, args ...string) {
	t.Helper()
	got, out, errs := ringtail(t, args...)
	if got != code || out != "" || strings.Count(errs, "\n") != 1 || !strings.HasPrefix(errs, "ringtail: ") {
		t.Errorf("ringtail %s: exit %d, want %d with one line; it said %q %q", strings.Join(args, " "), got, code, out, errs)
	}
	for _, w := range want {
		if !strings.Contains(errs, w) {
			t.Errorf("ringtail %s: %q does not contain %q", strings.Join(args, " "), errs, w)
		}
	}
}

// until waits until done, or fails.
func until(t testing.TB, what string, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for !done() {
		if ctx.Err() != nil {
			t.Fatalf("still not true: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// server is a running serve: its addresses.
type server struct {
	*command
	listen  []string
	admin   string
	brokers string
}

// serve starts a server on free ports and waits until it is ready.
func serve(t testing.TB, args ...string) *server {
	t.Helper()
	s := &server{command: start(t, "", append([]string{"serve", "--listen", "tcp://127.0.0.1:0", "--admin", "127.0.0.1:0"}, args...)...)}
	t.Cleanup(func() {
		select {
		case s.signals <- syscall.SIGTERM:
		default:
		}
	})
	until(t, "the server is ready", func() bool {
		select {
		case code := <-s.exit:
			t.Fatalf("serve ended with %d: %s", code, s.err.String())
		default:
		}
		return strings.Contains(s.out.String(), "\n")
	})
	line := s.out.lines()[0]
	if !strings.HasPrefix(line, "ringtail: ready ") {
		t.Fatalf("the ready line is %q", line)
	}
	for field := range strings.FieldsSeq(line) {
		switch k, v, _ := strings.Cut(field, "="); k {
		case "listen":
			s.listen = append(s.listen, v)
		case "admin":
			s.admin = v
		case "brokers":
			s.brokers = v
		}
	}
	return s
}

// embedded starts a server with a broker in the process.
func embedded(t testing.TB, args ...string) *server {
	t.Helper()
	return serve(t, append([]string{"--embedded", "--embedded-port", "0", "--ring-bytes", "5MiB"}, args...)...)
}

// drained is the last line on standard error.
func (s *server) drained() string {
	lines := s.err.lines()
	return lines[len(lines)-1]
}
