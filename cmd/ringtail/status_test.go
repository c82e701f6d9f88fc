package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ringtail/ringtail/internal/kafkatest"
	"github.com/ringtail/ringtail/internal/verdict"
)

// TestStatus: what is printed of a server that is well, as text and as JSON.
func TestStatus(t *testing.T) {
	s := serve(t, "--sink", "discard", "--ack", "kafka")
	send(t, s.listen[0], "{\"number\":1}\n{\"number\":2}\n")
	until(t, "the records are told", func() bool {
		return strings.Contains(must(t, "status", s.admin), "delivery  p50 ")
	})
	out := must(t, "status", strings.TrimPrefix(s.admin, "http://"))
	for _, want := range []string{"since ", "rings     do not fill\n", "clients   0 of 0 wait\n", " /s received, ", "time      socket ", "server    ", ", ringtail " + ownVersion()} {
		if !strings.HasPrefix(out, "OK\n") || !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if strings.Contains(out, "SHARD") {
		t.Errorf("nothing is the matter with a shard:\n%s", out)
	}
	var status struct{ Server struct{ Received int } }
	if text := must(t, "status", "--json", s.admin); json.Unmarshal([]byte(text), &status) != nil || status.Server.Received != 2 {
		t.Errorf("as JSON: %s", text)
	}
}

// TestStatusUnreached: one line that says what cannot be reached and why, and exit code 1.
func TestStatusUnreached(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintln(w, "{}") }))
	defer other.Close()
	nowhere := httptest.NewServer(http.NotFoundHandler())
	defer nowhere.Close()
	elsewhere := httptest.NewServer(http.RedirectHandler("/login", http.StatusFound))
	defer elsewhere.Close()
	closed := closedPort(t)
	for url, want := range map[string][]string{
		closed:                             {"http://" + closed + " cannot be reached", "connection refused", "--admin"},
		"http://" + silent.Addr().String(): {"cannot be reached: no answer within 5s"},
		other.URL:                          {other.URL, "no admin port"},
		nowhere.URL:                        {nowhere.URL, "404 Not Found"},
		elsewhere.URL:                      {elsewhere.URL, "302 Found"},
		"https" + strings.TrimPrefix(nowhere.URL, "http"): {"does not speak HTTPS; ask http://"},
	} {
		refuse(t, exitFailed, want, "status", url)
	}
}

// TestStatusHealth: the process is well, whatever the verdict is; one that says that it is not, or
// does not answer, ends it with 1.
func TestStatusHealth(t *testing.T) {
	code, text := http.StatusOK, "ok\n"
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/healthz" {
			text = "asked for " + r.URL.Path
		}
		w.WriteHeader(code)
		_, _ = io.WriteString(w, text)
	}))
	defer s.Close()
	if out := must(t, "status", "--health", s.URL); out != "ok\n" {
		t.Errorf("it says %q", out)
	}
	code, text = http.StatusServiceUnavailable, "stuck: an event loop\n"
	refuse(t, exitFailed, []string{s.URL, "503", "stuck: an event loop"}, "status", "--health", s.URL)
	refuse(t, exitFailed, []string{"connection refused"}, "status", "--health", closedPort(t))
}

// TestStatusUsage: what is typed wrong is no failure of a server.
func TestStatusUsage(t *testing.T) {
	for _, c := range []struct{ args, want []string }{
		{[]string{"ftp://127.0.0.1:9888"}, []string{`"ftp://127.0.0.1:9888"`, "http://127.0.0.1:9888"}},
		{[]string{"http://"}, []string{"http://127.0.0.1:9888"}},
		{[]string{"--token-file", "/nowhere"}, []string{"--token-file", "/nowhere"}},
		{[]string{"--tls-ca", "/nowhere", "https://127.0.0.1:1"}, []string{"--tls-ca", "/nowhere"}},
		{[]string{"--tls-ca", "/nowhere"}, []string{"--tls-ca is for https://"}},
		{[]string{"a", "b"}, []string{"unexpected argument b"}},
		{[]string{"--wach"}, []string{"--watch"}},
		{[]string{"--health", "--watch"}, []string{"--health", "--watch"}},
		{[]string{"--health", "--json"}, []string{"--health", "--json"}},
	} {
		refuse(t, exitUsage, c.want, append([]string{"status"}, c.args...)...)
	}
}

