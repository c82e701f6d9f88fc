package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	broker "github.com/ringtail/ringtail/internal/embedded"
	"github.com/ringtail/ringtail/internal/kafkatest"
)

// send writes bytes to a server as one client that then half-closes, and returns
// what the server said until it closed.
func send(t testing.TB, listen, text string) string {
	t.Helper()
	network, address, _ := strings.Cut(listen, "://")
	c, err := net.Dial(network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	if err := c.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(answer)
}

// get asks the admin port.
func get(t testing.TB, url string) (int, string) {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(body)
}

func TestServeEmbedded(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	s := embedded(t, "--listen", "unix://"+socket+"?framing=json", "--ack", "kafka", "--dead-letter-topic", "dead", "--key-field", "user", "--log-format", "json")
	answer := send(t, s.listen[0], "{\"number\":17,\"user\":\"ada\"}\n{\"number\":}\n{\"number\":\"-7\"}\n")
	if !strings.Contains(answer, `{"rejected":2,"reason":"bad_json"}`) || !strings.HasSuffix(answer, "{\"acked\":3}\n") {
		t.Errorf("the answer is %q", answer)
	}
	if answer = send(t, s.listen[1], ` {"number": 20} {"number": 30}`); !strings.HasSuffix(answer, "{\"acked\":2}\n") {
		t.Errorf("over the unix socket the answer is %q", answer)
	}
	out := must(t, "consume", "--brokers", s.brokers, "--topic", "records", "--from", "beginning", "--until-end")
	for _, want := range []string{
		"records:7:0: key=ada value={\"number\":17,\"user\":\"ada\"}\n", "records:3:0: key= value={\"number\":\"-7\"}\n",
		"records:0:0: key= value={\"number\": 20}\nrecords:0:1: key= value={\"number\": 30}\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in %q", want, out)
		}
	}
	deadLetter := must(t, "consume", "--brokers", s.brokers, "--topic", "dead", "--from", "beginning", "--until-end", "--format", "json")
	if !strings.Contains(deadLetter, `"value":"{\"number\":}"`) || !strings.Contains(deadLetter, `"reason":"bad_json"`) {
		t.Errorf("the dead letter is %q", deadLetter)
	}
	if !strings.Contains(s.err.String(), "nothing survives") {
		t.Errorf("the embedded broker does not say what it is: %s", s.err.String())
	}
	checkAdmin(t, s)
	if code := s.terminate(); code != 0 {
		t.Errorf("exit %d: %s", code, s.err.String())
	}
	if got, want := s.drained(), "drained received=5 recovered=0 delivered=4 rejected=1 dead_lettered=1 kept=0 lost=0"; got != want {
		t.Errorf("the last line is %q, want %q", got, want)
	}
	for _, line := range s.err.lines()[:len(s.err.lines())-1] {
		if !json.Valid([]byte(line)) {
			t.Errorf("with --log-format json a line is %q", line)
		}
	}
}

func checkAdmin(t *testing.T, s *server) {
	t.Helper()
	for path, want := range map[string]string{
		"/healthz": "ok", "/readyz": "ready", "/": "<title>Ringtail</title>",
		"/metrics": `ringtail_records_delivered_total{shard="7"} 1`,
		"/status":  `"delivered": 4`,
	} {
		if code, body := get(t, s.admin+path); code != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%s: %d, %q is not in\n%s", path, code, want, body)
		}
	}
	for _, name := range []string{
		"records_received_total", "records_rejected_total", "records_dead_lettered_total", "bytes_received_total", "connections",
		"connections_opened_total", "connections_refused_total", "connections_closed_total", "ring_used_bytes", "ring_capacity_bytes",
		"backpressure_seconds_total", "delivery_seconds_bucket", "producer_rebuilds_total", "possible_duplicates_total",
		"kafka_request_seconds_count", "kafka_retries_total", "build_info",
	} {
		if _, body := get(t, s.admin+"/metrics"); !strings.Contains(body, "\nringtail_"+name) {
			t.Errorf("no metric ringtail_%s", name)
		}
	}
	if code, _ := get(t, s.admin+"/debug/pprof/"); code != http.StatusNotFound {
		t.Errorf("pprof answers %d without --pprof", code)
	}
}

