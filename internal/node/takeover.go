package node

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ringtail/ringtail/internal/platform"
	"github.com/ringtail/ringtail/server"
)

// A takeover (SIGUSR2): this process starts the program anew, as it was started itself, and gives it
// the sockets on which it listens. So a new version, or a changed configuration, comes into use, and
// no client is refused: the kernel has one backlog for both processes.
//
//	this process                                the successor
//	starts it ─────sockets, one to talk by─────► validates, reaches Kafka, opens what else it needs
//	takes records as ever                        │
//	stops accepting, ◄────────"ready"─────────── │ takes records
//	serves its connections to their end,         │
//	drains, ends                                 │
//
// It serves them for --takeover-timeout at most, and drains then as it does on SIGTERM. A connection
// stays in one process, so the order of its records does. A successor that ends before it is ready
// has changed nothing.
//
// Both cannot have one --ring-dir. A successor that is given the same one tries everything else
// first, says "waiting", and waits for this process, which drains at once. Clients that come
// meanwhile wait in the backlog.
//
// Not SO_REUSEPORT: with that each process has a backlog of its own, and whoever is in it when the
// process closes its socket is refused.

// What a successor says.
const (
	wordReady   = "ready"
	wordWaiting = "waiting"
)

// successor is a process that is to take over.
type successor struct {
	cmd   *exec.Cmd
	talk  *os.File    // kept open until this process ends, which is how the successor learns that
	heard chan string // what it says; closed when it has ended
	last  string      // of what it said; "": it has not taken over
}

// words returns what the successor says; nil: there is none.
func (s *successor) words() <-chan string {
	if s == nil {
		return nil
	}
	return s.heard
}

// handOver starts a successor.
func (n *node) handOver() {
	err := n.startSuccessor()
	if err != nil {
		n.env.Log.Error("takeover: not possible, this process goes on", "cause", err)
		return
	}
	n.env.Log.Info("takeover: a new process starts", "pid", n.successor.cmd.Process.Pid)
}

func (n *node) startSuccessor() error {
	switch {
	case platform.Caveat != "":
		return errors.New("a takeover needs Linux")
	case n.successor != nil:
		return fmt.Errorf("the process %d is taking over already", n.successor.cmd.Process.Pid)
	case len(n.env.Args) == 0:
		return errors.New("how this program was started is not known")
	case n.opt.Embedded:
		return errors.New("the broker of --embedded ends with this process")
	case os.Getpid() == 1:
		return errors.New("this is the first process of its container, which ends with it; replace the container")
	}
	path, err := exec.LookPath(n.env.Args[0]) // what is there now: a newer version, as a rule
	if err != nil {
		return err
	}
	l, files, err := n.bequeath()
	defer func() {
		for _, f := range files {
			_ = f.Close()
		}
	}()
	if err != nil {
		return err
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	unix.CloseOnExec(pair[0])
	unix.CloseOnExec(pair[1])
	ours, theirs := os.NewFile(uintptr(pair[0]), "successor"), os.NewFile(uintptr(pair[1]), "predecessor")
	files = append([]*os.File{theirs}, files...)
	cmd := exec.Command(path)
	cmd.Args = n.env.Args
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = os.Stdin, os.Stdout, os.Stderr, files
	cmd.Env = l.environment()
	if err := cmd.Start(); err != nil {
		_ = ours.Close()
		return err
	}
	n.successor = &successor{cmd: cmd, talk: ours, heard: make(chan string, 2)}
	go n.successor.hear()
	return nil
}

// bequeath returns what a successor gets, and the files that go with it.
func (n *node) bequeath() (l legacy, files []*os.File, err error) {
	_, memory := n.opt.memory()
	l = legacy{RingDir: n.opt.RingDir, Memory: memory}
	for i := range n.opt.Listeners {
		l.Sockets = append(l.Sockets, socketName(&n.opt.Listeners[i]))
	}
	if files, err = n.server.Load().Sockets(); err != nil || n.admin == nil {
		return l, files, err
	}
	f, err := server.SocketOf(n.admin.Listener())
	if err != nil {
		return l, files, err
	}
	l.Sockets = append(l.Sockets, adminName(n.opt.Admin.Address))
	return l, append(files, f), nil
}

// hear passes on what the successor says.
func (s *successor) hear() {
	lines := bufio.NewScanner(s.talk)
	for lines.Scan() {
		s.heard <- lines.Text()
	}
	close(s.heard)
}

// succeeded returns whether the successor has taken over, or is about to.
func (n *node) succeeded(word string, alive bool) bool {
	s := n.successor
	if !alive {
		err := s.cmd.Wait()
		_ = s.talk.Close()
		n.successor = nil
		n.env.Log.Error("takeover: the new process has ended, this one goes on", "pid", s.cmd.Process.Pid, "cause", err)
		return false
	}
	s.last = word
	notifySuccessor(s.cmd.Process.Pid)
	_, _ = s.talk.Write([]byte{'\n'}) // what it tells systemd is heard from here on
	n.env.Log.Info("takeover: the new process has taken over; no connection is accepted here any more",
		"pid", s.cmd.Process.Pid, "connections", n.server.Load().Stats().Connections)
	n.server.Load().StopAccepting()
	if word == wordReady && n.admin != nil {
		n.admin.Yield()
	}
	return true
}

// outlive serves the connections that there are, where the successor does not wait for this process,
// and returns what tend does.
func (n *node) outlive() error {
	if n.successor.last == wordWaiting {
		return nil
	}
	timeout := time.NewTimer(n.opt.TakeoverTimeout)
	defer timeout.Stop()
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	for n.server.Load().Stats().Connections > 0 {
		select {
		case <-look.C:
		case <-timeout.C:
			n.env.Log.Info("takeover: --takeover-timeout is over, the connections that are left are drained")
			return nil
		case <-n.stopping.Done():
			return nil
		case err := <-n.died:
			return err
		case s := <-n.env.Control:
			if s == syscall.SIGUSR2 {
				n.env.Log.Info("takeover: this process has handed over already", "pid", n.successor.cmd.Process.Pid)
				continue
			}
			n.control(s)
		}
	}
	return nil
}

// endSuccessor ends a successor that has not taken over when this process stops: both were to stop.
func (n *node) endSuccessor() {
	if s := n.successor; s != nil && s.last == "" {
		_ = s.cmd.Process.Signal(syscall.SIGTERM)
	}
}