// TestStatusGuarded: of an admin port that wants a token and speaks HTTPS.
func TestStatusGuarded(t *testing.T) {
	cert, key := kafkatest.KeyPair(t)
	file, wrong := filepath.Join(t.TempDir(), "tokens"), filepath.Join(t.TempDir(), "wrong")
	overwrite(t, file, "operator:s3cret\n")
	overwrite(t, wrong, "0ther\n")
	s := serve(t, "--sink", "discard", "--admin-token-file", file, "--admin-tls-cert", cert, "--admin-tls-key", key)
	if out := must(t, "status", "--tls-ca", cert, "--token-file", file, s.admin); !strings.HasPrefix(out, "OK\n") {
		t.Errorf("it says\n%s", out)
	}
	refuse(t, exitFailed, []string{s.admin, "wants a token; give --token-file"}, "status", "--tls-ca", cert, s.admin)
	refuse(t, exitFailed, []string{s.admin, "refuses the token of --token-file"}, "status", "--tls-ca", cert, "--token-file", wrong, s.admin)
	refuse(t, exitFailed, []string{s.admin, "unknown authority; name that in --tls-ca"}, "status", s.admin)
	refuse(t, exitFailed, []string{"speaks HTTPS; ask https://"}, "status", "http"+strings.TrimPrefix(s.admin, "https"))
}

// TestStatusWatch: a line a look where there is no terminal, also of a server that is gone; what it
// ends with is the last look's.
func TestStatusWatch(t *testing.T) {
	s := serve(t, "--sink", "discard")
	c, asJSON := start(t, "", "status", "--watch", s.admin), start(t, "", "status", "--watch", "--json", s.admin)
	lines := func(c *command, n int, want string) func() bool {
		return func() bool { return strings.Count(c.out.String(), want) >= n }
	}
	until(t, "two lines", lines(c, 2, " OK · 0 /s received"))
	until(t, "two lines of JSON", lines(asJSON, 2, "\n"))
	for _, line := range asJSON.out.lines()[:2] {
		var status serverStatus
		if err := json.Unmarshal([]byte(line), &status); err != nil || status.Verdict.State != verdict.OK {
			t.Errorf("%v: %s", err, line)
		}
	}
	asJSON.signals <- syscall.SIGINT
	if code := asJSON.wait(); code != exitDone {
		t.Errorf("exit %d behind OK", code)
	}
	s.terminate()
	until(t, "it is gone", lines(c, 1, " GONE: "+s.admin+" cannot be reached: connect: connection refused"))
	c.signals <- syscall.SIGINT
	if code, errs := c.wait(), c.err.String(); code != exitFailed || strings.Count(errs, "\n") != 1 {
		t.Errorf("exit %d: %q", code, errs)
	}
}

// TestStatusTerminal: on a terminal the same place is painted again, and the last figures stay when
// the server is gone.
func TestStatusTerminal(t *testing.T) {
	var copying sync.WaitGroup
	t.Cleanup(copying.Wait) // behind the end of the terminal
	master, terminal := pseudoterminal(t)
	if err := unix.IoctlSetWinsize(int(terminal.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 5, Col: 40}); err != nil {
		t.Fatal(err)
	}
	shown := &output{}
	copying.Go(func() { _, _ = io.Copy(shown, master) })
	s := serve(t, "--sink", "discard")
	signals, exit := make(chan os.Signal, 1), make(chan int, 1)
	go func() {
		exit <- run([]string{"status", "--watch", s.admin}, &process{Out: terminal, Err: &output{}, Signals: signals, Abort: func(int) {}})
	}()
	// The kernel puts a CR before each LF. What ends a painting begins the next.
	screens := func(first string) func() bool {
		return func() bool { return strings.Count(shown.String(), "\x1b[H"+first+"\x1b[K\r\nsince ") >= 2 }
	}
	until(t, "two paintings", screens("OK"))
	s.terminate()
	gone := ("GONE: " + s.admin + " cannot be reached")[:40]
	until(t, "it is gone, and the last figures are there", func() bool {
		return strings.Contains(shown.String(), "\x1b[H"+gone+"\x1b[K\r\nOK\x1b[K\r\nsince ")
	})
	signals <- syscall.SIGINT
	if code := <-exit; code != exitFailed {
		t.Errorf("exit %d", code)
	}
	for _, line := range strings.FieldsFunc(shown.String(), func(r rune) bool { return r == '\n' }) {
		if text := ansi.ReplaceAllString(strings.TrimSuffix(line, "\r"), ""); len([]rune(text)) > 40 {
			t.Errorf("%q is wider than the terminal", text)
		}
	}
}

