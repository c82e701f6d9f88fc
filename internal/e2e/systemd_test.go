package e2e

import (
	"crypto/tls"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/ringtail/ringtail/internal/certs/certtest"
	"github.com/ringtail/ringtail/internal/loopback"
	"github.com/ringtail/ringtail/wire"
)

// TestSocketActivation: the sockets are systemd's, here the test's. While a server stops, is away
// and starts again, nobody is refused, over TCP, TLS or a unix socket, and whoever sends gets its acks.
func TestSocketActivation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	cert, key := certtest.NewCA(t).Files(t, certtest.Leaf{})
	var sockets []*os.File
	var addresses []net.Addr
	for _, a := range [][2]string{{"tcp", loopback.Any()}, {"unix", path}, {"tcp", loopback.Any()}} {
		network, address := a[0], a[1]
		ln, err := net.Listen(network, address)
		if err != nil {
			t.Fatal(err)
		}
		file, err := ln.(interface{ File() (*os.File, error) }).File()
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		defer file.Close()
		addresses, sockets = append(addresses, ln.Addr()), append(sockets, file)
	}
	serve := func() *Server {
		t.Helper()
		s := StartActivated(t, "one:two:three", sockets, "--sink", "discard", "--ack", "kafka", "--tls-cert", cert, "--tls-key", key,
			"--listen", "systemd://?framing=newline", "--listen", "systemd://two?framing=newline", "--listen", "systemd://three?tls=on&framing=newline")
		s.AwaitReady()
		return s
	}
	s := serve()
	var acked, tries atomic.Int64
	stop := make(chan struct{})
	var clients sync.WaitGroup
	for i, a := range addresses {
		dial := func() (net.Conn, error) { return net.Dial(a.Network(), a.String()) }
		clients.Go(func() { comeAgain(t, dial, i == 2, stop, &acked, &tries) })
	}
	flows := func() {
		t.Helper()
		until := acked.Load() + 200
		s.Await("records are acked", func() bool { return acked.Load() >= until })
	}
	flows()
	for range 3 {
		s.Stop().Ledger(t)
		waiting := tries.Load() // who comes now waits in the backlog
		s = serve()
		flows()
		t.Logf("%d tries by %d records", waiting, acked.Load())
	}
	close(stop)
	clients.Wait()
	exit := s.Stop()
	exit.Ledger(t)
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("the unix socket, which is not the server's, is gone: %v", err)
	}
	if exit = StartActivated(t, "one:two:three", sockets, "--sink", "discard", "--listen", "systemd://four").Wait(); exit.Code == 0 ||
		!strings.Contains(exit.Output, "one, two, three") {
		t.Errorf("a name that systemd has not passed: exit code %d, %s", exit.Code, exit.Output)
	}
	if exit = Start(t, "--sink", "discard", "--listen", "systemd://").Wait(); exit.Code == 0 || !strings.Contains(exit.Output, "no socket") {
		t.Errorf("without systemd: exit code %d, %s", exit.Code, exit.Output)
	}
}

// comeAgain sends a record over a new connection, again and again. None may be refused. One that
// the server ends, since it stops and nothing has come yet, tries again.
func comeAgain(t *testing.T, dial func() (net.Conn, error), secure bool, stop <-chan struct{}, acked, tries *atomic.Int64) {
	for {
		select {
		case <-stop:
			return
		default:
		}
		tries.Add(1)
		nc, err := dial()
		if err != nil {
			t.Errorf("refused: %v", err)
			return
		}
		if secure {
			nc = tls.Client(nc, &tls.Config{InsecureSkipVerify: true}) // the certificate is not what this is about
		}
		_, _ = io.WriteString(nc, `{"number":1}`+"\n")
		answers := wire.Answers{Framing: wire.Newline}
		if answer, err := answers.Read(nc); err == nil && answer.Acked == 1 {
			acked.Add(1)
		}
		_ = nc.Close()
	}
}
