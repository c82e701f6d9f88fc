package e2e

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ringtail/ringtail/bench"
	"github.com/ringtail/ringtail/internal/kafkatest"
)

// testTokens: clients with a token send while others try without, and while a connection that sends
// too fast waits. Everything of the former is in Kafka, in order; nothing of the others is there, or
// among the dead letters, or in what the server says.
func testTokens(t *testing.T, c *kafkatest.Cluster) {
	topic := newTopic(t, c)
	dead := topic + "-dead"
	c.CreateTopic(dead, 1, 1, nil)
	file := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(file, []byte("load:s3cret-right\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := Serve(t, "--brokers", c.Bootstrap(), "--topic", topic, "--dead-letter-topic", dead, "--ack", "kafka",
		"--token-file", file, "--max-rate-per-connection", "20k/s", "--header", "client=name", "--log-level", "debug")
	o := bench.Defaults()
	o.Target, o.Ack, o.Records, o.Connections, o.Token = s.Target, true, 100_000, 4, "s3cret-right"
	l := load(t, o)
	const strangers = 20
	for i := range strangers {
		nc, err := net.Dial("tcp", strings.TrimPrefix(s.Target, "tcp://"))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = fmt.Fprintf(nc, "{\"token\":\"s3cret-%d\"}\n{\"number\":%d}\n", i, i)
		if said, err := io.ReadAll(nc); err != nil || string(said) != "{\"rejected\":1,\"reason\":\"unauthorized\"}\n" {
			t.Errorf("a stranger is told %q, %v", said, err)
		}
		_ = nc.Close()
	}
	r := l.Wait()
	CheckFlawless(t, c, topic, l, r)
	_, status := s.Get("/status")
	_, metrics := s.Get("/metrics")
	if !strings.Contains(status, `"records": 100000`) || !strings.Contains(status, `"name": "load"`) {
		t.Errorf("the client is not in %s", status)
	}
	ledger := s.Stop().Ledger(t)
	if want := (Ledger{Received: 100_000 + strangers, Delivered: 100_000, Rejected: strangers}); ledger != want {
		t.Errorf("%+v, want %+v", ledger, want)
	}
	_, out := Command(t, "consume", "--brokers", c.Bootstrap(), "--topic", topic, "--from", "beginning", "--until-end", "--format", "json")
	if n := strings.Count(out, `"headers":{"client":"load"}`); n != 100_000 {
		t.Errorf("%d of 100000 records say whose they are", n)
	}
	if n := c.Ends(dead); n != 0 {
		t.Errorf("%d dead letters", n)
	}
	if said := s.Output() + status + metrics; strings.Contains(said, "s3cret") {
		t.Error("a token is told")
	}
}
