package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ringtail/ringtail/internal/kafkatest"
)

// patience ends tests that would otherwise hang.
const patience = 3 * time.Minute

var build struct {
	once sync.Once
	path string
	err  error
}

// Binary builds cmd/ringtail, once a process, and returns its path. The
// environment's TEST_BINARY is used instead, to try one built otherwise.
func Binary(tb kafkatest.TB) string {
	tb.Helper()
	if given := os.Getenv("TEST_BINARY"); given != "" {
		return given
	}
	build.once.Do(func() {
		dir, err := os.MkdirTemp("", "ringtail-e2e-")
		if err != nil {
			build.err = err
			return
		}
		build.path = filepath.Join(dir, "ringtail")
		out, err := exec.Command("go", "build", "-o", build.path, "github.com/ringtail/ringtail/cmd/ringtail").CombinedOutput()
		if err != nil {
			build.err = fmt.Errorf("go build: %w\n%s", err, out)
		}
	})
	if build.err != nil {
		tb.Fatalf("e2e: %v", build.err)
	}
	return build.path
}

// RemoveBinary removes what Binary made. The process's last act.
func RemoveBinary() {
	if build.path != "" {
		os.RemoveAll(filepath.Dir(build.path))
	}
}

// Server is a `ringtail serve` in a process of its own.
type Server struct {
	Target string // tcp://HOST:PORT, for bench.Options
	Admin  string // HOST:PORT of its HTTP port

	tb     kafkatest.TB
	cmd    *exec.Cmd
	family []*os.Process // cmd's, and those that took over: the last one is the server
	output *output
	gone   chan struct{}
	http   http.Client
}

// Start starts `ringtail serve` with ports of its own and these arguments, and
// does not wait. It is killed, if need be, when tb ends.
func Start(tb kafkatest.TB, args ...string) *Server {
	tb.Helper()
	return start(tb, exec.Command(Binary(tb)), args)
}

// StartBinary is Start of another binary.
func StartBinary(tb kafkatest.TB, binary string, args ...string) *Server {
	tb.Helper()
	return start(tb, exec.Command(binary), args)
}

// StartLimited is Start with so many file descriptors.
func StartLimited(tb kafkatest.TB, descriptors int, args ...string) *Server {
	tb.Helper()
	return start(tb, exec.Command("sh", "-c", `ulimit -n "$0" && exec "$@"`, strconv.Itoa(descriptors), Binary(tb)), args)
}

// StartActivated is Start with sockets that it inherits, as systemd passes them: names are theirs,
// with colons between.
func StartActivated(tb kafkatest.TB, names string, sockets []*os.File, args ...string) *Server {
	tb.Helper()
	cmd := exec.Command("sh", "-c", `LISTEN_PID=$$ LISTEN_FDS="$0" LISTEN_FDNAMES="$1"; export LISTEN_PID LISTEN_FDS LISTEN_FDNAMES; shift; exec "$@"`,
		strconv.Itoa(len(sockets)), names, Binary(tb))
	cmd.ExtraFiles = sockets
	return start(tb, cmd, args)
}

// start runs a command with the arguments of serve behind its own.
func start(tb kafkatest.TB, cmd *exec.Cmd, args []string) *Server {
	tb.Helper()
	port := kafkatest.ReservePorts(tb, 2)
	s := &Server{
		Target: fmt.Sprintf("tcp://127.0.0.1:%d", port),
		Admin:  fmt.Sprintf("127.0.0.1:%d", port+1),
		tb:     tb,
		cmd:    cmd,
		output: &output{},
		gone:   make(chan struct{}),
		http:   http.Client{Timeout: 30 * time.Second},
	}
	cmd.Args = append(append(cmd.Args, "serve", "--listen", s.Target, "--admin", s.Admin), args...)
	s.cmd.Stdout, s.cmd.Stderr = s.output, s.output
	if err := kafkatest.Spawn(s.cmd); err != nil {
		tb.Fatalf("e2e: %v", err)
	}
	s.family = []*os.Process{s.cmd.Process}
	go func() {
		_ = s.cmd.Wait() // Exit reads the state; it waits for all who have the output
		close(s.gone)
	}()
	tb.Cleanup(func() {
		for _, p := range s.family {
			_ = p.Kill() // it has ended, as a rule
		}
		<-s.gone
		for _, p := range s.family[1:] {
			_, _ = p.Wait()
		}
		s.http.CloseIdleConnections()
	})
	return s
}

// Serve is Start, and waits until the server is ready.
func Serve(tb kafkatest.TB, args ...string) *Server {
	tb.Helper()
	s := Start(tb, args...)
	s.AwaitReady()
	return s
}

// AwaitReady waits until the server says that it takes records.
func (s *Server) AwaitReady() {
	s.tb.Helper()
	s.Await("ready", func() bool { return s.output.contains("ringtail: ready") })
}

// Listening returns the address of the first listener of that scheme, as the ready line tells it.
func (s *Server) Listening(scheme string) string {
	s.tb.Helper()
	_, rest, ok := strings.Cut(s.Output(), " listen="+scheme+"://")
	if !ok {
		s.tb.Fatalf("e2e: no %s:// in the ready line\n%s", scheme, s.output)
	}
	address, _, _ := strings.Cut(rest, " ")
	return scheme + "://" + strings.TrimSpace(address)
}

