package main

import (
	"bufio"
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"
)

// ownServer is serve in a process of its own, with nowhere to write to: its address and, with an
// admin port, that one's; and what it says on standard error.
func ownServer(t *testing.T, stderr io.Writer, args ...string) (c *exec.Cmd, listen string) {
	t.Helper()
	return ownServerIn(t, nil, nil, stderr, args...)
}

// ownServerOn is ownServer with a standard input; nil: it is empty.
func ownServerOn(t *testing.T, stdin *os.File, stderr io.Writer, args ...string) (c *exec.Cmd, listen string) {
	t.Helper()
	return ownServerIn(t, nil, stdin, stderr, args...)
}

// ownServerIn is ownServerOn with more in its environment.
func ownServerIn(t *testing.T, env []string, stdin *os.File, stderr io.Writer, args ...string) (c *exec.Cmd, listen string) {
	t.Helper()
	c = exec.Command(os.Args[0], append([]string{"serve", "--sink", "discard", "--ack", "kafka", "--listen", "tcp://127.0.0.1:0?framing=newline", "--admin", "", "--ring-bytes", "5MiB"}, args...)...)
	c.Env = append(append(os.Environ(), asMain+"=1"), env...)
	c.Stderr, c.Dir = stderr, t.TempDir()
	if stdin != nil {
		c.Stdin = stdin
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Kill() // it has ended, as a rule
		_ = c.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	_, listen, _ = strings.Cut(strings.TrimSpace(line), "listen=")
	return c, listen
}

// TestNobodyReadsTheLog: a server whose log goes to a pipe that is closed takes
// records and stops as ever.
func TestNobodyReadsTheLog(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	c, listen := ownServer(t, w)
	_, _ = w.Close(), r.Close()
	// The reject is logged before the client is told.
	if got, want := send(t, listen, "{}\n{\"number\":1}\n"), "{\"rejected\":1,\"reason\":\"missing_field\"}\n{\"acked\":2}\n"; got != want {
		t.Errorf("the answer is %q, want %q", got, want)
	}
	_ = c.Process.Signal(syscall.SIGTERM)
	if err := c.Wait(); err != nil {
		t.Errorf("the stop: %v", err)
	}
}

// TestHangup: without a terminal SIGHUP reloads, and never ends a server; under nohup, too.
func TestHangup(t *testing.T) {
	t.Cleanup(func() { signal.Reset(syscall.SIGHUP) })
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP) // what we ignore, children ignore
	errs := &output{}
	c, listen := ownServer(t, errs)
	reloads := func(what string) {
		t.Helper()
		_ = c.Process.Signal(syscall.SIGHUP)
		until(t, "it reloads "+what, func() bool { return strings.Contains(errs.String(), "the configuration is reloaded") })
		send(t, listen, "{\"number\":1}\n")
		_ = c.Process.Signal(syscall.SIGTERM)
		if err := c.Wait(); err != nil || !strings.Contains(errs.String(), "signal=terminated") {
			t.Errorf("%s: %v, it said %q", what, err, errs.String())
		}
	}
	reloads("without a terminal")

	signal.Ignore(syscall.SIGHUP)
	errs = &output{}
	c, listen = ownServer(t, errs)
	reloads("under nohup")
}

// TestTerminalHangsUp: a server whose terminal is there reloads, and one whose terminal is gone stops
// as by any other signal.
func TestTerminalHangsUp(t *testing.T) {
	t.Cleanup(func() { signal.Reset(syscall.SIGHUP) })
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	master, terminal := pseudoterminal(t)
	errs := &output{}
	c, listen := ownServerOn(t, terminal, errs)
	_ = terminal.Close()
	send(t, listen, "{\"number\":1}\n")
	_ = c.Process.Signal(syscall.SIGHUP)
	until(t, "it reloads", func() bool { return strings.Contains(errs.String(), "the configuration is reloaded") })
	send(t, listen, "{\"number\":1}\n")
	_ = master.Close() // the kernel's own SIGHUP is for the leader of a session, which the server is not
	_ = c.Process.Signal(syscall.SIGHUP)
	if err := c.Wait(); err != nil || !strings.HasSuffix(errs.String(), "drained received=2 recovered=0 delivered=2 rejected=0 dead_lettered=0 kept=0 lost=0\n") {
		t.Errorf("%v, it said %q", err, errs.String())
	}
}

// TestStopsAtAnyMoment: whatever a server is doing when the signal comes, it ends with 0 and the
// books, and never by a signal of its own making. SIGTERM itself may end what has not begun.
func TestStopsAtAnyMoment(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	kafka := embedded(t)
	for what, args := range map[string][]string{
		"nobody listens": {"--brokers", closedPort(t), "--ring-dir", t.TempDir()},
		"nobody answers": {"--brokers", silent.Addr().String(), "--ring-dir", t.TempDir()},
		"native":         {"--brokers", kafka.brokers, "--ring-dir", t.TempDir(), "--writer", "native"},
		"librdkafka":     {"--brokers", kafka.brokers, "--ring-dir", t.TempDir(), "--writer", "librdkafka"},
		"embedded":       {"--embedded", "--embedded-port", "0"},
	} {
		closed := 0
		for i := range 8 {
			errs := &output{}
			c := exec.Command(os.Args[0], append([]string{"serve", "--listen", "tcp://127.0.0.1:0", "--admin", "127.0.0.1:0", "--ring-bytes", "5MiB"}, args...)...)
			c.Env, c.Stderr = append(os.Environ(), asMain+"=1"), errs
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Duration(i) * 60 * time.Millisecond) // spreads the moments; nothing is measured
			_ = c.Process.Signal(syscall.SIGTERM)
			_ = c.Wait()
			end, _ := c.ProcessState.Sys().(syscall.WaitStatus)
			lines := errs.lines()
			switch last := lines[len(lines)-1]; {
			case end.Signaled() && end.Signal() == syscall.SIGTERM && errs.String() == "":
			case end.ExitStatus() == exitDone && strings.HasPrefix(last, "drained received=0 ") && strings.HasSuffix(last, " lost=0"):
				closed++
			default:
				t.Errorf("%s, signal %d: %v; it said\n%s", what, i, c.ProcessState, errs.String())
			}
		}
		if closed == 0 {
			t.Errorf("%s: no stop came after the start had begun", what)
		}
	}
}

