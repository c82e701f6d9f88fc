package client

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// rig is a real server with a Kafka in its process.
type rig struct {
	t         testing.TB
	cmd       *exec.Cmd
	addresses []string // of its listeners, in order
	brokers   string
	log       bytes.Buffer
	read      sync.WaitGroup
}

// ringtail returns the program: RINGTAIL_BINARY, or it is built from the module around this one.
var ringtail = sync.OnceValues(func() (string, error) {
	if path := os.Getenv("RINGTAIL_BINARY"); path != "" {
		return path, nil
	}
	path := filepath.Join(binaries, "ringtail")
	out, err := exec.Command("go", "build", "-C", "..", "-o", path, "./cmd/ringtail").CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%w\n%s", err, out)
	}
	return path, err
})

// newRig starts a server with --embedded, or with flags of another sink.
func newRig(t testing.TB, flags ...string) *rig {
	t.Helper()
	r, err := startRig(flags...)
	if err != nil {
		t.Fatalf("%v: %v", flags, err)
	}
	r.t = t
	t.Cleanup(func() { r.stop() })
	return r
}

func startRig(flags ...string) (*rig, error) {
	path, err := ringtail()
	if err != nil {
		return nil, err
	}
	r := &rig{cmd: exec.Command(path, append([]string{"serve", "--admin", ""}, flags...)...)}
	r.cmd.Env = []string{"HOME=" + os.Getenv("HOME"), "PATH=" + os.Getenv("PATH")} // none that is a flag
	out, err := r.cmd.StdoutPipe()
	if err == nil {
		r.cmd.Stderr = r.cmd.Stdout
		err = r.cmd.Start()
	}
	if err != nil {
		return nil, err
	}
	lines := bufio.NewReader(out)
	for ready := false; !ready; {
		line, err := lines.ReadString('\n')
		r.log.WriteString(line)
		if err != nil {
			_ = r.cmd.Wait()
			return nil, fmt.Errorf("%w\n%s", err, r.log.String())
		}
		var rest string
		if rest, ready = strings.CutPrefix(line, "ringtail: ready "); ready {
			for _, word := range strings.Fields(rest) {
				if key, value, _ := strings.Cut(word, "="); key == "listen" {
					r.addresses = append(r.addresses, strings.Split(value, ",")...)
				} else if key == "brokers" {
					r.brokers = value
				}
			}
		}
	}
	goIn(&r.read, func() { _, _ = io.Copy(&r.log, lines) })
	return r, nil
}

// StartServer starts a server for the examples.
func StartServer() (address string, stop func()) {
	r, err := startRig("--sink", "discard", "--listen", acking)
	if err != nil {
		panic(err)
	}
	return r.address(), func() { r.stop() }
}

const acking = "tcp://127.0.0.1:0?ack=kafka"

// anyPort is an address to listen on where no other process's clients still look for a port that it
// has closed.
func anyPort() string {
	pid := os.Getpid()
	return fmt.Sprintf("127.%d.%d.%d:0", 1+pid>>16&0x7f, pid>>8&0xff, pid&0xff)
}

// embedded starts a server with a Kafka in it, and one listener that acks.
func embedded(t testing.TB, framing string, flags ...string) *rig {
	t.Helper()
	return newRig(t, append([]string{"--embedded", "--embedded-port", "0", "--listen", acking + "&framing=" + framing}, flags...)...)
}

// discarding starts a server that throws away what it acks.
func discarding(t testing.TB, framing string, flags ...string) *rig {
	t.Helper()
	return newRig(t, append([]string{"--sink", "discard", "--listen", acking + "&framing=" + framing}, flags...)...)
}

func (r *rig) address() string { return r.addresses[0] }

// topic returns what Kafka has, each partition in its order.
func (r *rig) topic() *ledger {
	r.t.Helper()
	l := newLedger(r.t)
	consume := exec.Command(r.cmd.Path, "consume", "--brokers", r.brokers, "--topic", "records", "--from", "beginning",
		"--until-end", "--format", "value")
	consume.Env = r.cmd.Env
	out, err := consume.Output()
	if err != nil {
		r.t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		l.take(strings.TrimSuffix(line, "\n"))
	}
	return l
}

// stop ends the server, and returns how many records it received. It may be called again.
func (r *rig) stop() (received int) {
	_ = r.cmd.Process.Signal(syscall.SIGTERM)
	r.read.Wait()
	_ = r.cmd.Wait()
	log := r.log.String()
	if _, err := fmt.Sscanf(log[max(strings.LastIndex(log, "drained received="), 0):], "drained received=%d", &received); err != nil {
		panic(log)
	}
	return received
}

// goIn is WaitGroup.Go, which Go 1.24 does not have.
func goIn(all *sync.WaitGroup, f func()) {
	all.Add(1)
	go func() {
		defer all.Done()
		f()
	}()
}

// cutter is a proxy that cuts connections after a random number of bytes, either way,
// with a FIN or a reset, until it has cut enough.
type cutter struct {
	ln   net.Listener
	to   string // tcp://…
	done sync.WaitGroup

	mu    sync.Mutex
	rng   *rand.Rand
	cuts  int // to come
	conns []net.Conn
	stop  bool
}

func newCutter(t *testing.T, to string, rng *rand.Rand, cuts int) *cutter {
	t.Helper()
	ln, err := net.Listen("tcp", anyPort())
	if err != nil {
		t.Fatal(err)
	}
	p := &cutter{ln: ln, to: to, rng: rng, cuts: cuts}
	goIn(&p.done, p.accept)
	t.Cleanup(p.close)
	return p
}

func (p *cutter) address() string { return "tcp://" + p.ln.Addr().String() }

func (p *cutter) left() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cuts
}

func (p *cutter) close() {
	_ = p.ln.Close()
	p.mu.Lock()
	p.stop = true
	for _, nc := range p.conns {
		_ = nc.Close()
	}
	p.mu.Unlock()
	p.done.Wait()
}

func (p *cutter) accept() {
	for {
		in, err := p.ln.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", strings.TrimPrefix(p.to, "tcp://"))
		if err != nil {
			_ = in.Close()
			continue
		}
		p.mu.Lock()
		if p.stop {
			_, _ = in.Close(), out.Close()
		}
		p.conns = append(p.conns, in, out)
		there, back := -1, -1
		if p.cuts > 0 {
			p.cuts--
			there, back = p.rng.IntN(20_000), p.rng.IntN(500)
			if p.rng.IntN(2) == 0 {
				back = -1
			}
		}
		rude := p.rng.IntN(2) == 0
		p.mu.Unlock()
		goIn(&p.done, func() { copyUntil(out, in, there, rude) })
		goIn(&p.done, func() { copyUntil(in, out, back, rude) })
	}
}

// copyUntil passes on limit bytes, −1 for all, and the end. At the limit it cuts both.
func copyUntil(dst, src net.Conn, limit int, rude bool) {
	buf := make([]byte, 4<<10)
	for {
		most := len(buf)
		if limit >= 0 {
			most = min(most, limit)
		}
		if most == 0 {
			if rude {
				reset(dst)
				reset(src)
			}
			_, _ = dst.Close(), src.Close()
			return
		}
		n, err := src.Read(buf[:most])
		if _, werr := dst.Write(buf[:n]); werr != nil {
			_ = src.Close()
			return
		}
		if limit >= 0 {
			limit -= n
		}
		if err != nil {
			if half, ok := dst.(interface{ CloseWrite() error }); ok {
				_ = half.CloseWrite()
			}
			return
		}
	}
}