func TestServeDiscard(t *testing.T) {
	s := serve(t, "--sink", "discard", "--ack", "kafka", "--ring-bytes", "5MiB")
	if s.brokers != "" {
		t.Errorf("discard has brokers %s", s.brokers)
	}
	must(t, "produce", "--to", s.listen[0], "--generate", "numbers", "--count", "5000", "--ack", "--framing", "length")
	if code := s.terminate(); code != 0 {
		t.Errorf("exit %d: %s", code, s.err.String())
	}
	if got, want := s.drained(), "drained received=5000 recovered=0 delivered=5000 rejected=0 dead_lettered=0 kept=0 lost=0"; got != want {
		t.Errorf("the last line is %q, want %q", got, want)
	}
}

// closedPort is an address where nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()
	return fmt.Sprint("127.0.0.1:", kafkatest.ReservePorts(t, 1))
}

func TestServeWithoutKafka(t *testing.T) {
	nobody, admin := closedPort(t), closedPort(t)
	c := start(t, "", "serve", "--brokers", nobody, "--listen", "tcp://127.0.0.1:0", "--admin", admin, "--start-timeout", "20s")
	until(t, "the admin port says why it is not ready", func() bool {
		r, err := http.Get("http://" + admin + "/readyz")
		if err != nil {
			return false
		}
		defer func() { _ = r.Body.Close() }()
		body, _ := io.ReadAll(r.Body)
		return r.StatusCode == http.StatusServiceUnavailable && strings.Contains(string(body), "kafka")
	})
	if code := c.wait(); code != exitFailed {
		t.Errorf("exit %d, want 1", code)
	}
	last := c.err.lines()[len(c.err.lines())-1]
	if !strings.Contains(last, nobody) || !strings.Contains(last, "--start-timeout 20s") || c.out.String() != "" {
		t.Errorf("the last line is %q, on standard output is %q", last, c.out.String())
	}
}

// TestKafkaComesLater: serving begins when there is a broker.
func TestKafkaComesLater(t *testing.T) {
	address := closedPort(t)
	_, port, _ := net.SplitHostPort(address)
	admin := closedPort(t)
	c := start(t, "", "serve", "--brokers", address, "--listen", "tcp://127.0.0.1:0", "--admin", admin, "--start-timeout", "0", "--ring-bytes", "5MiB")
	until(t, "it says that it waits", func() bool { return strings.Contains(c.err.String(), "not ready, trying again") })
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	b, err := broker.Start(number, map[string]int{"records": 10})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	until(t, "it is ready", func() bool { return strings.Contains(c.out.String(), "ringtail: ready") })
	if code, body := get(t, "http://"+admin+"/readyz"); code != http.StatusOK {
		t.Errorf("/readyz says %d %s", code, body)
	}
	if code := c.terminate(); code != 0 {
		t.Errorf("exit %d: %s", code, c.err.String())
	}
}

func TestSignalWhileKafkaIsAwaited(t *testing.T) {
	c := start(t, "", "serve", "--brokers", closedPort(t), "--listen", "tcp://127.0.0.1:0", "--admin", "", "--start-timeout", "0")
	if code := c.terminate(); code != 0 {
		t.Errorf("exit %d: %s", code, c.err.String())
	}
	if want := "drained received=0 recovered=0 delivered=0 rejected=0 dead_lettered=0 kept=0 lost=0\n"; !strings.HasSuffix(c.err.String(), want) {
		t.Errorf("it ends with %q", c.err.String())
	}
}

func TestTopicThatDoesNotFit(t *testing.T) {
	s := embedded(t, "--shards", "4")
	for what, c := range map[string]struct {
		args []string
		want []string
	}{
		"missing":     {[]string{"--topic", "nowhere"}, []string{"topic nowhere", "ringtail topics create nowhere --partitions 10 --brokers " + s.brokers}},
		"too small":   {nil, []string{"4 partitions", "--fold-partitions", "ringtail topics create NAME --partitions 10 --brokers " + s.brokers}},
		"dead letter": {[]string{"--fold-partitions", "--dead-letter-topic", "morgue"}, []string{"topics create morgue --partitions 1"}},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel() // most of it is waiting
			args := append([]string{"check", "--connect", "--log-level", "error", "--brokers", s.brokers}, c.args...)
			refuse(t, exitUsage, c.want, args...)
			// Its tries are one event, and one line.
			refuse(t, exitUsage, c.want, append([]string{"serve", "--admin", "", "--listen", "tcp://127.0.0.1:0", "--brokers", s.brokers}, c.args...)...)
		})
	}
	must(t, "check", "--connect", "--brokers", s.brokers, "--fold-partitions")
	refuse(t, exitFailed, []string{"--brokers 127.0.0.1", "connection refused"}, "check", "--connect", "--log-level", "error", "--brokers", closedPort(t),
		"--start-timeout", "1500ms")
}

