package httpd

import (
	"bufio"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ringtail/ringtail/internal/leaktest"
)

func TestMain(m *testing.M) { os.Exit(leaktest.Main(m)) }

// patience only ends tests that would otherwise hang.
const patience = time.Minute

var quietLog = log.New(io.Discard, "", 0)

func start(t *testing.T, address string, h http.HandlerFunc, limits timeouts) *Server {
	t.Helper()
	return startWith(t, Options{Address: address}, h, limits)
}

func startWith(t *testing.T, o Options, h http.HandlerFunc, limits timeouts) *Server {
	t.Helper()
	if o.ErrorLog == nil {
		o.ErrorLog = quietLog
	}
	s, err := serve(o, h, limits)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func ok(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }

// client is one connection to a port.
type client struct {
	net.Conn
	t *testing.T
	r *bufio.Reader
}

func dial(t *testing.T, s *Server) *client {
	t.Helper()
	_, port, _ := net.SplitHostPort(s.ln.Addr().String())
	c, err := net.Dial("tcp", "127.0.0.1:"+port)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return &client{c, t, bufio.NewReader(c)}
}

func (c *client) send(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		c.t.Fatal(err)
	}
}

// get asks as that host and returns the status.
func (c *client) get(host string) int {
	c.t.Helper()
	c.send("GET / HTTP/1.1\r\nHost: " + host + "\r\n\r\n")
	r, err := http.ReadResponse(c.r, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		c.t.Fatal(err)
	}
	return r.StatusCode
}

// closed fails unless the server closes the connection.
func (c *client) closed(what string) {
	c.t.Helper()
	var timeout net.Error
	if _, err := io.Copy(io.Discard, c.r); errors.As(err, &timeout) && timeout.Timeout() {
		c.t.Errorf("%s: the connection is still open", what)
	}
}

// awaitQuiet waits until the server is done with all requests: the client of one knows a moment
// earlier.
func (s *Server) awaitQuiet(t *testing.T) {
	t.Helper()
	until(t, "no request is served", func() bool {
		s.conns.mu.Lock()
		defer s.conns.mu.Unlock()
		for _, since := range s.conns.quiet {
			if since.IsZero() {
				return false
			}
		}
		return true
	})
}

// TestQuietConnectionsMakeRoom: idle connections lock nobody out, and there are never more than
// the limit.
func TestQuietConnectionsMakeRoom(t *testing.T) {
	s := start(t, "127.0.0.1:0", ok, ordinary)
	var idle []*client
	for range ConnectionsMax {
		c := dial(t, s)
		c.get("localhost")
		s.awaitQuiet(t)
		idle = append(idle, c)
	}
	idle[0].get("localhost") // so the second one has been quiet longest
	s.awaitQuiet(t)
	if code := dial(t, s).get("localhost"); code != http.StatusOK {
		t.Errorf("a newcomer gets %d", code)
	}
	idle[1].closed("the longest quiet of too many")
	if code := idle[0].get("localhost"); code != http.StatusOK {
		t.Errorf("one that was used since gets %d", code)
	}
	for range ConnectionsMax {
		dial(t, s) // and says nothing
	}
	if code := dial(t, s).get("localhost"); code != http.StatusOK {
		t.Errorf("after those that say nothing, a newcomer gets %d", code)
	}
	s.conns.mu.Lock()
	defer s.conns.mu.Unlock()
	if n := len(s.conns.quiet); n > ConnectionsMax {
		t.Errorf("%d connections, over %d", n, ConnectionsMax)
	}
}

// TestBusyConnectionsStay: where all have a request, it is the newcomer that goes.
func TestBusyConnectionsStay(t *testing.T) {
	var busy atomic.Int32
	let := make(chan struct{})
	s := start(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
		busy.Add(1)
		<-let
		ok(w, r)
	}, ordinary)
	var all []*client
	for range ConnectionsMax {
		c := dial(t, s)
		c.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
		all = append(all, c)
	}
	until(t, "all are served", func() bool { return busy.Load() == ConnectionsMax })
	dial(t, s).closed("one too many")
	close(let)
	for _, c := range all {
		if r, err := http.ReadResponse(c.r, nil); err != nil || r.StatusCode != http.StatusOK {
			t.Fatalf("a busy one: %v", err)
		}
	}
}

