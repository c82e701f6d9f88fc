package main

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// asPanic is the value of asMain with which the test's binary crashes, set up as main is.
const asPanic = "panic"

func panicAsMain() {
	crashBySignal()
	go panic("a slip")
	select {}
}

// allowCores lets children leave cores, as far as we may.
func allowCores(t *testing.T) {
	t.Helper()
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_CORE, &before); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{Cur: before.Max, Max: before.Max}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Setrlimit(syscall.RLIMIT_CORE, &before) })
}

// TestCrashesEndBySignal: exit code 2 is a wrong usage, and is not started again; a crash is. It
// leaves its stacks and no core.
func TestCrashesEndBySignal(t *testing.T) {
	allowCores(t)
	t.Setenv("GOTRACEBACK", "none") // less than we ask for
	check := func(what string, c *exec.Cmd, errs *output) {
		t.Helper()
		_ = c.Wait()
		end, _ := c.ProcessState.Sys().(syscall.WaitStatus)
		if !end.Signaled() || end.Signal() != syscall.SIGABRT || end.CoreDump() || !strings.Contains(errs.String(), "\ngoroutine ") {
			t.Errorf("%s: %v (core: %v); it said %.500s", what, c.ProcessState, end.CoreDump(), errs.String())
		}
	}
	for _, s := range []syscall.Signal{syscall.SIGQUIT, syscall.SIGSEGV, syscall.SIGBUS, syscall.SIGABRT} {
		errs := &output{}
		c, _ := ownServer(t, errs)
		_ = c.Process.Signal(s)
		check(s.String(), c, errs)
	}
	errs := &output{}
	c := exec.Command(os.Args[0])
	c.Env, c.Stderr, c.Dir = append(os.Environ(), asMain+"="+asPanic), errs, t.TempDir()
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	check("panic", c, errs)

	c = exec.Command(os.Args[0], "serve", "--nonsense")
	c.Env = append(os.Environ(), asMain+"=1")
	if err := c.Run(); c.ProcessState == nil || c.ProcessState.ExitCode() != exitUsage {
		t.Errorf("a wrong flag: %v", err)
	}
}