// TestStopsThatFail: Kafka goes away with records under way. The books still close,
// on the last line, and a second signal does not wait.
func TestStopsThatFail(t *testing.T) {
	for what, second := range map[string]bool{"drain time over": false, "second signal": true} {
		t.Run(what, func(t *testing.T) {
			kafka := embedded(t, "--topic", "far")
			wait := "1500ms"
			if second {
				wait = "10m"
			}
			s := serve(t, "--brokers", kafka.brokers, "--topic", "far", "--drain-timeout", wait, "--ring-bytes", "5MiB",
				"-X", "socket.timeout.ms=2000")
			send(t, s.listen[0], `{"number":1}`)
			until(t, "the first record is delivered", func() bool {
				_, body := get(t, s.admin+"/status")
				return strings.Contains(body, `"delivered": 1,`)
			})
			kafka.terminate()
			for i := range 9 {
				send(t, s.listen[0], fmt.Sprintf(`{"number":%d}`, i))
			}
			s.signals <- syscall.SIGTERM
			if second {
				s.signals <- syscall.SIGINT
			}
			if code := s.wait(); code != exitFailed {
				t.Errorf("exit %d, want 1", code)
			}
			if got, want := s.drained(), "drained received=10 recovered=0 delivered=1 rejected=0 dead_lettered=0 kept=0 lost=9"; got != want {
				t.Errorf("the last line is %q, want %q", got, want)
			}
		})
	}
}

func TestAddressInUse(t *testing.T) {
	s := embedded(t)
	refuse(t, exitFailed, []string{"--listen"}, "serve", "--sink", "discard", "--admin", "", "--listen", s.listen[0], "--log-level", "error")
	refuse(t, exitFailed, []string{"--admin"}, "serve", "--sink", "discard", "--admin", strings.TrimPrefix(s.admin, "http://"), "--listen", "tcp://127.0.0.1:0")
}

// TestSecondSignalOfAVerb: Kafka goes away with records on their way to it. The first
// signal sees them through, which may take for ever; the second one ends it.
func TestSecondSignalOfAVerb(t *testing.T) {
	s := embedded(t)
	c := start(t, "", "produce", "--brokers", s.brokers, "--topic", "records", "--generate", "numbers", "--rate", "1000")
	until(t, "records arrive", func() bool {
		return must(t, "consume", "--topic", "records", "--from", "beginning", "--until-end", "--brokers", s.brokers) != ""
	})
	s.terminate()
	time.Sleep(time.Second) // so that there are records under way; nothing is measured by it
	c.signals <- syscall.SIGINT
	c.signals <- syscall.SIGINT
	select {
	case <-c.aborted:
	case <-time.After(patience):
		t.Error("the second signal is not heard")
	}
}

// TestStopWithFullRings: Kafka is gone and clients wait for room, with records and with rejects.
// The books close over what is in Kafka, in rings, and in neither.
func TestStopWithFullRings(t *testing.T) {
	kafka := embedded(t, "--topic", "far", "--dead-letter-topic", "dead")
	s := serve(t, "--brokers", kafka.brokers, "--topic", "far", "--dead-letter-topic", "dead", "--drain-timeout", "1500ms", "--ring-bytes", "5MiB",
		"-X", "socket.timeout.ms=2000")
	send(t, s.listen[0], "{\"number\":1}\n{}\n")
	until(t, "the first record and the first letter are delivered", func() bool {
		_, body := get(t, s.admin+"/status")
		return strings.Contains(body, `"delivered": 1,`) && strings.Contains(body, `"dead_lettered": 1,`)
	})
	kafka.terminate()
	_, address, _ := strings.Cut(s.listen[0], "://")
	for _, record := range []string{`{"number":1,"pad":"%01000d"}`, `{"pad":"%01000d"}`} {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		go func() { _, _ = io.WriteString(c, strings.Repeat(fmt.Sprintf(record, 0)+"\n", 8000)) }() // until the server stops reading, or ends
	}
	until(t, "both wait for room", func() bool {
		_, body := get(t, s.admin+"/status")
		return strings.Contains(body, `"waiting": 2,`)
	})
	if code := s.terminate(); code != exitFailed {
		t.Errorf("exit %d, want 1", code)
	}
	var received, lost int
	if _, err := fmt.Sscanf(s.drained(), "drained received=%d recovered=0 delivered=1 rejected=1 dead_lettered=1 kept=0 lost=%d", &received, &lost); err != nil || lost < 8000 || received != lost+2 {
		t.Errorf("the last line is %q", s.drained())
	}
}
