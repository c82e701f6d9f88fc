package faults

import (
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/ringtail/ringtail/bench"
	"github.com/ringtail/ringtail/internal/certs/certtest"
)

// handshakeLimit is what a handshake may take, and a busy machine on top.
const handshakeLimit = (10 + 5) * time.Second

// tlsStrangers: clients without a certificate, with one that has expired, without TLS, and some that
// stop in the middle of their handshakes come to a tls:// port. They are closed in time, and
// counted; the load, over TLS on the same port, does not notice.
func tlsStrangers(c *Case) {
	ca := certtest.NewCA(c)
	cert, key := ca.Files(c, certtest.Leaf{Name: "ringtail"})
	client := &tls.Config{RootCAs: ca.Pool(), Certificates: []tls.Certificate{ca.Pair(c, certtest.Leaf{Name: "load"})}}
	c.Begin("--listen", "tls://127.0.0.1:0?ack=kafka", "--tls-cert", cert, "--tls-key", key, "--tls-client-ca", ca.File(c))
	target := c.Server.Listening("tls")
	address := strings.TrimPrefix(target, "tls://")
	c.Send(300_000, loadRate, func(o *bench.Options) { o.Target, o.TLS = target, client })
	c.Flows(1000)

	const each = 20
	late := ca.Pair(c, certtest.Leaf{Name: "late", Expired: true})
	strangers := map[string]func(net.Conn) error{
		"no_certificate": func(nc net.Conn) error { return shakeHands(nc, ca) },
		"expired":        func(nc net.Conn) error { return shakeHands(nc, ca, late) },
		"plain":          func(nc net.Conn) error { return sendAll(nc, `{"number":1}`+"\n") },
		"stalled":        func(nc net.Conn) error { return sendAll(nc, "\x16\x03\x01\x02\x00\x01") },
		"silent":         func(net.Conn) error { return nil },
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	slowest, failed := time.Duration(0), error(nil)
	for kind, act := range strangers {
		for range each {
			all.Go(func() {
				begun := time.Now()
				err := visit(address, act)
				mu.Lock()
				defer mu.Unlock()
				if slowest = max(slowest, time.Since(begun)); err != nil {
					failed = fmt.Errorf("%s: %w", kind, err)
				}
			})
		}
	}
	all.Wait()
	if failed != nil || slowest > handshakeLimit {
		c.Fatalf("a stranger was closed after %v only, or not: %v", slowest, failed)
	}
	refused := c.Server.Metrics().With("connections_refused_total", "reason", "tls_handshake")
	if want := int64(each * len(strangers)); refused != want {
		c.Fatalf("%d refused, want %d", refused, want)
	}
	c.Proved("refused", refused)
	c.Proved("slowest_ms", slowest.Milliseconds())
	c.Standard()
}

// visit connects, acts, and waits until the server has closed the connection.
func visit(address string, act func(net.Conn) error) error {
	nc, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(2 * handshakeLimit))
	if err := act(nc); err != nil {
		return err
	}
	for err == nil {
		_, err = nc.Read(make([]byte, 100))
	}
	if e, ok := err.(net.Error); ok && e.Timeout() {
		return fmt.Errorf("not closed: %w", err)
	}
	return nil
}

func sendAll(nc net.Conn, text string) error {
	_, err := nc.Write([]byte(text))
	return err
}

// shakeHands expects that the server does not want to.
func shakeHands(nc net.Conn, ca *certtest.CA, pairs ...tls.Certificate) error {
	client := tls.Client(nc, &tls.Config{RootCAs: ca.Pool(), ServerName: "127.0.0.1", Certificates: pairs})
	err := client.Handshake()
	if err == nil { // TLS 1.3's client is done before the server has judged
		_, err = client.Read(make([]byte, 1))
	}
	if err == nil {
		return fmt.Errorf("let in")
	}
	return nil
}
