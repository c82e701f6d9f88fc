package target

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ringtail/ringtail/internal/certs/certtest"
	"github.com/ringtail/ringtail/internal/loopback"
)

// answering does something with every connection until the test ends.
func answering(t *testing.T, do func(net.Conn)) (address string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0") // the certificates' address
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			all.Go(func() { do(nc); _ = nc.Close() })
		}
	})
	t.Cleanup(func() { _ = ln.Close(); all.Wait() })
	return ln.Addr().String()
}

// TestCauses: why there is no connection is said in words, and what was seen is wrapped.
func TestCauses(t *testing.T) {
	ca := certtest.NewCA(t)
	serve := func(config *tls.Config) string {
		return answering(t, func(nc net.Conn) { _ = tls.Server(nc, config).HandshakeContext(t.Context()) })
	}
	own := ca.Pair(t, certtest.Leaf{Name: "ringtail"})
	trust := &tls.Config{RootCAs: ca.Pool()}
	nobody, err := net.Listen("tcp", loopback.Any())
	if err != nil {
		t.Fatal(err)
	}
	_ = nobody.Close()
	past, cancel := context.WithDeadline(t.Context(), time.Unix(1, 0))
	defer cancel()
	for what, c := range map[string]struct {
		ctx    context.Context
		target string
		config *tls.Config
		want   string
	}{
		"refused":      {nil, "tcp://" + nobody.Addr().String(), nil, "connection refused: nothing listens there"},
		"no such host": {nil, "tcp://" + strings.Repeat("k", 64) + ".invalid:1", nil, "no such host; check the name"},
		"no socket":    {nil, "unix://" + filepath.Join(t.TempDir(), "s"), nil, "no such socket"},
		"late":         {past, "tcp://" + nobody.Addr().String(), nil, "timed out"},
		"no TLS":       {nil, "tls://" + answering(t, func(nc net.Conn) { _, _ = nc.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")) }), trust, "the TLS handshake failed: no TLS is spoken there"},
		"closes":       {nil, "tls://" + answering(t, func(nc net.Conn) { _, _ = nc.Read(make([]byte, 4096)) }), trust, "the TLS handshake failed: it takes the connection and closes it"},
		"not trusted":  {nil, "tls://" + serve(&tls.Config{Certificates: []tls.Certificate{own}}), nil, "unknown authority; name that in --tls-ca"},
		"other name":   {nil, "tls://" + serve(&tls.Config{Certificates: []tls.Certificate{own}}), &tls.Config{RootCAs: ca.Pool(), ServerName: "other.example"}, "its certificate is for another name"},
		"ours": {nil, "tls://" + serve(&tls.Config{Certificates: []tls.Certificate{own}, ClientAuth: tls.RequireAnyClientCert, MaxVersion: tls.VersionTLS12}), trust,
			"it may want a certificate of ours"},
	} {
		t.Run(what, func(t *testing.T) {
			to, err := Parse("--to", c.target)
			if err != nil {
				t.Fatal(err)
			}
			ctx := c.ctx
			if ctx == nil {
				ctx = t.Context()
			}
			nc, err := to.Dial(ctx, c.config)
			var cause *Cause
			if nc != nil || !errors.As(err, &cause) || !strings.Contains(err.Error(), c.want) || cause.Unwrap() == nil {
				t.Errorf("%v, want %q", err, c.want)
			}
			if what == "refused" && !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("%v is no ECONNREFUSED", err)
			}
		})
	}
}

// TestEnded: a connection that ends with an error ends in words.
func TestEnded(t *testing.T) {
	asks := &tls.Config{ClientAuth: tls.RequireAnyClientCert} // its answer comes behind the handshake
	ca := certtest.NewCA(t)
	asks.Certificates = []tls.Certificate{ca.Pair(t, certtest.Leaf{Name: "ringtail"})}
	to, err := Parse("--to", "tls://"+answering(t, func(nc net.Conn) { _ = tls.Server(nc, asks).HandshakeContext(t.Context()) }))
	if err != nil {
		t.Fatal(err)
	}
	nc, err := to.Dial(t.Context(), &tls.Config{RootCAs: ca.Pool()})
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	_, err = nc.Read(make([]byte, 1))
	if err := Ended(err); err == nil || !strings.Contains(err.Error(), "it wants a certificate of ours") {
		t.Error(err)
	}
	if err := Ended(&net.OpError{Op: "write", Err: syscall.EPIPE}); !errors.Is(err, syscall.EPIPE) || err.Error() != "the server closed the connection; its log says why" {
		t.Error(err)
	}
	if err := Ended(errors.New("client: answer that cannot be")); err.Error() != "answer that cannot be" {
		t.Error(err)
	}
	if Ended(nil) != nil {
		t.Error("nothing is an error")
	}
}
