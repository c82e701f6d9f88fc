package e2e

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringtail/ringtail/bench"
	"github.com/ringtail/ringtail/internal/certs/certtest"
	"github.com/ringtail/ringtail/internal/kafkatest"
)

// tlsSite is a server with a TLS port that wants client certificates, and what its clients need.
type tlsSite struct {
	*Server
	cluster               *kafkatest.Cluster
	topic                 string
	ca                    *certtest.CA
	caFile, certFile, key string
	host, port, target    string
}

func startTLS(t *testing.T, c *kafkatest.Cluster, args ...string) *tlsSite {
	t.Helper()
	s := &tlsSite{cluster: c, topic: newTopic(t, c), ca: certtest.NewCA(t)}
	cert, key := s.ca.Files(t, certtest.Leaf{Name: "ringtail", Hosts: []string{"ringtail.test"}})
	s.caFile = s.ca.File(t)
	s.certFile, s.key = s.ca.Files(t, certtest.Leaf{Name: "ada"})
	s.Server = Serve(t, append([]string{
		"--brokers", c.Bootstrap(), "--topic", s.topic, "--listen", "tls://127.0.0.1:0",
		"--tls-cert", cert, "--tls-key", key, "--tls-client-ca", s.caFile,
		"--header", "client=name",
	}, args...)...)
	s.target = s.Listening("tls")
	s.host, s.port, _ = net.SplitHostPort(strings.TrimPrefix(s.target, "tls://"))
	return s
}

// arrived waits until Kafka has so many records, and checks that they are the first numbers, and
// whose they are.
func (s *tlsSite) arrived(t *testing.T, n int) {
	t.Helper()
	s.Await(fmt.Sprintf("%d records in Kafka", n), func() bool { return s.Metrics().Sum("records_delivered_total") >= int64(n) })
	seen := map[string]int{}
	back := bench.Readback{Options: s.cluster.ClientOptions(), Topic: s.topic}
	if err := back.Each(t.Context(), map[int32]int64{}, func(r *kgo.Record) {
		seen[string(r.Value)]++
		if len(r.Headers) != 1 || r.Headers[0].Key != "client" || string(r.Headers[0].Value) != "ada" {
			t.Errorf("%s has the headers %q", r.Value, r.Headers)
		}
	}); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if seen[numbered(i)] != 1 {
			t.Fatalf("%s is in Kafka %d times; %d records in all\n%s", numbered(i), seen[numbered(i)], len(seen), s.Output())
		}
	}
}

func numbered(i int) string { return fmt.Sprintf(`{"number":%d}`, i) }

func numbers(from, to int) string {
	var b strings.Builder
	for i := from; i < to; i++ {
		b.WriteString(numbered(i) + "\n")
	}
	return b.String()
}

// testTLS: Go's, Python's and OpenSSL's clients send to a tls:// port, in both versions of TLS, and
// end as they do: with close_notify or without.
func testTLS(t *testing.T, c *kafkatest.Cluster) {
	s := startTLS(t, c)
	sent := 0
	next := func(n int) string {
		text := numbers(sent, sent+n)
		sent += n
		return text
	}
	t.Run("Python", func(t *testing.T) {
		for _, end := range []string{"s.unwrap()", "s.close()", "s.shutdown(socket.SHUT_RDWR)"} {
			python := fmt.Sprintf(`
import socket, ssl, sys
c = ssl.create_default_context(cafile=%q)
c.load_cert_chain(%q, %q)
s = c.wrap_socket(socket.create_connection((%q, %s)), server_hostname="ringtail.test")
s.sendall(sys.stdin.buffer.read())
%s
`, s.caFile, s.certFile, s.key, s.host, s.port, end)
			pipe(t, next(500), "python3", "-c", python)
			s.arrived(t, sent)
		}
	})
	openssl := []string{
		"s_client", "-connect", s.host + ":" + s.port, "-servername", "ringtail.test", "-CAfile", s.caFile,
		"-cert", s.certFile, "-key", s.key, "-verify_return_error", "-alpn", "h2",
	}
	for _, version := range []string{"-tls1_2", "-tls1_3"} {
		t.Run("OpenSSL "+version, func(t *testing.T) {
			pipe(t, next(500), "openssl", append(openssl, version, "-quiet", "-no_ign_eof")...)
			s.arrived(t, sent)
		})
	}
	t.Run("OpenSSL changes keys", func(t *testing.T) {
		client := interactive(t, "openssl", append(openssl, "-tls1_3")...)
		for range 3 {
			client.say(t, next(20))
			s.arrived(t, sent)
			before := client.said("KEYUPDATE")
			client.say(t, "K\n")
			s.Await("its keys changed", func() bool { return client.said("KEYUPDATE") > before })
		}
		client.say(t, next(20))
		s.arrived(t, sent)
	})
	t.Run("OpenSSL without a certificate", func(t *testing.T) {
		refused := s.Metrics().With("connections_refused_total", "reason", "tls_handshake")
		cmd := exec.Command("openssl", "s_client", "-connect", s.host+":"+s.port, "-CAfile", s.caFile, "-quiet", "-no_ign_eof")
		cmd.Stdin = strings.NewReader(numbered(0) + "\n")
		_ = cmd.Run() // it may be done before it is told
		s.Await("refused", func() bool {
			return s.Metrics().With("connections_refused_total", "reason", "tls_handshake") == refused+1
		})
	})
	s.Stop().Ledger(t)
}

