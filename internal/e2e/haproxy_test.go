package e2e

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringtail/ringtail/bench"
	"github.com/ringtail/ringtail/internal/certs/certtest"
	"github.com/ringtail/ringtail/internal/kafkatest"
	"github.com/ringtail/ringtail/wire"
)

// Ways to a server with an HAProxy in between, beside those of the guide. Checks come often.
const haproxyWays = `
frontend v1
  bind 127.0.0.1:PORT_V1
  default_backend v1
backend v1
  server s 127.0.0.1:8889 send-proxy check inter 50ms

frontend v2
  bind 127.0.0.1:PORT_V2
  default_backend v2
backend v2
  server s 127.0.0.1:8889 send-proxy-v2 check check-send-proxy inter 50ms

frontend v2-ssl
  bind 127.0.0.1:PORT_TLS ssl crt CERTIFICATE alpn h2
  default_backend v2-ssl
backend v2-ssl
  server s 127.0.0.1:8889 send-proxy-v2-ssl-cn proxy-v2-options ssl,cert-cn,unique-id,authority,crc32c check inter 50ms

backend plain
  server s 127.0.0.1:PORT_PLAIN check inter 50ms
`

// testHAProxy: with a real HAProxy before it the server knows clients by their own addresses,
// whatever version of the header is spoken, and whether TLS ends there or here; and HAProxy's checks, with the
// header or without it, find the server up, and are neither refused, nor errors, nor logged.
func testHAProxy(t *testing.T, c *kafkatest.Cluster) {
	topic := newTopic(t, c)
	dead := topic + "-dead"
	c.CreateTopic(dead, 1, 1, nil)
	ca := certtest.NewCA(t)
	cert, key := ca.Files(t, certtest.Leaf{Name: "ringtail"})
	base := kafkatest.ReservePorts(t, 8)
	port := func(i int) string { return fmt.Sprint(base + i) }
	s := Serve(t, "--brokers", c.Bootstrap(), "--topic", topic, "--dead-letter-topic", dead, "--ack", "kafka", "--framing", "newline",
		"--listen", "tcp://127.0.0.1:"+port(0)+"?proxy-protocol=on", "--proxy-from", "127.0.0.1",
		"--listen", "tls://127.0.0.1:"+port(6)+"?proxy-protocol=on", "--tls-cert", cert, "--tls-key", key)
	_, plain, _ := strings.Cut(strings.TrimPrefix(s.Target, "tcp://"), ":")
	h := StartHAProxy(t, strings.NewReplacer("127.0.0.1:8889", "127.0.0.1:"+port(0), ":8888", "127.0.0.1:"+port(1), ":8443", "127.0.0.1:"+port(2),
		"127.0.0.1:8899", "127.0.0.1:"+port(6), ":8444", "127.0.0.1:"+port(7),
		"/etc/haproxy/ringtail.pem", kafkatest.CommonNameOnly(t, "localhost"), "CERTIFICATE", kafkatest.CommonNameOnly(t, "localhost"),
		"PORT_V1", port(3), "PORT_V2", port(4), "PORT_TLS", port(5), "PORT_PLAIN", plain).Replace(DocumentBlock(t, "docs/GUIDE.md", "haproxy")+haproxyWays))

	anyCertificate := &tls.Config{InsecureSkipVerify: true} // HAProxy's is not what this is about
	trusted := &tls.Config{RootCAs: ca.Pool(), ServerName: "127.0.0.1"}
	want := map[string]bool{}
	for i, way := range []struct {
		name string
		port string
		tls  *tls.Config
	}{
		{"guide", port(1), nil}, {"guide, TLS ends at HAProxy", port(2), anyCertificate}, {"guide, TLS ends at the server", port(7), trusted},
		{"v1", port(3), nil}, {"v2", port(4), nil}, {"v2, TLS and TLVs", port(5), anyCertificate},
	} {
		remote := viaHAProxy(t, fmt.Sprintf("127.77.0.%d", i+1), "127.0.0.1:"+way.port, way.tls)
		t.Logf("%s: from %s", way.name, remote)
		want[remote] = true
	}
	back := bench.Readback{Options: c.ClientOptions(), Topic: dead}
	if err := back.Each(context.Background(), map[int32]int64{}, func(r *kgo.Record) {
		for _, header := range r.Headers {
			if remote := string(header.Value); header.Key == "remote" && !want[remote] {
				t.Errorf("a dead letter is said to be from %s", remote)
			} else if header.Key == "remote" {
				delete(want, remote)
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
	if len(want) > 0 {
		t.Errorf("no dead letter is from %v", want)
	}
	checkHealthChecks(t, s, h)
}

// viaHAProxy sends a record and something that is none, from an address of loopback, and waits for
// their acks. It returns the address with its port.
func viaHAProxy(t *testing.T, from, to string, secure *tls.Config) string {
	t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	var nc net.Conn
	nc, err := dialer.Dial("tcp", to)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	remote := nc.LocalAddr().String()
	if secure != nil {
		nc = tls.Client(nc, secure)
	}
	if _, err := io.WriteString(nc, `{"number":1}`+"\nnone\n"); err != nil {
		t.Fatal(err)
	}
	answers := wire.Answers{Framing: wire.Newline}
	for acked := uint64(0); acked < 2; {
		answer, err := answers.Read(nc)
		if err != nil {
			t.Fatalf("via %s: %v", to, err)
		}
		acked = max(acked, answer.Acked)
	}
	return remote
}

func checkHealthChecks(t *testing.T, s *Server, h *HAProxy) {
	t.Helper()
	const many = 100
	before := s.Metrics().With("connections_closed_total", "reason", "client")
	s.Await("health checks come and go", func() bool {
		return s.Metrics().With("connections_closed_total", "reason", "client") > before+many
	})
	states := h.Servers()
	for name, state := range states {
		if !strings.HasPrefix(state, "UP") {
			t.Errorf("HAProxy says that %s is %s", name, state)
		}
	}
	if len(states) != 6 {
		t.Errorf("HAProxy has the servers %v", states)
	}
	m := s.Metrics()
	if n := m.Sum("connections_refused_total"); n != 0 {
		t.Errorf("%d connections refused", n)
	}
	for _, reason := range []string{"reset", "error", "foreign", "bad_stream"} {
		if n := m.With("connections_closed_total", "reason", reason); n != 0 {
			t.Errorf("%d connections closed for %s", n, reason)
		}
	}
	exit := s.Stop()
	exit.Ledger(t)
	for line := range strings.Lines(exit.Output) {
		if strings.Contains(line, "connection refused") || strings.Contains(line, "connection closed") || strings.Contains(line, "cannot be accepted") {
			t.Errorf("logged: %s", line)
		}
	}
}
