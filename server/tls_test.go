package server

import (
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ringtail/ringtail/codec"
	"github.com/ringtail/ringtail/internal/certs"
	"github.com/ringtail/ringtail/internal/certs/certtest"
	"github.com/ringtail/ringtail/internal/loopback"
	"github.com/ringtail/ringtail/internal/reload"
)

func encrypted(o *rigOptions) {
	o.Listeners = []Listener{{Network: "tcp", Address: loopback.Any(), TLS: true, Ack: true}}
}

// Whoever does not speak TLS to a TLS port, or not well enough, is closed at once, counted with one
// reason, and logged once a second at most.
func TestStrangersToTLS(t *testing.T) {
	var log logBuffer
	ca := authority(t)
	r := newRig(t, func(o *rigOptions) {
		encrypted(o)
		o.useTLS(t)
		o.TLS.ClientCAs, o.TLS.ClientAuth = ca.Pool(), tls.RequireAndVerifyClientCert
		o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	})
	address := r.Addrs()[0].String()
	refused := uint64(0)
	counted := func(what string) {
		t.Helper()
		refused++
		r.eventually(what, func() bool { return r.Stats().Refused["tls_handshake"] == refused && r.Stats().Connections == 0 })
	}
	for _, plain := range []string{record(1) + "\n", "GET / HTTP/1.1\r\n\r\n", "\x00\x00\x00\x02{}", "\x16\x03\x01\xff\xff" + strings.Repeat("x", 100)} {
		nc, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		r.send(nc, plain)
		closedAfterAlert(t, nc)
		counted(fmt.Sprintf("%.10q refused", plain))
	}
	other := certtest.NewCA(t)
	for what, pairs := range map[string][]tls.Certificate{
		"no certificate":      nil,
		"another's":           {other.Pair(t, certtest.Leaf{Name: "stranger"})},
		"expired certificate": {ca.Pair(t, certtest.Leaf{Name: "late", Expired: true})},
	} {
		config := clientTLS(t)
		config.Certificates = pairs
		nc, err := tls.Dial("tcp", address, config)
		if err == nil { // TLS 1.3's clients are done first
			_, err = nc.Read(make([]byte, 1))
			_ = nc.Close()
		}
		if err == nil {
			t.Errorf("%s: let in", what)
		}
		counted(what)
	}
	config := clientTLS(t)
	config.MinVersion, config.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	if _, err := tls.Dial("tcp", address, config); err == nil {
		t.Error("TLS 1.1 is spoken")
	}
	counted("TLS 1.1")
	if n := strings.Count(log.String(), "connection refused"); n < 1 || n > r.linesMost() {
		t.Errorf("%d lines:\n%s", n, log.String())
	}
	config = clientTLS(t)
	config.Certificates = []tls.Certificate{ca.Pair(t, certtest.Leaf{Name: "ada"})}
	config.NextProtos = []string{"h2"}
	nc, err := tls.Dial("tcp", address, config)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	r.send(nc, record(1)+"\n")
	r.eventually("its record", func() bool { return r.w.count() == 1 })
	if c := r.registry.conn(r.w.shard(1)[0].conn); c.name != "ada" {
		t.Errorf("called %q", c.name)
	}
}

// More handshakes that stall than there may be at a time do not keep out a client that speaks.
func TestStalledHandshakes(t *testing.T) {
	const more = 40
	r := newRig(t, func(o *rigOptions) { encrypted(o); o.useTLS(t) })
	address := r.Addrs()[0].String()
	for range greetingsMax + more {
		nc, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		_, _ = nc.Write([]byte("\x16\x03\x01\x02\x00\x01"))
	}
	nc := r.dial()
	r.send(nc, record(1)+"\n")
	halfClose(nc)
	if lines, err := replies(nc); err != nil || lastAcked(t, lines) != 1 {
		t.Errorf("%q, %v", lines, err)
	}
	r.eventually("the oldest given up", func() bool { return r.Stats().Refused["tls_handshake"] >= more })
}

// closedAfterAlert reads what the server still says, and its end.
func closedAfterAlert(t testing.TB, nc net.Conn) {
	t.Helper()
	_ = nc.SetReadDeadline(time.Now().Add(30 * time.Second))
	if n, err := io.Copy(io.Discard, nc); n > 100 || isTimeout(err) {
		t.Fatalf("want the server to close; got %d bytes, %v", n, err)
	}
	_ = nc.Close()
}

func isTimeout(err error) bool {
	ne, ok := err.(net.Error)
	return ok && ne.Timeout()
}

