package e2e

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ringtail/ringtail/bench"
	"github.com/ringtail/ringtail/internal/certs/certtest"
	"github.com/ringtail/ringtail/internal/kafkatest"
	"github.com/ringtail/ringtail/wire"
)

const (
	takeovers    = 3
	perVisit     = 20 // records that a visitor sends
	visitorsEach = 16 // at a time
)

// visitors connect, send some records, wait for their acks, and come again.
type visitors struct {
	t       *testing.T
	dial    func() (net.Conn, error)
	stop    chan struct{}
	all     sync.WaitGroup
	visits  atomic.Int64
	records atomic.Int64 // acked

	greeting string // what comes before the records
}

func (v *visitors) come(n int) {
	for range n {
		v.all.Go(func() {
			for {
				select {
				case <-v.stop:
					return
				default:
				}
				if !v.visit() {
					return
				}
			}
		})
	}
}

// visit returns whether all went well.
func (v *visitors) visit() bool {
	nc, err := v.dial()
	if err != nil {
		v.t.Errorf("refused: %v", err)
		return false
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(patience))
	_, _ = io.WriteString(nc, v.greeting) // whether that goes well, the records tell
	for i := range perVisit {
		if _, err := fmt.Fprintf(nc, "{\"number\":%d,\"visitor\":true}\n", i); err != nil {
			v.t.Errorf("a visitor's record is not taken: %v", err)
			return false
		}
	}
	answers := wire.Answers{Framing: wire.Newline}
	for {
		answer, err := answers.Read(nc)
		if err != nil {
			v.t.Errorf("a visitor's connection ends before its acks: %v", err)
			return false
		}
		if answer.Acked == perVisit {
			v.visits.Add(1)
			v.records.Add(perVisit)
			return true
		}
	}
}

// flow waits until so many more have come.
func (v *visitors) flow(s *Server, more int64) {
	v.t.Helper()
	until := v.visits.Load() + more
	s.Await("visitors come and go", func() bool { return v.visits.Load() >= until || v.t.Failed() })
}

// testTakeover: new processes take over from each other under load. Connections that last are served
// to their end by the process that has accepted them; those that come are refused by nobody. All of
// it is in Kafka, once, in order.
func testTakeover(t *testing.T, c *kafkatest.Cluster) {
	topic := newTopic(t, c)
	s := Serve(t, "--brokers", c.Bootstrap(), "--topic", topic, "--ack", "kafka", "--framing", "newline", "--drain-timeout", "60s")
	v := &visitors{t: t, stop: make(chan struct{}), dial: func() (net.Conn, error) { return net.Dial("tcp", strings.TrimPrefix(s.Target, "tcp://")) }}
	v.come(visitorsEach)
	o := bench.Defaults()
	o.Target, o.Ack, o.Rate, o.Records, o.Connections = s.Target, true, 20_000, 1_000_000_000, 50
	last := load(t, o)
	for range takeovers {
		v.flow(s, 50)
		s.TakeOver()
		v.flow(s, 50)
		if sent := last.Acked() + 10_000; !t.Failed() {
			s.Await("connections of before are served", func() bool { return last.Acked() >= sent })
		}
	}
	last.Finish()
	r := last.Wait()
	close(v.stop)
	v.all.Wait()
	s.Await("the old processes end", func() bool { return strings.Count(s.Output(), drained) == takeovers })
	if code := s.cmd.ProcessState; code != nil && code.ExitCode() != 0 {
		t.Errorf("the first process ended with %v", code)
	}
	exit := s.Stop()
	if exit.Code != 0 {
		t.Errorf("exit code %d\n%s", exit.Code, exit.Output)
	}
	if err := r.Err(); err != nil || r.Acked != r.Records {
		t.Fatalf("%d of %d records acked: %v\n%s", r.Acked, r.Records, err, exit.Output)
	}
	verdict := Verify(t, c, topic, last, r.Outcomes)
	if err := verdict.Err(); err != nil || verdict.Foreign != v.records.Load() {
		t.Errorf("%v; %d records of visitors, who have acks for %d\n%s", err, verdict.Foreign, v.records.Load(), exit.Output)
	}
	Report("%d takeovers, %d visits and %d records over connections that lasted: none refused, none lost", takeovers, v.visits.Load(), r.Records)
}

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func dialer(network, address string) func() (net.Conn, error) {
	return func() (net.Conn, error) { return net.Dial(network, address) }
}

