package e2e

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/ringtail/ringtail/internal/kafkatest"
)

// HAProxy is a real one, in the foreground: its master, with a worker.
type HAProxy struct {
	tb     kafkatest.TB
	dir    string // its configuration and its socket
	cmd    *exec.Cmd
	output *output
	gone   chan struct{}
}

// A socket to ask it, and the hand-over of its listeners to a worker that replaces it.
const haproxyGlobal = `global
  stats socket SOCKET level admin expose-fd listeners
  hard-stop-after 2s
`

// StartHAProxy starts HAProxy with a configuration that lacks the global section, and waits until it
// answers.
func StartHAProxy(tb kafkatest.TB, config string) *HAProxy {
	tb.Helper()
	dir, err := os.MkdirTemp("", "ringtail-haproxy-") // short: a unix socket's path is
	if err != nil {
		tb.Fatalf("e2e: %v", err)
	}
	h := &HAProxy{tb: tb, dir: dir, output: &output{}}
	text := strings.Replace(haproxyGlobal, "SOCKET", h.socket(), 1) + config
	if err := os.WriteFile(filepath.Join(dir, "conf"), []byte(text), 0o600); err != nil {
		tb.Fatalf("e2e: %v", err)
	}
	h.start()
	tb.Cleanup(func() {
		h.Kill()
		_ = os.RemoveAll(dir)
	})
	return h
}

func (h *HAProxy) socket() string { return filepath.Join(h.dir, "socket") }

func (h *HAProxy) start() {
	h.tb.Helper()
	h.cmd = exec.Command("haproxy", "-W", "-db", "-f", filepath.Join(h.dir, "conf"))
	h.cmd.Stdout, h.cmd.Stderr = h.output, h.output
	if err := kafkatest.Spawn(h.cmd); err != nil {
		h.tb.Fatalf("e2e: %v", err)
	}
	cmd, gone := h.cmd, make(chan struct{})
	h.gone = gone
	go func() {
		_ = cmd.Wait()
		close(gone)
	}()
	h.await("it answers", func() bool { return h.ask("show info") != "" })
}

// Kill ends it, and its workers, at once: its connections are reset.
func (h *HAProxy) Kill() {
	select {
	case <-h.gone:
	default:
		_ = syscall.Kill(-h.cmd.Process.Pid, syscall.SIGKILL) // the group, which is its own
		<-h.gone
	}
}

// Restart starts it again after Kill.
func (h *HAProxy) Restart() { h.tb.Helper(); h.start() }

// Reload has another worker take over. The connections of the old one have two seconds to end.
func (h *HAProxy) Reload() {
	h.tb.Helper()
	before := h.worker()
	if err := h.cmd.Process.Signal(syscall.SIGUSR2); err != nil {
		h.tb.Fatalf("e2e: haproxy: %v\n%s", err, h.output)
	}
	h.await("another worker answers", func() bool { now := h.worker(); return now != "" && now != before })
}

// worker is the process that answers.
func (h *HAProxy) worker() string {
	for line := range strings.Lines(h.ask("show info")) {
		if pid, ok := strings.CutPrefix(line, "Pid: "); ok {
			return strings.TrimSpace(pid)
		}
	}
	return ""
}

// Columns of HAProxy's statistics.
const (
	haproxyConnectErrors = 13 // connections for which no server was found, whatever was tried
	haproxyStatus        = 17
)

// Servers is the state of each server of each backend, like UP, by BACKEND/SERVER.
func (h *HAProxy) Servers() map[string]string {
	states := h.statistics(haproxyStatus)
	for name := range states {
		if strings.HasSuffix(name, "/FRONTEND") || strings.HasSuffix(name, "/BACKEND") {
			delete(states, name)
		}
	}
	return states
}

// Unserved is how many connections of a backend found no server, again and again.
func (h *HAProxy) Unserved(backend string) string {
	return h.statistics(haproxyConnectErrors)[backend+"/BACKEND"]
}

// statistics are one column, by PROXY/SERVER.
func (h *HAProxy) statistics(column int) map[string]string {
	const proxy, server = 0, 1
	values := map[string]string{}
	for line := range strings.Lines(h.ask("show stat")) {
		if f := strings.Split(line, ","); len(f) > column && line[0] != '#' {
			values[f[proxy]+"/"+f[server]] = f[column]
		}
	}
	return values
}

// ask returns what it answers to a command, "" if it does not.
func (h *HAProxy) ask(command string) string {
	socket, err := net.Dial("unix", h.socket())
	if err != nil {
		return ""
	}
	defer socket.Close()
	_ = socket.SetDeadline(time.Now().Add(patience))
	fmt.Fprintln(socket, command)
	answer, err := io.ReadAll(socket)
	if err != nil {
		return ""
	}
	return string(answer)
}

func (h *HAProxy) await(what string, done func() bool) {
	h.tb.Helper()
	for deadline := time.Now().Add(patience); !done(); time.Sleep(10 * time.Millisecond) {
		select {
		case <-h.gone:
			h.tb.Fatalf("e2e: haproxy ended (%v) before this was true: %s\n%s", h.cmd.ProcessState, what, h.output)
		default:
		}
		if time.Now().After(deadline) {
			h.tb.Fatalf("e2e: haproxy: still not true after %v: %s\n%s", patience, what, h.output)
		}
	}
}

// DocumentBlock is the first block of code of a language in one of the project's documents.
func DocumentBlock(tb kafkatest.TB, document, language string) string {
	tb.Helper()
	path, err := kafkatest.ProjectFile(document)
	if err != nil {
		tb.Fatalf("e2e: %v", err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		tb.Fatalf("e2e: %v", err)
	}
	_, rest, _ := strings.Cut(string(text), "```"+language+"\n")
	block, _, ok := strings.Cut(rest, "```")
	if !ok {
		tb.Fatalf("e2e: %s has no block of %s", document, language)
	}
	return block
}