// What the client speaks is said, for who has to find it.
func TestExplainHandshake(t *testing.T) {
	for first, want := range map[string]string{
		"GET / HTTP/1.0\r\n": "speaks HTTP to a tls:// listener",
		`{"number":1}`:       "speaks plain text to a tls:// listener",
		"\x00\x00\x00\x02{}": "speaks something else to a tls:// listener",
	} {
		_, ours, theirs := sockets(t)
		_, _ = theirs.Write([]byte(first))
		if _, err := handshake(ours, testTLS(t)); err == nil || !strings.HasSuffix(explainHandshake(err).Error(), want) {
			t.Errorf("%q: %v", first, explainHandshake(err))
		}
	}
}

// TLS and HTTP to a plain port are closed at once, whatever the framing, and counted once.
func TestStrangersToPlain(t *testing.T) {
	for _, f := range []codec.Framing{codec.Auto, codec.Newline, codec.NUL, codec.JSON, codec.Length, codec.Length16, codec.Octet} {
		r := newRig(t, func(o *rigOptions) { o.framing, o.dead = f, true })
		a := r.Addrs()[0]
		config := clientTLS(t)
		if _, err := tls.DialWithDialer(&net.Dialer{Timeout: time.Minute}, a.Network(), a.String(), config); err == nil || isTimeout(err) {
			t.Errorf("%v: TLS: %v", f, err)
		}
		nc := r.dial()
		r.send(nc, "POST /records HTTP/1.1\r\nHost: x\r\n\r\n{}\n")
		closedAfterAlert(t, nc)
		r.eventually(f.String(), func() bool { return r.Stats().Closed["foreign"] == 2 && r.Stats().Connections == 0 })
	}
}

