package certs

import (
	"bytes"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ringtail/ringtail/internal/certs/certtest"
	"github.com/ringtail/ringtail/internal/loopback"
)

func open(t *testing.T, f Files) (*Store, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	s, err := Open(f, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	return s, &log
}

// greet shakes hands with a server that has the store, and returns what the client saw of it.
func greet(t *testing.T, s *Store, client *tls.Config) (tls.ConnectionState, error) {
	t.Helper()
	ours, theirs := sockets(t)
	deadline := time.Now().Add(time.Minute)
	_, _ = ours.SetDeadline(deadline), theirs.SetDeadline(deadline)
	server := tls.Server(ours, s.Config())
	failed := make(chan error, 1)
	go func() {
		defer ours.Close()
		err := server.Handshake()
		if err == nil {
			_, err = server.Write([]byte("hello"))
		}
		failed <- err
	}()
	c := tls.Client(theirs, client)
	defer theirs.Close()
	_, err := c.Read(make([]byte, 5)) // a session's ticket comes first
	state := c.ConnectionState()
	_ = theirs.Close()
	return state, errors.Join(err, <-failed)
}

// sockets are the two ends of a connection.
func sockets(t *testing.T) (ours, theirs net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", loopback.Any())
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if theirs, err = net.Dial("tcp", ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if ours, err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	return ours, theirs
}

// Clients get the certificate of the name that they ask for, else the first.
func TestServerNames(t *testing.T) {
	ca := certtest.NewCA(t)
	var f Files
	for _, l := range []certtest.Leaf{{Name: "first", Hosts: []string{"a.test"}}, {Name: "second", Hosts: []string{"b.test", "*.c.test"}}} {
		cert, key := ca.Files(t, l)
		f.Certs, f.Keys = append(f.Certs, cert), append(f.Keys, key)
	}
	s, _ := open(t, f)
	for name, want := range map[string]string{"a.test": "first", "b.test": "second", "x.c.test": "second", "other.test": "first", "": "first"} {
		state, err := greet(t, s, &tls.Config{ServerName: name, InsecureSkipVerify: true, NextProtos: []string{"h2"}}) // ALPN does no harm
		if err != nil || state.PeerCertificates[0].Subject.CommonName != want {
			t.Errorf("%q: %v, want %s", name, err, want)
		}
	}
	if _, err := greet(t, s, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}); err == nil {
		t.Error("TLS 1.1 is spoken")
	}
}

// With --tls-client-ca nobody gets in without a certificate that it has signed.
func TestClientCA(t *testing.T) {
	ca, other := certtest.NewCA(t), certtest.NewCA(t)
	cert, key := ca.Files(t, certtest.Leaf{Name: "server"})
	s, _ := open(t, Files{Certs: []string{cert}, Keys: []string{key}, ClientCA: ca.File(t)})
	client := &tls.Config{RootCAs: ca.Pool(), ServerName: "127.0.0.1"}
	for what, c := range map[string]struct {
		pairs []tls.Certificate
		ok    bool
	}{
		"none":          {nil, false},
		"another's":     {[]tls.Certificate{other.Pair(t, certtest.Leaf{Name: "client"})}, false},
		"an expired":    {[]tls.Certificate{ca.Pair(t, certtest.Leaf{Name: "client", Expired: true})}, false},
		"the right one": {[]tls.Certificate{ca.Pair(t, certtest.Leaf{Name: "client"})}, true},
	} {
		mine := client.Clone()
		mine.Certificates = c.pairs
		if _, err := greet(t, s, mine); (err == nil) != c.ok {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// A change is taken when it stands still; what is broken is said once, and leaves the old in use;
// sessions are resumed across it.
func TestRotation(t *testing.T) {
	ca := certtest.NewCA(t)
	cert, key := ca.Files(t, certtest.Leaf{Name: "old"})
	s, log := open(t, Files{Certs: []string{cert}, Keys: []string{key}})
	client := &tls.Config{RootCAs: ca.Pool(), ServerName: "127.0.0.1", ClientSessionCache: tls.NewLRUClientSessionCache(1)}
	presented := func(want string, resumed bool) {
		t.Helper()
		s.Look()
		s.Look()
		mine := client
		if !resumed {
			mine = client.Clone()
			mine.ClientSessionCache = nil
		}
		state, err := greet(t, s, mine)
		if err != nil || state.PeerCertificates[0].Subject.CommonName != want || state.DidResume != resumed {
			t.Fatalf("%v, resumed %v: %v, want %s", err, state.DidResume, state.PeerCertificates, want)
		}
	}
	if _, err := greet(t, s, client); err != nil {
		t.Fatal(err)
	}
	presented("old", true)
	newCert, newKey := ca.Issue(t, certtest.Leaf{Name: "new"})
	certtest.Write(t, cert, newCert) // the key is another's
	s.Look()
	if log.Len() > 0 {
		t.Errorf("judged while it is written: %s", log)
	}
	for range 5 {
		presented("old", false)
	}
	if n := strings.Count(log.String(), "level=ERROR"); n != 1 || !strings.Contains(log.String(), "--tls-key "+key) {
		t.Errorf("said %d times, want once, with the flag: %s", n, log)
	}
	certtest.Write(t, key, newKey)
	presented("new", false)
	presented("old", true) // whose certificate the client remembers
	if !strings.Contains(log.String(), "level=INFO") {
		t.Errorf("nothing said: %s", log)
	}
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	presented("new", false)
	presented("new", false)
	if n := strings.Count(log.String(), "level=ERROR"); n != 2 {
		t.Errorf("said %d times, want once more: %s", n, log)
	}
}

// A client CA that is taken away counts for sessions that would be resumed, too.
func TestClientCAIsTakenAway(t *testing.T) {
	ca, other := certtest.NewCA(t), certtest.NewCA(t)
	cert, key := ca.Files(t, certtest.Leaf{Name: "server"})
	trusted := ca.File(t)
	s, _ := open(t, Files{Certs: []string{cert}, Keys: []string{key}, ClientCA: trusted})
	client := &tls.Config{
		RootCAs: ca.Pool(), ServerName: "127.0.0.1", ClientSessionCache: tls.NewLRUClientSessionCache(1),
		Certificates: []tls.Certificate{ca.Pair(t, certtest.Leaf{Name: "client"})},
	}
	for _, resumed := range []bool{false, true} {
		if state, err := greet(t, s, client); err != nil || state.DidResume != resumed {
			t.Fatalf("%v, resumed %v", err, state.DidResume)
		}
	}
	certtest.Write(t, trusted, other.PEM)
	s.Look()
	s.Look()
	if _, err := greet(t, s, client); err == nil {
		t.Error("still let in")
	}
}

// The metric says when certificates expire. Start only warns of one that has.
func TestExpiry(t *testing.T) {
	ca := certtest.NewCA(t)
	var f Files
	for _, l := range []certtest.Leaf{{Name: "late"}, {Name: "late", Expired: true}, {}} {
		cert, key := ca.Files(t, l)
		f.Certs, f.Keys = append(f.Certs, cert), append(f.Keys, key)
	}
	s, log := open(t, f)
	if !strings.Contains(log.String(), "expired") || !strings.Contains(log.String(), f.Certs[1]) {
		t.Errorf("not warned: %s", log)
	}
	reg := prometheus.NewPedanticRegistry()
	if err := reg.Register(s); err != nil {
		t.Fatal(err)
	}
	families, err := reg.Gather()
	if err != nil || len(families) != 1 || len(families[0].Metric) != 2 {
		t.Fatalf("%v, %v", families, err)
	}
	for _, m := range families[0].Metric {
		label, expired := m.Label[0].GetValue(), m.Gauge.GetValue() < float64(time.Now().Unix())
		if want := map[string]bool{"late": true, "cert.pem": false}; want[label] != expired {
			t.Errorf("%s: expired %v", label, expired)
		}
	}
}

// What is wrong with the files is said with the flag.
func TestFilesThatDoNotFit(t *testing.T) {
	ca := certtest.NewCA(t)
	cert, key := ca.Files(t, certtest.Leaf{Name: "a"})
	_, otherKey := ca.Files(t, certtest.Leaf{Name: "b"})
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		certtest.Write(t, path, []byte(text))
		return path
	}
	empty := file("empty", "")
	locked := file("locked", "-----BEGIN ENCRYPTED PRIVATE KEY-----\n")
	broken := file("broken", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
	for want, f := range map[string]Files{
		"--tls-cert is missing":             {Keys: []string{key}},
		"--tls-key is given 2 times":        {Certs: []string{cert}, Keys: []string{key, key}},
		"--tls-cert: open /nowhere":         {Certs: []string{"/nowhere"}},
		"--tls-key: open /nowhere":          {Certs: []string{cert}, Keys: []string{"/nowhere"}},
		"--tls-client-ca: open /nowhere":    {Certs: []string{cert}, Keys: []string{key}, ClientCA: "/nowhere"},
		"--tls-cert " + empty:               {Certs: []string{empty}, Keys: []string{key}},
		"--tls-key " + empty:                {Certs: []string{cert}, Keys: []string{empty}},
		"--tls-key " + locked:               {Certs: []string{cert}, Keys: []string{locked}},
		"--tls-key is missing; " + cert:     {Certs: []string{cert}},
		"--tls-key " + otherKey:             {Certs: []string{cert}, Keys: []string{otherKey}},
		"--tls-client-ca " + empty:          {Certs: []string{cert}, Keys: []string{key}, ClientCA: empty},
		"--tls-client-ca " + broken:         {Certs: []string{cert}, Keys: []string{key}, ClientCA: broken},
		"--tls-cert " + broken + ", --tls-": {Certs: []string{broken}, Keys: []string{key}},
		"--admin-tls-key is missing; ":      {Flags: "--admin-tls-", Certs: []string{cert}},
	} {
		if _, err := Open(f, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	c, k := ca.Issue(t, certtest.Leaf{Name: "both"})
	both := file("both", string(k)+string(c))
	s, _ := open(t, Files{Certs: []string{both}})
	if _, err := greet(t, s, &tls.Config{RootCAs: ca.Pool(), ServerName: "127.0.0.1"}); err != nil {
		t.Errorf("key and certificate in one file: %v", err)
	}
}

// The client's side.
func TestClientFiles(t *testing.T) {
	ca := certtest.NewCA(t)
	cert, key := ca.Files(t, certtest.Leaf{Name: "server"})
	s, _ := open(t, Files{Certs: []string{cert}, Keys: []string{key}, ClientCA: ca.File(t)})
	c, err := ClientFiles{CA: ca.File(t), Cert: cert, Key: key}.Config()
	if err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(t.TempDir(), "empty")
	certtest.Write(t, empty, nil)
	c.ServerName = "127.0.0.1"
	if _, err := greet(t, s, c); err != nil {
		t.Error(err)
	}
	for want, f := range map[string]ClientFiles{
		"--tls-ca: open":       {CA: "/nowhere"},
		"--tls-ca " + key:      {CA: key},
		"without --tls-cert":   {Key: key},
		"--tls-key is missing": {Cert: cert},
		"--tls-cert: open":     {Cert: "/nowhere"},
		"--tls-ca " + empty:    {CA: empty},
	} {
		if _, err := f.Config(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
