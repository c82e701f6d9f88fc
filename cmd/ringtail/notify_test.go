package main

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// systemd is the other end of NOTIFY_SOCKET. Who has env speaks to it: not this process, in which
// servers of other tests may still end.
type systemd struct {
	t   *testing.T
	nc  *net.UnixConn
	env []string
}

func newSystemd(t *testing.T) *systemd {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	nc, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nc.Close() })
	return &systemd{t, nc, []string{"NOTIFY_SOCKET=" + path, "WATCHDOG_USEC=400000"}}
}

// told returns what comes next of those that begin so, passing over watchdogs and texts alone.
func (s *systemd) told(begin string) string {
	s.t.Helper()
	_ = s.nc.SetReadDeadline(time.Now().Add(patience))
	buf := make([]byte, 4096)
	for {
		n, err := s.nc.Read(buf)
		if err != nil {
			s.t.Fatalf("not told %s: %v", begin, err)
		}
		said := string(buf[:n])
		if strings.HasPrefix(said, begin) {
			return said
		}
		if !strings.HasPrefix(said, "WATCHDOG=1") && !strings.HasPrefix(said, "STATUS=") {
			s.t.Fatalf("told %q, want %s", said, begin)
		}
	}
}

// TestSystemdIsTold: ready when records are taken, that it lives, when it reloads, who takes over,
// and when it stops: that is the last process's to say.
func TestSystemdIsTold(t *testing.T) {
	s := newSystemd(t)
	errs := &output{}
	c, listen := ownServerIn(t, s.env, nil, errs)
	if ready := s.told("READY=1"); !strings.Contains(ready, "\nSTATUS=") {
		t.Errorf("no verdict in %q", ready)
	}
	s.told("WATCHDOG=1")
	send(t, listen, "{\"number\":1}\n")
	if status := s.told("STATUS="); !strings.Contains(status, "OK") && !strings.Contains(status, "CLIENTS") {
		t.Errorf("the status is %q", status)
	}

	_ = c.Process.Signal(syscall.SIGHUP)
	_, at, _ := strings.Cut(s.told("RELOADING=1"), "MONOTONIC_USEC=")
	if usec, err := strconv.Atoi(at); err != nil || usec <= 0 {
		t.Errorf("it reloads at %q", at)
	}
	s.told("READY=1")

	_ = c.Process.Signal(syscall.SIGUSR2)
	pid, err := strconv.Atoi(strings.TrimPrefix(s.told("MAINPID="), "MAINPID="))
	if err != nil || pid == c.Process.Pid {
		t.Fatalf("the main process is %d: %v", pid, err)
	}
	s.told("READY=1") // by the new one; the old one says nothing of its end
	until(t, "the old process ends", func() bool { return strings.Contains(errs.String(), "drained ") })
	s.told("WATCHDOG=1")
	if got := send(t, listen, "{\"number\":1}\n"); got != "{\"acked\":1}\n" {
		t.Errorf("the new process says %q", got)
	}
	successor, err := os.FindProcess(pid)
	if err != nil {
		t.Fatal(err)
	}
	_ = successor.Signal(syscall.SIGTERM)
	s.told("STOPPING=1")
	if err := c.Wait(); err != nil || strings.Count(errs.String(), "drained ") != 2 { // it waits for both
		t.Errorf("%v, they said %q", err, errs.String())
	}
}
