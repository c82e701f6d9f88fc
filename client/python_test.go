package client

import (
	"bytes"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ringtail/ringtail/codec"
	"github.com/ringtail/ringtail/server"
)

// script is the example in Python: the same protocol in about a hundred lines.
const script = "../examples/python/ringtail_client.py"

// python runs the example with input, and returns what it printed.
func python(t *testing.T, input string, args ...string) (stdout string, code int) {
	t.Helper()
	cmd := exec.CommandContext(within(t), "python3", append([]string{script}, args...)...)
	cmd.Stdin = strings.NewReader(input)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); cmd.ProcessState == nil {
		t.Fatalf("python3 is needed: %v", err)
	}
	if code = cmd.ProcessState.ExitCode(); code > 1 || strings.Contains(errs.String(), "Traceback") {
		t.Fatalf("exit code %d\n%s", code, errs.String())
	}
	return out.String(), code
}

func lines(n uint64) string {
	var b strings.Builder
	for k := uint64(1); k <= n; k++ {
		b.WriteString(record(k) + "\n")
	}
	return b.String()
}

// TestPythonAddresses: it takes what the server prints, and paths. Mistakes end it, and are said: to
// try again would help nobody.
func TestPythonAddresses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l := newLedger(t)
	acking, silent := local(codec.Auto), local(codec.Auto)
	acking.Ack = true
	r, err := startRigWith(server.Options{Listeners: []server.Listener{{Network: "unix", Address: path, Framing: codec.Auto}, acking, silent}}, l)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.stop)
	for _, address := range []string{path, "unix://" + path, "tcp://" + r.Addrs()[1].String()} {
		if out, code := python(t, `{"x":1}`+"\n", "--address", address); out != "rejected 1 b'{\"x\":1}' missing_field\nacked 1, rejected 1, reconnects 0\n" || code != 1 {
			t.Errorf("%s: %q, exit code %d", address, out, code)
		}
	}
	for name, c := range map[string]struct{ address, input, want string }{
		"no port":   {"nowhere", "", "is no address"},
		"no number": {"tcp://127.0.0.1:port", "", "is no address"},
		"other":     {"http://127.0.0.1:1", "", "is no address"},
		"no object": {r.Addrs()[1].String(), "[1]\n", "must be one JSON object"},
		"no acks":   {r.Addrs()[2].String(), lines(3), "is it set to --ack kafka?"},
	} {
		cmd := exec.CommandContext(within(t), "python3", script, "--address", c.address)
		cmd.Stdin = strings.NewReader(c.input)
		out, _ := cmd.CombinedOutput()
		if text := string(out); cmd.ProcessState.ExitCode() != 1 || strings.Count(text, "\n") != 1 || !strings.Contains(text, c.want) {
			t.Errorf("%s: %v, it says %q, want %q", name, cmd.ProcessState, text, c.want)
		}
	}
	r.stop()
	if n := r.Stats().Received; n != 6 {
		t.Errorf("%d records came, want 6, each once", n)
	}
}

func TestPythonSendsEverything(t *testing.T) {
	l := newLedger(t)
	r := newRig(t, local(codec.Auto), l)
	const n = 5000
	out, code := python(t, "\n"+lines(n)+"\n", "--address", r.Addrs()[0].String())
	if want := fmt.Sprintf("acked %d, rejected 0, reconnects 0\n", n); out != want || code != 0 {
		t.Fatalf("%q, %d; want %q", out, code, want)
	}
	l.acked = n
	l.check(n, digit)
}

func TestPythonBehindACuttingProxy(t *testing.T) {
	l := newLedger(t)
	r := newRig(t, local(codec.Auto), l)
	p := newCutter(t, r.Addrs()[0], newRand(t), 5)
	const n = 5000
	out, code := python(t, lines(n), "--window", "100", "--address", p.ln.Addr().String())
	var acked, rejected, reconnects int
	if _, err := fmt.Sscanf(out, "acked %d, rejected %d, reconnects %d", &acked, &rejected, &reconnects); err != nil {
		t.Fatalf("%q: %v", out, err)
	}
	if acked != n || rejected != 0 || reconnects < 5 || code != 0 {
		t.Fatalf("%q, exit code %d", out, code)
	}
	r.stop()
	l.acked = n
	l.check(n, digit)
}

// Whatever a server does wrong: the same acts that the Go client is tried on, those
// apart that only AckTimeout ends, which the example has none of. (Its window is larger
// than what they take without an ack.)
func TestPythonSurvivesFaults(t *testing.T) {
	var some []act
	for _, a := range acts {
		if a.name != "never acks" && a.name != "stops reading" {
			some = append(some, a, act{"acks one", ackOne}) // which starts the back-off over
		}
	}
	k := newFake(t, Newline, newRand(t), some...)
	const n = 3000
	out, code := python(t, lines(n), "--window", "100", "--address", k.ln.Addr().String())
	if !strings.HasPrefix(out, fmt.Sprintf("acked %d, rejected 0,", n)) || code != 0 {
		t.Fatalf("%q, exit code %d", out, code)
	}
	k.stop()
	k.ledger.acked = n
	k.ledger.check(n, anyRecord)
}

// ackOne ends without a reset, so that the ack is certain to be read.
func ackOne(p *fakeConn, _ int) {
	p.takeSome(1)
	p.ack(1)
	_ = p.conn.(*net.TCPConn).CloseWrite()
	p.hang()
}

func TestPythonTellsRejects(t *testing.T) {
	r := newRig(t, local(codec.Newline), nil)
	out, code := python(t, `{"number":1}`+"\n"+`{"x":1}`+"\n"+`{"number":[]}`+"\n", "--address", r.Addrs()[0].String())
	want := "rejected 2 b'{\"x\":1}' missing_field\nrejected 3 b'{\"number\":[]}' bad_number\nacked 3, rejected 2, reconnects 0\n"
	if out != want || code != 1 {
		t.Fatalf("%q, exit code %d; want %q", out, code, want)
	}
}