// ansi is what moves a cursor and wipes.
var ansi = regexp.MustCompile("\x1b\\[[0-9]*[A-Z]")

// TestStatusText: what is shown of a server that stands still.
func TestStatusText(t *testing.T) {
	full := 38.4
	now := time.Now()
	s := &serverStatus{
		Verdict: verdict.Verdict{State: verdict.Stuck, Text: "STUCK: partition 3 since 4 min: NOT_ENOUGH_REPLICAS", Advice: "Kafka: start the brokers.", Since: now,
			FullIn: &full, Waiting: 3, Connections: 1200, Stages: map[string]float64{"broker": 0.82, "ring": 0.18}},
		Host: "host-1", Version: "1.2.3", Uptime: 7300, Writer: "native", Reason: "oldest record has waited",
		Rings: []statusRing{
			{Name: "0", Capacity: 100, Leader: 1},
			{Name: "1", Capacity: 100, Used: 51, Partition: 1, Leader: 1},
			{Name: "3", Capacity: 100, Used: 20, Partition: 3, Leader: -1, Oldest: 250, Records: 12345, In: 999.6, FullIn: &full},
		},
	}
	s.Rates.Received = 14968
	s.Rings[2].LastError = &struct {
		At   time.Time `json:"at"`
		Text string    `json:"text"`
	}{now, "NOT_ENOUGH_REPLICAS:\ntoo few"}
	got := s.text()
	want := fmt.Sprintf(`STUCK: partition 3 since 4 min: NOT_ENOUGH_REPLICAS
Kafka: start the brokers.
since      %s
not ready  oldest record has waited
rings      full in 38 s at this rate
clients    3 of 1,200 wait
records    14,968 /s received, 0 /s in Kafka, 0 /s rejected
time       socket 0 %%, parse 0 %%, ring 18 %%, writer 0 %%, broker 82 %%
server     host-1, ringtail 1.2.3, up for 2 h, writer native

SHARD  PARTITION  LEADER  IN/S   OUT/S  RECORDS  FILLED  FULL IN  OLDEST  LAST ERROR
3      3          -       1,000  0      12,345   20 %%    38 s     4 min   %s NOT_ENOUGH_REPLICAS: too few
1      1          1       0      0      0        51 %%    -        0.0 ms  -
`, now.Format(time.DateTime), now.Format(time.TimeOnly))
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestSeconds: short ones too.
func TestSeconds(t *testing.T) {
	for s, want := range map[float64]string{0.0012: "1.2 ms", 0.25: "250 ms", 1.26: "1.3 s", 38.4: "38 s", 250: "4 min"} {
		if got := seconds(s); got != want {
			t.Errorf("%v: %s, want %s", s, got, want)
		}
	}
}

// TestScreen: a terminal shows as much as has room, in the same place each time.
func TestScreen(t *testing.T) {
	s := &screen{}
	if got, want := s.paint("12345\n123\nrest\n", 4, 3), "\x1b[2J\x1b[H1234\x1b[K\n123\x1b[K\n\x1b[J"; got != want {
		t.Errorf("first %q, want %q", got, want)
	}
	if got, want := s.paint("1\n", 80, 24), "\x1b[H1\x1b[K\n\x1b[J"; got != want {
		t.Errorf("then %q, want %q", got, want)
	}
	if got := s.paint("1\n2\n", 1, 1); strings.Contains(got, "2\x1b") || !strings.Contains(got, "1") {
		t.Errorf("on a terminal of one character: %q", got)
	}
}
