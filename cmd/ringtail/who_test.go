package main

import (
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ringtail/ringtail/internal/kafkatest"
)

// guidedPart is the guide's part on who may connect.
func guidedPart(t *testing.T) string {
	t.Helper()
	_, part, ok := strings.Cut(contents(t, "../../docs/GUIDE.md"), "\n## Who may connect\n")
	if part, _, _ = strings.Cut(part, "\n## "); !ok {
		t.Fatal("the guide has no part on who may connect")
	}
	return part
}

// guidedServes are the calls of serve that it shows, as arguments.
func guidedServes(t *testing.T) (calls [][]string) {
	t.Helper()
	for line := range strings.Lines(strings.ReplaceAll(guidedPart(t), "\\\n", " ")) {
		if args, ok := strings.CutPrefix(strings.TrimSpace(line), "ringtail serve "); ok {
			calls = append(calls, strings.Fields(strings.ReplaceAll(args, "'", "")))
		}
	}
	return calls
}

// TestGuidedWaysToConnect: what the guide shows is taken, and each flag of its table is shown.
func TestGuidedWaysToConnect(t *testing.T) {
	cert, key := kafkatest.KeyPair(t)
	tokens := tokenFile(t, "billing:s3cret\n")
	files := map[string]string{"cert.pem": cert, "key.pem": key, "ca.pem": cert, "tokens": tokens,
		"/etc/ringtail/admin.tokens": tokens, "/etc/ringtail/admin.pem": cert, "/etc/ringtail/admin.key": key}
	elsewhere := strings.NewReplacer("kafka:9092", "127.0.0.1:1", ":8888", ":0", ":8889", ":0", ":8899", ":0", ":9888", ":0", "/run/ringtail", t.TempDir())
	shown := map[string]bool{}
	for _, args := range guidedServes(t) {
		for i, arg := range args {
			if shown[arg] = true; files[arg] != "" {
				args[i] = files[arg]
			}
			args[i] = elsewhere.Replace(args[i])
		}
		if out := must(t, append([]string{"check"}, args...)...); !strings.HasPrefix(out, "ok\n") {
			t.Errorf("%q: %s", args, out)
		}
	}
	table, _, _ := strings.Cut(guidedPart(t), "```")
	flags := regexp.MustCompile("--[a-z][a-z-]+").FindAllString(table, -1)
	for _, flag := range flags {
		if !shown[flag] {
			t.Errorf("no example has %s", flag)
		}
	}
	if len(flags) < 15 {
		t.Errorf("the table has %q alone", flags)
	}
}

// TestWhoMayConnect: the flags reach the server. --deny wins, a listener's own allow= replaces
// --allow, a unix socket's file is as asked, and who is refused is counted.
func TestWhoMayConnect(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	s := serve(t, "--sink", "discard", "--ack", "kafka", "--allow", "127.77.0.0/16", "--deny", "127.77.0.9",
		"--listen", "tcp://127.0.0.1:0?allow=127.88.0.1,127.77.0.9", "--listen", "unix://"+path+"?mode=0600&framing=newline")
	const letIn, refused = "{\"acked\":1}\n", ""
	for _, tc := range []struct {
		listen     int
		from, want string
	}{
		{0, "127.77.0.1", letIn}, {0, "127.77.0.9", refused}, {0, "127.88.0.1", refused},
		{1, "127.77.0.1", refused}, {1, "127.77.0.9", refused}, {1, "127.88.0.1", letIn},
	} {
		if got := sendFrom(t, tc.from, s.listen[tc.listen]); got != tc.want {
			t.Errorf("from %s to listener %d: %q, want %q", tc.from, tc.listen, got, tc.want)
		}
	}
	if got := send(t, s.listen[2], `{"number":1}`+"\n"); got != letIn {
		t.Errorf("over the unix socket: %q", got)
	}
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("the socket's file: %v, %v", st, err)
	}
	if _, metrics := get(t, s.admin+"/metrics"); !strings.Contains(metrics, `ringtail_connections_refused_total{reason="denied"} 4`) {
		t.Errorf("four were refused, and counted are\n%s", metrics)
	}
	if code := s.terminate(); code != 0 {
		t.Errorf("exit %d: %s", code, s.err.String())
	}
}

// sendFrom sends a record from an address of loopback, and returns what is answered, "" if the
// connection is closed.
func sendFrom(t *testing.T, from, to string) string {
	t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	nc, err := dialer.Dial("tcp", strings.TrimPrefix(to, "tcp://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = nc.Close() }()
	_ = nc.SetDeadline(time.Now().Add(patience))
	_, _ = nc.Write([]byte(`{"number":1}` + "\n")) // who is refused cannot
	answer := make([]byte, 100)
	n, _ := nc.Read(answer)
	return string(answer[:n])
}
