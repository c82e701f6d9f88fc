package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/ringtail/ringtail/internal/certs/certtest"
	"github.com/ringtail/ringtail/internal/loopback"
)

// clientPrograms are the clients in other languages. Each sends the lines of its standard input, and takes
// addresses, --framing, --token-file and --tls-ca.
var clientPrograms = map[string][]string{
	"python":     {"python3", "-m", "ringtail_client"},
	"javascript": {"node", "../../examples/javascript/ringtail-client.mjs"},
}

// TestClientsInOtherLanguages: against a real server, by each of its ways in. Each record arrives once,
// in order, but for those that are sent again where a connection was cut. Mistakes end them, and are said.
func TestClientsInOtherLanguages(t *testing.T) {
	contents(t, clientPrograms["javascript"][1]) // the test depends on these
	copyPackage(t)
	tokens, guessed := tokenFile(t, "s3cret\n"), tokenFile(t, "guessed\n")
	ca := certtest.NewCA(t)
	cert, key := ca.Files(t, certtest.Leaf{Name: "ringtail", Hosts: []string{"127.0.0.1"}})
	path := filepath.Join(t.TempDir(), "s")
	s := embedded(t, "--ack", "kafka", "--token-file", tokens, "--tls-cert", cert, "--tls-key", key,
		"--listen", "tcp://127.0.0.1:0?token=off", "--listen", "unix://"+path+"?token=off&framing=newline", "--listen", "tls://127.0.0.1:0?token=off")
	address := func(i int) string { a, _, _ := strings.Cut(s.listen[i], "?"); return a }
	const n = 1000
	var all []string
	cut := map[string]bool{} // whose connections were
	for language, program := range clientPrograms {
		for _, args := range [][]string{
			{address(0), "--token-file", tokens}, {"tcp://127.0.0.1:1", address(1)}, {address(2), "--framing", "newline"}, {address(3), "--tls-ca", ca.File(t)},
			{cutting(t, strings.TrimPrefix(address(1), "tcp://"), 5)},
		} {
			name := fmt.Sprintf("%s %d", language, len(all))
			all, cut[name] = append(all, name), len(args) == 1
			var lines strings.Builder
			for k := range n {
				fmt.Fprintf(&lines, "{\"number\":%d,\"by\":%q}\n", k, name)
			}
			out, errs, code := runClient(t, program, lines.String()+"{}\n", args...)
			want := fmt.Sprintf("rejected %d missing_field\nacked %d, rejected 1, connections ", n+1, n+1)
			if count, ok := strings.CutPrefix(out, want); !ok || code != 1 || count != "1\n" && !cut[name] {
				t.Errorf("%s %v: exit code %d, %q, want %q\n%s", name, args, code, out, want, errs)
			}
		}
		for want, args := range map[string][]string{
			"does not know the token": {address(0), "--token-file", guessed},
			"is no address":           {"http://127.0.0.1:1"},
			"certificate":             {address(3)},
			"xml":                     {address(1), "--framing", "xml"},
		} {
			_, errs, code := runClient(t, program, "{\"number\":1}\n", args...)
			if code == 0 || !strings.Contains(errs, want) || strings.Contains(errs, "Traceback") {
				t.Errorf("%s %v: exit code %d, want an error with %q\n%s", language, args, code, want, errs)
			}
		}
	}
	next := map[string]int{} // the number that each digit of each client has to go on with
	for line := range strings.Lines(must(t, "consume", "--brokers", s.brokers, "--topic", "records", "--from", "beginning", "--until-end", "--format", "value")) {
		var r struct {
			Number int
			By     string
		}
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		digit := fmt.Sprint(r.By, r.Number%10)
		if want := next[digit] + r.Number%10; r.Number < want && cut[r.By] {
			continue // sent again, its ack was cut
		} else if r.Number != want {
			t.Fatalf("%s: %d came, want %d", r.By, r.Number, want)
		}
		next[digit] += 10
	}
	for _, name := range all {
		for digit := range 10 {
			if got := next[fmt.Sprint(name, digit)]; got != n {
				t.Errorf("%s: of digit %d the records under %d came, want %d", name, digit, got, n)
			}
		}
	}
	if code := s.terminate(); code != 0 {
		t.Errorf("exit code %d\n%s", code, s.err.String())
	}
}

// runClient runs a client to its end.
func runClient(t *testing.T, program []string, input string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, program[0], slices.Concat(program[1:], args)...)
	cmd.Env = append(os.Environ(), "PYTHONPATH=../../python/src", "PYTHONDONTWRITEBYTECODE=1")
	cmd.Stdin = strings.NewReader(input)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); cmd.ProcessState == nil || ctx.Err() != nil {
		t.Fatalf("%v: %v\n%s%s", program, err, out.String(), errs.String())
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// cutting is a proxy that cuts its first connections somewhere, in one direction or the other.
func cutting(t *testing.T, to string, cuts int) (address string) {
	t.Helper()
	ln, err := net.Listen("tcp", loopback.Any())
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		for ; ; cuts-- {
			in, err := ln.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				t.Error(err)
				_ = in.Close()
				return
			}
			there, back := int64(math.MaxInt64), int64(math.MaxInt64)
			if cuts > 0 {
				there, back = rand.Int64N(20_000), rand.Int64N(200)
			}
			pass := func(dst, src net.Conn, most int64) {
				if n, _ := io.CopyN(dst, src, most); n == most {
					_, _ = dst.Close(), src.Close()
				} else {
					_ = dst.(*net.TCPConn).CloseWrite()
				}
			}
			var both sync.WaitGroup
			both.Go(func() { pass(out, in, there) })
			both.Go(func() { pass(in, out, back) })
			running.Go(func() { both.Wait(); _, _ = in.Close(), out.Close() })
		}
	})
	t.Cleanup(func() { _ = ln.Close(); running.Wait() })
	return "tcp://" + ln.Addr().String()
}