// Records flow on an old connection while the certificate changes; new ones get the new one.
func TestRotationUnderLoad(t *testing.T) {
	ca := authority(t)
	cert, key := ca.Files(t, certtest.Leaf{Name: "old", Hosts: []string{"server.test"}})
	files := certs.Files{Certs: []string{cert}, Keys: []string{key}}
	store, err := certs.Open(files, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer reload.Watch(store)()
	r := newRig(t, func(o *rigOptions) { encrypted(o); o.TLS = store.Config() })
	presented := func() string {
		nc, err := r.connect(0, net.Dialer{})
		if err != nil {
			return err.Error()
		}
		defer nc.Close()
		return nc.(*tls.Conn).ConnectionState().PeerCertificates[0].Subject.CommonName
	}
	old := r.dial()
	sent := 0
	rotated := make(chan struct{})
	go func() {
		defer close(rotated)
		c, k := ca.Issue(t, certtest.Leaf{Name: "new", Hosts: []string{"server.test"}})
		certtest.Write(t, cert, c)
		certtest.Write(t, key, k)
		for end := time.Now().Add(time.Minute); presented() != "new" && time.Now().Before(end); pause() {
		}
	}()
	for done := false; !done; sent++ {
		r.send(old, record(sent)+"\n")
		pause()
		done = isClosed(rotated)
	}
	if got := presented(); got != "new" {
		t.Errorf("new connections get %s", got)
	}
	halfClose(old)
	lines, err := replies(old)
	if err != nil || lastAcked(t, lines) != int64(sent) {
		t.Errorf("%d sent, %v", sent, err)
	}
}

// A client that does not read its lines is not read; when it does, every one of them is there.
func TestDeafClientOverTLS(t *testing.T) {
	r := newRig(t, func(o *rigOptions) {
		encrypted(o)
		o.useTLS(t)
		o.Listeners[0].Framing = codec.Newline
	})
	deaf := r.dial()
	_ = tcpOf(deaf).SetReadBuffer(64 << 10)
	const bad = 300_000
	sent := make(chan error, 1)
	go func() {
		for range bad / 1000 {
			if _, err := io.WriteString(deaf, strings.Repeat("1\n", 1000)); err != nil {
				sent <- err
				return
			}
		}
		sent <- deaf.(*tls.Conn).CloseWrite()
	}()
	r.eventually("it to be stopped", func() bool { return r.Stats().Waiting == 1 && r.Stats().Rejected["not_object"] > 0 })
	other := r.dial()
	r.send(other, record(1)+"\n")
	halfClose(other)
	if lines, err := replies(other); err != nil || lastAcked(t, lines) != 1 {
		t.Errorf("%q, %v", lines, err)
	}
	lines, err := replies(deaf)
	if err != nil || <-sent != nil || lastAcked(t, lines) != bad {
		t.Fatalf("%d lines, %v", len(lines), err)
	}
	next := 1
	for _, line := range lines {
		var k int
		if n, _ := fmt.Sscanf(line, `{"rejected":%d,`, &k); n == 1 {
			if k != next {
				t.Fatalf("%s, want %d", line, next)
			}
			next++
		}
	}
	if next != bad+1 {
		t.Errorf("%d rejected lines", next-1)
	}
}

// Sessions are resumed, and early bytes behind a resumed handshake arrive.
func TestSessionsAreResumed(t *testing.T) {
	r := newRig(t, func(o *rigOptions) { encrypted(o); o.useTLS(t) })
	config := clientTLS(t)
	config.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	for i := range 3 {
		nc, err := tls.Dial("tcp", r.Addrs()[0].String(), config)
		if err != nil {
			t.Fatal(err)
		}
		r.send(nc, record(i)+"\n")
		halfClose(nc)
		if lines, err := replies(nc); err != nil || lastAcked(t, lines) != 1 {
			t.Errorf("%q, %v", lines, err)
		}
		if resumed := nc.ConnectionState().DidResume; resumed != (i > 0) {
			t.Errorf("connection %d: resumed %v", i, resumed)
		}
		_ = nc.Close()
	}
}

// The client's end is its end, however it says it, and the server says its own.
func TestEndsOverTLS(t *testing.T) {
	r := newRig(t, func(o *rigOptions) { encrypted(o); o.useTLS(t) })
	closed := func(reason string, n uint64) {
		t.Helper()
		r.eventually(reason, func() bool { return r.Stats().Closed[reason] == n && r.Stats().Connections == 0 })
	}
	polite := r.dial()
	r.send(polite, record(1)) // no LF: the end ends it
	halfClose(polite)
	if lines, err := replies(polite); err != nil || lastAcked(t, lines) != 1 { // an end without close_notify would be an error
		t.Errorf("%q, %v", lines, err)
	}
	_ = polite.Close()
	closed("client", 1)

	rude := r.dial() // a FIN alone: whole records count, and of what has begun there is none
	r.send(rude, record(1)+"\n"+`{"number":1`)
	_ = tcpOf(rude).CloseWrite()
	if lines, err := replies(rude); err != nil || lastAcked(t, lines) != 2 {
		t.Errorf("%q, %v", lines, err)
	}
	_ = rude.Close()
	closed("client", 2)
	if st := r.Stats(); st.Rejected["truncated"] != 1 || st.Received != 3 {
		t.Errorf("%+v", st)
	}

	garbled := r.dial()
	r.send(garbled, record(1)+"\n")
	r.eventually("its record", func() bool { return r.w.count() == 3 })
	_, _ = tcpOf(garbled).Write([]byte("\x17\x03\x03\x00\x20" + strings.Repeat("x", 32)))
	closedAfterAlert(t, tcpOf(garbled))
	closed("tls", 1)

	cut := r.dial()
	r.send(cut, record(1)+"\n")
	r.eventually("its record", func() bool { return r.w.count() == 4 })
	_, _ = tcpOf(cut).Write([]byte("\x17\x03\x03\x00\x20xx"))
	_ = tcpOf(cut).CloseWrite()
	_, _ = io.Copy(io.Discard, tcpOf(cut))
	_ = cut.Close()
	closed("tls", 2)
}

// Without acks the server's end is told too, with close_notify, in drain and farewell alike.
func TestServerEndsTLS(t *testing.T) {
	for what, change := range map[string]func(*rigOptions){
		"idle":  func(o *rigOptions) { o.IdleTimeout = 300 * time.Millisecond },
		"age":   func(o *rigOptions) { o.MaxConnectionAge = 300 * time.Millisecond },
		"drain": func(o *rigOptions) {},
	} {
		r := newRig(t, func(o *rigOptions) {
			o.Listeners = []Listener{{Network: "tcp", Address: loopback.Any(), TLS: true}}
			o.useTLS(t)
			change(o)
		})
		nc := r.dial()
		r.send(nc, record(1)+"\n")
		r.eventually("its record", func() bool { return r.w.count() == 1 })
		var drained sync.WaitGroup
		if what == "drain" {
			drained.Go(func() { _ = r.Drain(t.Context()) })
		}
		if lines, err := replies(nc); err != nil || len(lines) > 0 {
			t.Errorf("%s: %q, %v", what, lines, err)
		}
		_ = nc.Close()
		drained.Wait()
	}
}