// tlsWithTokens are serve's arguments for a TLS listener, and for tokens everywhere, of which s3cret
// is one; and what connects to that listener.
func tlsWithTokens(t *testing.T) (dial func() (net.Conn, error), args []string) {
	t.Helper()
	ca := certtest.NewCA(t)
	cert, key := ca.Files(t, certtest.Leaf{Name: "localhost", Hosts: []string{"localhost"}})
	tokens := filepath.Join(t.TempDir(), "tokens")
	writeFile(t, tokens, "visitor:s3cret\n")
	address := fmt.Sprintf("localhost:%d", kafkatest.ReservePorts(t, 1))
	return func() (net.Conn, error) { return tls.Dial("tcp", address, &tls.Config{RootCAs: ca.Pool()}) },
		[]string{"--listen", "tls://" + address, "--tls-cert", cert, "--tls-key", key, "--token-file", tokens}
}

// TestTakeoverOfEverySocket: TCP, TLS, unix and systemd's sockets, and the admin port, are taken
// over; also by a process whose configuration has changed, and not by one that cannot start.
func TestTakeoverOfEverySocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	activated, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	file, err := activated.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer activated.Close()
	defer file.Close()
	config := filepath.Join(t.TempDir(), "ringtail.yaml")
	write := func(text string) { writeFile(t, config, text) }
	const common = "ack: kafka\nsink: discard\nring-bytes: 5MiB\n"
	write(common)
	encrypted, secured := tlsWithTokens(t)
	s := StartActivated(t, "one", []*os.File{file}, append(secured, "--config", config, "--framing", "newline", "--listen", "unix://"+path+"?mode=0600",
		"--listen", "systemd://one", "--takeover-timeout", "1m")...)
	s.AwaitReady()
	var all []*visitors
	stop := make(chan struct{})
	for _, dial := range []func() (net.Conn, error){dialer("tcp", strings.TrimPrefix(s.Target, "tcp://")), dialer("unix", path), dialer("tcp", activated.Addr().String()), encrypted} {
		all = append(all, &visitors{t: t, stop: stop, dial: dial, greeting: "{\"token\":\"s3cret\"}\n"})
		all[len(all)-1].come(2)
	}
	flow := func() {
		t.Helper()
		for _, v := range all {
			v.flow(s, 20)
		}
	}
	flow()
	s.TakeOver()
	flow()

	write(common + "shards: 0\n") // a mistake
	s.Signal(syscall.SIGUSR2)
	s.Await("the new process ends", func() bool { return strings.Contains(s.Output(), "takeover: the new process has ended") })
	if !strings.Contains(s.Output(), "shards") {
		t.Errorf("why is not said:\n%s", s.Output())
	}
	flow()

	write(common + "shards: 7\n")
	s.TakeOver()
	flow()
	s.Await("the admin port is the new one's", func() bool {
		_, body := s.Get("/status")
		return strings.Contains(body, "\"shards\": \"7\"") && strings.Contains(body, fmt.Sprintf("\"pid\": %d", s.process().Pid))
	})
	close(stop)
	for _, v := range all {
		v.all.Wait()
	}
	s.Await("the old processes end", func() bool { return strings.Count(s.Output(), drained) == 2 })
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("the socket's file went with an old process: %v", err)
	}
	if exit := s.Stop(); exit.Code != 0 {
		t.Errorf("exit code %d\n%s", exit.Code, exit.Output)
	}
	if _, err := os.Lstat(path); err == nil {
		t.Error("the socket's file outlives the last process")
	}
}

// TestTakeoverTimeout: connections that do not end are drained when their time is over, and the ones
// who only asked for it get all of it.
func TestTakeoverTimeout(t *testing.T) {
	s := Serve(t, "--sink", "discard", "--ack", "kafka", "--framing", "newline", "--takeover-timeout", "1s", "--ring-bytes", "5MiB")
	nc, err := net.Dial("tcp", strings.TrimPrefix(s.Target, "tcp://"))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	answers := wire.Answers{Framing: wire.Newline}
	ask := func(record string, want uint64) {
		t.Helper()
		_, _ = io.WriteString(nc, record)
		if answer, err := answers.Read(nc); err != nil || answer.Acked != want {
			t.Fatalf("%+v, %v\n%s", answer, err, s.Output())
		}
	}
	ask("{\"number\":1}\n", 1)
	s.TakeOver()
	ask("{\"number\":2}\n", 2)
	s.Await("the old process ends", func() bool { return strings.Contains(s.Output(), drained) })
	if !strings.Contains(s.Output(), "--takeover-timeout is over") {
		t.Errorf("it said\n%s", s.Output())
	}
	if _, err := answers.Read(nc); err != io.EOF {
		t.Errorf("the connection ends with %v", err)
	}
	s.Stop()
}