// testTLSTools: the tools that come with Ringtail, over TLS and with acks: what they sent is checked.
func testTLSTools(t *testing.T, c *kafkatest.Cluster) {
	s := startTLS(t, c, "--ack", "kafka")
	pair, err := tls.LoadX509KeyPair(s.certFile, s.key)
	if err != nil {
		t.Fatal(err)
	}
	o := bench.Defaults()
	o.Target, o.Records, o.Connections, o.Ack = s.target, 50_000, 8, true
	o.TLS = &tls.Config{RootCAs: s.ca.Pool(), Certificates: []tls.Certificate{pair}}
	l := load(t, o)
	r := l.Wait()
	if err := r.Err(); err != nil || r.Acked != r.Records {
		t.Fatalf("%d of %d acked: %v\n%s", r.Acked, r.Records, err, s.Output())
	}
	v := Verify(t, c, s.topic, l, r.Outcomes)
	if err := v.Err(); err != nil {
		t.Error(err)
	}
	flags := []string{"--tls-ca", s.caFile, "--tls-cert", s.certFile, "--tls-key", s.key}
	code, out := Command(t, append([]string{"bench", "--target", s.target, "--records", "1000", "--ack"}, flags...)...)
	if code != 0 {
		t.Errorf("bench: %d\n%s", code, out)
	}
	code, out = Command(t, append([]string{"produce", "--to", s.target, "--generate", "numbers", "--count", "1000", "--ack"}, flags...)...)
	if code != 0 || !strings.Contains(out, "all 1000 are acked") {
		t.Errorf("produce: %d\n%s", code, out)
	}
	code, out = Command(t, "produce", "--to", s.target, "--generate", "numbers", "--count", "1", "--tls-ca", s.caFile)
	if code == 0 {
		t.Errorf("produce without a certificate is let in:\n%s", out)
	}
	s.Stop().Ledger(t)
}

// pipe runs a program with this input to its end.
func pipe(t *testing.T, input, program string, args ...string) {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Stdin = strings.NewReader(input)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", program, err, out)
	}
}

// typed is a program that is typed into.
type typed struct {
	in  interface{ Write([]byte) (int, error) }
	mu  sync.Mutex
	out bytes.Buffer
}

func (c *typed) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.out.Write(p)
}

func (c *typed) said(what string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.Count(c.out.String(), what)
}

func (c *typed) say(t *testing.T, text string) {
	t.Helper()
	if _, err := c.in.Write([]byte(text)); err != nil {
		t.Fatalf("%v\n%s", err, &c.out)
	}
}

func interactive(t *testing.T, program string, args ...string) *typed {
	t.Helper()
	c := &typed{}
	cmd := exec.Command(program, args...)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.in, cmd.Stdout, cmd.Stderr = in, c, c
	if err := kafkatest.Spawn(cmd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return c
}