// TestSignalOfAVerbThatAsks: it has nothing to see through, or not yet, so it does not wait for
// brokers that are not there.
func TestSignalOfAVerbThatAsks(t *testing.T) {
	for _, verb := range []string{
		"topics list", "topics describe x", "check --connect", "topics create x", "topics delete x", "topics alter x --partitions 3",
		"groups reset g --topic x --to end", "consume --topic x", "consume --topic x --group g", "produce --topic x --generate numbers --count 1",
		"process --from x --to y --group g --expr z", "letters replay --from x --to y",
	} {
		c := start(t, "", append(strings.Fields(verb), "--brokers", closedPort(t))...)
		c.signals <- syscall.SIGINT
		// A stream that has not begun is one that was ended; what was to be changed, or asked, was not.
		want := exitFailed
		if stream := strings.Fields(verb)[0]; stream == "consume" || stream == "produce" || stream == "process" {
			want = exitDone
		}
		if code := c.wait(); code != want || len(c.aborted) == 0 {
			t.Errorf("%v ends with %d, want %d, and at once: %s", verb, code, want, c.err.String())
		}
	}
}

// TestAskingEndsAtOnce: the process ends before the verb hears of it, which would say that it has
// failed.
func TestAskingEndsAtOnce(t *testing.T) {
	signals := make(chan os.Signal, 1)
	ends := make(chan error, 1)
	p := &process{Signals: signals}
	ready := make(chan context.Context, 1)
	p.Abort = func(code int) {
		if ctx := <-ready; code == exitDone {
			ends <- ctx.Err()
		}
	}
	ctx, cancel := p.asking(exitDone)
	defer cancel()
	ready <- ctx
	signals <- syscall.SIGTERM
	if err := <-ends; err != nil {
		t.Error("the verb has heard of it first")
	}
}

// TestNobodyReadsTheRecords: a member of a group whose output is closed leaves the
// group, and says nothing.
func TestNobodyReadsTheRecords(t *testing.T) {
	s := embedded(t)
	k := &cluster3{t: t, brokers: s.brokers}
	k.must(t, "produce", "--topic", "records", "--generate", "numbers", "--count", "10")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Close()
	c := exec.Command(os.Args[0], k.args("consume", "--topic", "records", "--group", "g", "--from", "beginning")...)
	c.Env = append(os.Environ(), asMain+"=1")
	errs := &output{}
	c.Stdout, c.Stderr = w, errs
	err = c.Run()
	_ = w.Close()
	if c.ProcessState == nil || c.ProcessState.ExitCode() != exitPipe || errs.String() != "" {
		t.Errorf("%v, it said %q", err, errs.String())
	}
	if out := k.must(t, "topics", "describe", "records", "--group", "g"); !strings.Contains(out, "\ngroup g: has no members and has committed nothing here\n") {
		t.Errorf("the group afterwards:\n%s", out)
	}
}

// TestManySignalsOfAKind: they take no place of another, whoever is slow to obey.
func TestManySignalsOfAKind(t *testing.T) {
	signals := make(chan os.Signal)
	_, control, done := (&process{Signals: signals}).apart()
	defer done()
	for range 10 {
		signals <- syscall.SIGHUP
	}
	signals <- syscall.SIGUSR1
	signals <- syscall.SIGUSR2
	signals <- syscall.SIGUSR1
	for _, want := range []os.Signal{syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2} {
		if s := <-control; s != want {
			t.Errorf("%v, want %v", s, want)
		}
	}
	select {
	case s := <-control:
		t.Errorf("%v twice", s)
	default:
	}
}

// TestSignalsOfTheProcess: while nobody reads, and many of one kind come, those of others are kept.
func TestSignalsOfTheProcess(t *testing.T) {
	kinds := []os.Signal{syscall.SIGUSR1, syscall.SIGUSR2}
	t.Cleanup(func() { signal.Reset(kinds...) })
	heard := make(chan os.Signal)
	hearing(heard)(kinds...)
	for range 100 {
		_ = syscall.Kill(os.Getpid(), syscall.SIGUSR1)
		time.Sleep(time.Millisecond) // so that they are not one for the kernel
	}
	delivered := make(chan os.Signal, 1)
	signal.Notify(delivered, syscall.SIGUSR2)
	_ = syscall.Kill(os.Getpid(), syscall.SIGUSR2)
	<-delivered
	signal.Stop(delivered) // when this has returned, it has been offered to all
	for deadline := time.After(patience); ; {
		select {
		case s := <-heard:
			if s == syscall.SIGUSR2 {
				return
			}
		case <-deadline:
			t.Fatal("the other one is lost")
		}
	}
}