// TestTimeouts: whoever does not ask, asks for ever or does not read is closed.
func TestTimeouts(t *testing.T) {
	const soon = 50 * time.Millisecond
	never := time.Hour
	s := start(t, "127.0.0.1:0", ok, timeouts{read: soon, write: never, quiet: never})
	c := dial(t, s)
	c.closed("no request")
	c = dial(t, s)
	c.send("GET / HTTP/1.1\r\nHost: local")
	c.closed("half a request")

	s = start(t, "127.0.0.1:0", ok, timeouts{read: never, write: never, quiet: soon})
	c = dial(t, s)
	c.get("localhost")
	c.closed("no further request")

	ended := make(chan error, 1)
	s = start(t, "127.0.0.1:0", func(w http.ResponseWriter, _ *http.Request) {
		var err error
		for chunk := make([]byte, 1<<20); err == nil; {
			_, err = w.Write(chunk)
		}
		ended <- err
	}, timeouts{read: never, write: soon, quiet: never})
	dial(t, s).send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
	select {
	case <-ended:
	case <-time.After(patience):
		t.Error("a response that nobody reads is written for ever")
	}
}

// TestHeadersAreBounded: a request takes no more memory than that.
func TestHeadersAreBounded(t *testing.T) {
	s := start(t, "127.0.0.1:0", ok, ordinary)
	for size, want := range map[int]int{32 << 10: http.StatusOK, 1 << 20: http.StatusRequestHeaderFieldsTooLarge} {
		c := dial(t, s)
		go func() { // the server need not read all of it
			_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: localhost\r\n"+strings.Repeat("X-Long: "+strings.Repeat("x", 1014)+"\r\n", size/1024)+"\r\n")
		}()
		r, err := http.ReadResponse(c.r, nil)
		if err != nil || r.StatusCode != want {
			t.Errorf("headers of %d bytes: %v, %v; want %d", size, r, err, want)
		}
	}
}

// TestProfilesTakeTheirTime: what is asked for seconds gets them beyond the write timeout.
func TestProfilesTakeTheirTime(t *testing.T) {
	limits := ordinary
	limits.write = 100 * time.Millisecond
	s := start(t, "127.0.0.1:0", pprof.Trace, limits)
	r, err := http.Get(s.URL() + "/?seconds=0.3")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	if trace, err := io.ReadAll(r.Body); err != nil || !strings.HasPrefix(string(trace), "go ") {
		t.Errorf("%d bytes, %v", len(trace), err)
	}
}

// TestCloseWaits: a handler uses what is taken apart next. It is told, and waited for, also where
// its client still sends.
func TestCloseWaits(t *testing.T) {
	begun := make(chan struct{})
	var returned atomic.Bool
	s := start(t, "127.0.0.1:0", func(_ http.ResponseWriter, r *http.Request) {
		close(begun)
		<-r.Context().Done()
		time.Sleep(10 * time.Millisecond) // so that a Close that does not wait is seen
		returned.Store(true)
	}, ordinary)
	dial(t, s).send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n")
	idle := dial(t, s)
	<-begun
	closed := make(chan struct{})
	go func() { s.Close(); close(closed) }()
	select {
	case <-closed:
	case <-time.After(patience):
		t.Fatal("the handler is not told")
	}
	if !returned.Load() {
		t.Error("Close returns while a handler runs")
	}
	idle.closed("after Close")
}

// TestErrorsGoToTheLog: net/http writes to standard error else.
func TestErrorsGoToTheLog(t *testing.T) {
	said := make(chan string, 1)
	o := Options{Address: "127.0.0.1:0", ErrorLog: log.New(writer(said), "", 0)}
	s, err := Serve(o, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("oh") }))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	c := dial(t, s)
	c.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
	c.closed("after a panic")
	select {
	case line := <-said:
		if !strings.Contains(line, "oh") {
			t.Errorf("the log says %q", line)
		}
	case <-time.After(patience):
		t.Error("the log says nothing")
	}
	o.Address = s.ln.Addr().String()
	if _, err := Serve(o, nil); err == nil {
		t.Error("two servers listen at one address")
	}
}

type writer chan string

func (w writer) Write(p []byte) (int, error) {
	select {
	case w <- string(p):
	default:
	}
	return len(p), nil
}

// until waits until done, or fails.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("still not true: %s", what)
		}
	}
}

// TestCloseFinishesWhatWasAnswered: what a handler has written arrives, although the port is closed
// before it returns: a process that ends tells its last figures so.
func TestCloseFinishesWhatWasAnswered(t *testing.T) {
	for i := range 20 {
		answered := make(chan struct{})
		s := start(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, strings.Repeat("x", 20_000))
			close(answered)
			<-r.Context().Done() // Close has begun
		}, ordinary)
		c := dial(t, s)
		c.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
		<-answered
		s.Close()
		r, err := http.ReadResponse(c.r, nil)
		if err != nil {
			t.Fatalf("response %d: %v", i, err)
		}
		if n, err := io.Copy(io.Discard, r.Body); n != 20_000 || err != nil {
			t.Fatalf("response %d has %d bytes, then %v", i, n, err)
		}
	}
}