// Await polls until done says yes. It fails the test when the server ends
// first.
func (s *Server) Await(what string, done func() bool) {
	s.tb.Helper()
	for deadline := time.Now().Add(patience); !done(); time.Sleep(10 * time.Millisecond) {
		select {
		case <-s.gone:
			if done() {
				return
			}
			s.tb.Fatalf("e2e: the server ended (%v) before this was true: %s\n%s", s.cmd.ProcessState, what, s.output)
		default:
		}
		if time.Now().After(deadline) {
			_, status := s.Get("/status")
			s.tb.Fatalf("e2e: still not true after %v: %s\n%s\n%s", patience, what, status, s.output)
		}
	}
}

// Signal sends the server a signal.
func (s *Server) Signal(signal syscall.Signal) {
	s.tb.Helper()
	if err := s.process().Signal(signal); err != nil {
		s.tb.Fatalf("e2e: %v: %v\n%s", signal, err, s.output)
	}
}

// Freeze stops the process as if time stood still for it; Continue ends that.
func (s *Server) Freeze() { s.tb.Helper(); s.Signal(syscall.SIGSTOP) }

// Continue lets a frozen server go on.
func (s *Server) Continue() { s.tb.Helper(); s.Signal(syscall.SIGCONT) }

// Exit is how a server ended.
type Exit struct {
	Code   int
	Output string
	CPU    time.Duration // user and system, over its whole life
	RSS    int64         // the most it ever had, in bytes
}

// Wait waits for the server's end. However it ends, its books must add up: where it has closed
// them, on the last line, and where it says that they do not.
func (s *Server) Wait() Exit {
	s.tb.Helper()
	select {
	case <-s.gone:
	case <-time.After(patience):
		s.tb.Fatalf("e2e: the server has not ended after %v\n%s", patience, s.output)
	}
	state := s.state()
	exit := Exit{Code: state.ExitCode(), Output: s.output.String(), CPU: state.UserTime() + state.SystemTime()}
	if usage, ok := state.SysUsage().(*syscall.Rusage); ok {
		exit.RSS = usage.Maxrss << 10
	}
	if strings.Contains(exit.Output, booksWrong) {
		s.tb.Fatalf("e2e: the server's books do not add up:\n%s", exit.Output)
	}
	if strings.HasPrefix(exit.lastLine(), drained) {
		exit.Ledger(s.tb)
	}
	return exit
}

// Stop sends SIGTERM and waits.
func (s *Server) Stop() Exit {
	s.tb.Helper()
	s.Signal(syscall.SIGTERM)
	return s.Wait()
}

// Get asks the server's HTTP port; status 0 means that it does not answer.
func (s *Server) Get(path string) (status int, body string) {
	answer, err := s.http.Get("http://" + s.Admin + path)
	if err != nil {
		return 0, err.Error()
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, err.Error()
	}
	return answer.StatusCode, string(text)
}

// Ready tells whether /readyz says so.
func (s *Server) Ready() bool {
	status, _ := s.Get("/readyz")
	return status == http.StatusOK
}

// Output is everything the server has said so far.
func (s *Server) Output() string { return s.output.String() }

// RSS is the server's resident memory in bytes.
func (s *Server) RSS() int64 {
	s.tb.Helper()
	return s.status("VmRSS") << 10
}

// PeakRSS is the most resident memory that the server has had, in bytes.
func (s *Server) PeakRSS() int64 {
	s.tb.Helper()
	return s.status("VmHWM") << 10
}

// Memory says what the server's resident memory is made of, for a message.
func (s *Server) Memory() string {
	s.tb.Helper()
	m := s.Metrics()
	return fmt.Sprintf("%d MiB anonymous (%d of them Go's, %d MiB of live heap), %d MiB shared, %d MiB of files",
		s.status("RssAnon")>>10, int64(m["go_memstats_sys_bytes"]-m["go_memstats_heap_released_bytes"])>>20,
		int64(m["go_memstats_heap_alloc_bytes"])>>20, s.status("RssShmem")>>10, s.status("RssFile")>>10)
}

// Descriptors is how many files the server has open.
func (s *Server) Descriptors() int {
	s.tb.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.process().Pid))
	if err != nil {
		s.tb.Fatalf("e2e: %v", err)
	}
	return len(entries)
}

// status is one line of /proc/PID/status, in its unit.
func (s *Server) status(name string) int64 {
	s.tb.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.process().Pid))
	if err != nil {
		s.tb.Fatalf("e2e: %v\n%s", err, s.output)
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == name+":" {
			n, err := strconv.ParseInt(fields[1], 10, 64)
			if err == nil {
				return n
			}
		}
	}
	s.tb.Fatalf("e2e: no %s in /proc/%d/status", name, s.process().Pid)
	return 0
}

// CPU is the processor time, user and system, that the server has taken, by its processor clock
// (clock_getcpuclockid(3)): /proc has it in hundredths of a second only.
func (s *Server) CPU() time.Duration {
	s.tb.Helper()
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^s.process().Pid<<3|2), &t); err != nil {
		s.tb.Fatalf("e2e: processor clock: %v\n%s", err, s.output)
	}
	return time.Duration(t.Nano())
}

// output collects what a process writes; its end is kept if it is too much.
type output struct {
	mu   sync.Mutex
	text []byte
}

const outputMax = 4 << 20

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text = append(o.text, p...)
	if len(o.text) > outputMax {
		o.text = append(o.text[:0], o.text[len(o.text)-outputMax/2:]...)
	}
	return len(p), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.text)
}

func (o *output) contains(s string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return bytes.Contains(o.text, []byte(s))
}
