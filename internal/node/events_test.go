package node

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ringtail/ringtail/internal/certs/certtest"
	"github.com/ringtail/ringtail/internal/httpd"
	"github.com/ringtail/ringtail/internal/tokens"
)

// patience only ends tests that would otherwise hang.
const patience = time.Minute

// reading is one who reads /events.
type reading struct {
	t    *testing.T
	body io.Closer
	in   *bufio.Reader
}

func read(t *testing.T, client *http.Client, r *http.Request) *reading {
	t.Helper()
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = answer.Body.Close(); client.CloseIdleConnections() })
	if kind := answer.Header.Get("Content-Type"); answer.StatusCode != http.StatusOK || kind != "text/event-stream" {
		t.Fatalf("%s, %s", answer.Status, kind)
	}
	return &reading{t: t, body: answer.Body, in: bufio.NewReader(answer.Body)}
}

func get(t *testing.T, url string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// next returns the next event, and an error at the end of the stream.
func (r *reading) next() (name string, data map[string]json.RawMessage, err error) {
	for {
		line, err := r.in.ReadString('\n')
		switch value, isData := strings.CutPrefix(line, "data: "); {
		case err != nil:
			return "", nil, err
		case line == "\n":
			return name, data, nil
		case isData:
			if err := json.Unmarshal([]byte(value), &data); err != nil {
				r.t.Fatalf("%s: %v", value, err)
			}
		default:
			name = strings.TrimSpace(strings.TrimPrefix(line, "event: "))
		}
	}
}

// must returns the next event, which has that name.
func (r *reading) must(name string) map[string]json.RawMessage {
	r.t.Helper()
	got, data, err := r.next()
	if got != name || err != nil {
		r.t.Fatalf("the next event is %q, %v; want %q", got, err, name)
	}
	return data
}

// TestEvents: history once, then a status after each look; what seldom changes comes when it has.
func TestEvents(t *testing.T) {
	f := newFake()
	s := httptest.NewServer(f.mux())
	t.Cleanup(s.Close)
	r := read(t, s.Client(), get(t, s.URL+"/events"))
	if h := r.must("history"); len(h["at"]) < 600 || h["marks"] == nil {
		t.Errorf("the history is %d bytes, marks %s", len(h["at"]), h["marks"])
	}
	first := r.must("status")
	f.set(func(st *status) { st.Server.Received++ })
	second := r.must("status")
	f.set(func(st *status) { st.Warnings = st.Warnings[:1] })
	third := r.must("status")
	for name := range first {
		_, again := second[name]
		_, thirdTime := third[name]
		if again == slices.Contains(seldom, name) || thirdTime != (again || name == "warnings") {
			t.Errorf("%s came again %v, %v", name, again, thirdTime)
		}
	}
	if string(first["server"]) == string(second["server"]) {
		t.Error("the second status is the first one")
	}
}

// TestEventsOutliveTheDeadlines: of the port, which bound a request and a response.
func TestEventsOutliveTheDeadlines(t *testing.T) {
	f := newFake()
	s := httptest.NewUnstartedServer(f.mux())
	const deadline = 300 * time.Millisecond
	s.Config.ReadTimeout, s.Config.WriteTimeout = deadline, deadline
	s.Start()
	t.Cleanup(s.Close)
	r := read(t, s.Client(), get(t, s.URL+"/events"))
	r.must("history")
	r.must("status")
	for begin := time.Now(); time.Since(begin) < 2*deadline; {
		f.events.publish()
		r.must("status")
	}
}

// TestSlowReader: who takes nothing loses its place, however much there is to say.
func TestSlowReader(t *testing.T) {
	f := newFake()
	f.events.limit = 50 * time.Millisecond
	f.now.Host = strings.Repeat("x", 1<<20)
	s := httptest.NewServer(f.mux())
	t.Cleanup(s.Close)
	c, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if _, err := io.WriteString(c, "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	gone := false
	await(t, "the reader is gone", func() bool {
		here := f.events.readers.Load()
		gone = gone || here == 1
		f.events.publish()
		return gone && here == 0
	})
}

// TestReaders: so many at a time; one that has read for long makes place, as one that went away without a
// word must.
func TestReaders(t *testing.T) {
	f := newFake()
	f.events.max = time.Hour
	s := httptest.NewServer(f.mux())
	t.Cleanup(s.Close)
	var last *reading
	for range readersMax {
		last = read(t, s.Client(), get(t, s.URL+"/events"))
		last.must("history")
	}
	answer, err := s.Client().Do(get(t, s.URL+"/events"))
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("one too many gets %s", answer.Status)
	}
	_ = last.body.Close()
	await(t, "a place is free", func() bool { return f.events.readers.Load() < readersMax })
	read(t, s.Client(), get(t, s.URL+"/events")).must("history")

	f = newFake()
	f.events.max = 50 * time.Millisecond
	short := httptest.NewServer(f.mux())
	t.Cleanup(short.Close)
	r := read(t, short.Client(), get(t, short.URL+"/events"))
	r.must("history")
	r.must("status")
	if _, _, err := r.next(); err == nil {
		t.Error("it reads for ever")
	}
}

// TestEventsOverTLSWithTokens: as a browser logs in; and the end of the port ends the stream.
func TestEventsOverTLSWithTokens(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(file, []byte("secret-of-the-page\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	known, err := tokens.Open("--admin-token-file", file, nil)
	if err != nil {
		t.Fatal(err)
	}
	cert := certtest.NewCA(t).Pair(t, certtest.Leaf{Name: "gate"})
	f := newFake()
	s, err := httpd.Serve(httpd.Options{Address: "127.0.0.1:0", Tokens: known, TLS: &tls.Config{Certificates: []tls.Certificate{cert}}, ErrorLog: log.New(io.Discard, "", 0)}, f.mux())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} //nolint:gosec // who it is is not what is tested
	answer, err := client.Do(get(t, s.URL()+"/events"))
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a token: %s", answer.Status)
	}
	ask := get(t, s.URL()+"/events")
	ask.SetBasicAuth("anybody", "secret-of-the-page")
	r := read(t, client, ask)
	r.must("history")
	r.must("status")
	f.events.publish()
	r.must("status")
	closed := make(chan struct{})
	go func() { s.Close(); close(closed) }()
	if name, _, err := r.next(); err == nil {
		t.Errorf("after the end comes %q", name)
	}
	select {
	case <-closed:
	case <-time.After(patience):
		t.Fatal("a reader keeps the port from ending")
	}
}

// TestConnectionQuery: what may be asked.
func TestConnectionQuery(t *testing.T) {
	for _, c := range []struct {
		query string
		id    uint64
		limit int
		wrong string
	}{
		{"", 0, 20, ""},
		{"id=18446744073709551615&search=a%20b", 1<<64 - 1, 20, ""},
		{"limit=1000", 0, 1000, ""},
		{"id=x", 0, 0, `?id="x" is no connection's; a number`},
		{"limit=0", 0, 0, `?limit="0" must be a number from 1 to 1000`},
		{"limit=1001", 0, 0, `?limit="1001" must be a number from 1 to 1000`},
		{"limit=x", 0, 0, `?limit="x" must be a number from 1 to 1000`},
	} {
		q, err := connectionQuery(httptest.NewRequest(http.MethodGet, "/connections?"+c.query, nil))
		if c.wrong != "" {
			if err == nil || err.Error() != c.wrong {
				t.Errorf("%s: %v, want %s", c.query, err, c.wrong)
			}
			continue
		}
		if err != nil || q.ID != c.id || q.Limit != c.limit || (q.Search == "a b") != strings.Contains(c.query, "search") {
			t.Errorf("%s: %+v, %v", c.query, q, err)
		}
	}
}

// await waits until done, or fails.
func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("still not true: %s", what)
		}
	}
}

// TestEventsWithConnections: who asks for connections gets them behind each status, those of the moment.
func TestEventsWithConnections(t *testing.T) {
	f := newFake()
	url, _ := f.serve(t, "127.0.0.1:0")
	found := func(r *reading) (ids string) {
		r.must("status")
		var list []struct{ ID string }
		if err := json.Unmarshal(r.must("connections")["connections"], &list); err != nil {
			t.Fatal(err)
		}
		for _, c := range list {
			ids += c.ID + " "
		}
		return ids
	}
	r := read(t, http.DefaultClient, get(t, url+"/events?search=0.0.2&limit=3"))
	r.must("history")
	for range 2 {
		if got := found(r); got != "2 20 21 " {
			t.Errorf("found %q", got)
		}
	}
	answer, err := http.Get(url + "/events?id=x")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusBadRequest {
		t.Errorf("a wrong id: %s", answer.Status)
	}
}
