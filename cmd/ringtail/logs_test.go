package main

import (
	"regexp"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// logged are the log's lines, without times and the drained line.
func (c *command) logged() (lines []string) {
	for _, line := range c.err.lines() {
		if _, rest, ok := strings.Cut(line, " level="); ok {
			lines = append(lines, rest)
		}
	}
	return lines
}

// TestStartIsOneLine: it has all that matters, and warns of nothing that nobody asked for, also where
// the descriptor limit is lower than the default of --max-connections.
func TestStartIsOneLine(t *testing.T) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	low := limit
	low.Cur = min(limit.Cur, 20_000)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &low); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Setrlimit(unix.RLIMIT_NOFILE, &limit) })
	kafka := embedded(t, "--topic", "far")
	s := serve(t, "--brokers", kafka.brokers, "--topic", "far", "--ack", "kafka")
	lines := s.logged()
	if len(lines) != 1 {
		t.Fatalf("the log is\n%s", strings.Join(lines, "\n"))
	}
	for _, want := range []string{
		"INFO msg=serving version=", "listen=" + s.listen[0], "ack=kafka", "shards=10", "topic=far partitions=10 cluster=ringtail-embedded brokers=" + kafka.brokers,
		`writer=native because="it knows every property that is set"`, "record_limit_bytes=1000000", "admin=" + s.admin, "ring_bytes=5242880", "connections_max=",
	} {
		if !strings.Contains(lines[0], want) {
			t.Errorf("%s does not say %s", lines[0], want)
		}
	}
	s.signals <- syscall.SIGTERM
	s.wait()
	if lines := s.logged(); len(lines) != 2 || lines[1] != "INFO msg=stopping signal=terminated" {
		t.Errorf("the log is\n%s", strings.Join(lines, "\n"))
	}

	asked := serve(t, "--brokers", kafka.brokers, "--topic", "far", "--max-connections", "90k", "--max-record-bytes", "2M", "--ring-bytes", "9M",
		"--listen", "tcp://127.0.0.1:0?ack=kafka")
	lines = asked.logged()
	if len(lines) != 3 || !strings.HasPrefix(lines[0], "WARN msg=\"the descriptor limit caps --max-connections;") || !strings.Contains(lines[0], "asked=90000") ||
		!strings.HasPrefix(lines[1], "WARN msg=\"the topic takes smaller records than --max-record-bytes;") || !regexp.MustCompile(`asked=2MiB topic=far record_limit_bytes=10\d{5}$`).MatchString(lines[1]) ||
		!strings.Contains(lines[2], "ack=off,kafka") || !regexp.MustCompile(`record_limit_bytes=10\d{5} `).MatchString(lines[2]) {
		t.Errorf("the log is\n%s", strings.Join(lines, "\n"))
	}
	if _, status := get(t, asked.admin+"/status"); !regexp.MustCompile(`"record_limit_bytes": 10\d{5},`).MatchString(status) {
		t.Errorf("no limit in effect in %s", status)
	}
	if line := serve(t, "--sink", "discard").logged(); len(line) != 1 || !strings.Contains(line[0], "sink=discard") {
		t.Errorf("%q", line)
	}
}

// TestUnreachedIsOneLine: what is in the way at a start is one event, however often it is tried.
func TestUnreachedIsOneLine(t *testing.T) {
	code, _, said := ringtail(t, "serve", "--brokers", closedPort(t), "--listen", "tcp://127.0.0.1:0", "--admin", "", "--start-timeout", "2s")
	lines := strings.Split(strings.TrimSuffix(said, "\n"), "\n")
	if code != exitFailed || len(lines) != 2 || !strings.Contains(lines[0], `WARN msg="not ready, trying again" cause="kafka cannot be reached`) ||
		!strings.HasPrefix(lines[1], "ringtail: --brokers ") || !strings.Contains(lines[1], "connection refused") {
		t.Errorf("exit %d:\n%s", code, said)
	}
}
