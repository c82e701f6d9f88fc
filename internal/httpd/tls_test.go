package httpd

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ringtail/ringtail/internal/kafkatest"
)

// startTLS serves with a certificate of 127.0.0.1; the client trusts it.
func startTLS(t *testing.T, limits timeouts) (*Server, *tls.Config) {
	t.Helper()
	cert, key := kafkatest.KeyPair(t)
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(cert)
	if err != nil {
		t.Fatal(err)
	}
	trusted := &tls.Config{RootCAs: x509.NewCertPool()}
	trusted.RootCAs.AppendCertsFromPEM(text)
	return startWith(t, Options{Address: "127.0.0.1:0", TLS: &tls.Config{Certificates: []tls.Certificate{pair}}}, ok, limits), trusted
}

// TestTLS: HTTPS, and nothing in plain text.
func TestTLS(t *testing.T) {
	s, trusted := startTLS(t, ordinary)
	transport := &http.Transport{TLSClientConfig: trusted, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	if !strings.HasPrefix(s.URL(), "https://127.0.0.1:") {
		t.Errorf("it is at %s", s.URL())
	}
	r, err := (&http.Client{Transport: transport}).Get(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(r.Body); string(body) != "ok" || err != nil || r.ProtoMajor != 1 {
		t.Errorf("it says %q, %v in HTTP/%d", body, err, r.ProtoMajor)
	}
	_ = r.Body.Close()
	if code := dial(t, s).get("localhost"); code != http.StatusBadRequest {
		t.Errorf("plain text gets %d", code)
	}
}

// TestStalledHandshakes: who begins TLS and does not go on is closed, and keeps nobody out.
func TestStalledHandshakes(t *testing.T) {
	s, _ := startTLS(t, timeouts{read: 50 * time.Millisecond, write: time.Hour, quiet: time.Hour})
	c := dial(t, s)
	c.closed("no handshake")
	c = dial(t, s)
	c.send("\x16\x03\x01")
	c.closed("half a handshake")

	s, trusted := startTLS(t, ordinary)
	for range ConnectionsMax {
		dial(t, s).send("\x16\x03\x01")
	}
	trusted.ServerName = "127.0.0.1"
	if err := tls.Client(dial(t, s), trusted).Handshake(); err != nil {
		t.Errorf("after those that stall: %v", err)
	}
}

// TestFloodInTheLog: a line a second, with how many were left out, whatever strangers do.
func TestFloodInTheLog(t *testing.T) {
	var out bytes.Buffer
	now := time.Unix(1e9, 0)
	w := &throttle{out: &out, now: func() time.Time { return now }}
	l := log.New(w, "", 0)
	for i := range 1000 {
		l.Printf("handshake %d", i)
	}
	now = now.Add(time.Second)
	l.Print("another")
	now = now.Add(time.Minute)
	l.Print("and another")
	if want := "handshake 0\nanother (and 999 messages before it)\nand another\n"; out.String() != want {
		t.Errorf("the log is\n%s\nwant\n%s", out.String(), want)
	}
	if _, wired := start(t, "127.0.0.1:0", ok, ordinary).http.ErrorLog.Writer().(*throttle); !wired {
		t.Error("a port's own messages come unbounded")
	}
}
