package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ringtail/ringtail/internal/kafkatest"
)

// testHeaders: --header, with either writer, as a consumer sees it: of records that went straight
// to Kafka, and of those that a killed server had in its ring files, whatever the next one is told.
func testHeaders(t *testing.T, c *kafkatest.Cluster) {
	for _, writer := range []string{"native", "librdkafka"} {
		t.Run(writer, func(t *testing.T) { testHeadersWith(t, c, writer) })
	}
}

func testHeadersWith(t *testing.T, c *kafkatest.Cluster, writer string) {
	const straight, recovered, after = 10, 50, 10
	topic, since := newTopic(t, c), time.Now()
	args := []string{"--brokers", c.Bootstrap(), "--topic", topic, "--writer", writer, "--ring-dir", filepath.Join(t.TempDir(), "rings")}
	s := Serve(t, append(args, "--header", "remote=address", "--header", "received=time", "--header", "client=name")...)
	remote := sendNumbers(t, s, 0, straight)
	s.Await("some is in Kafka", func() bool { return s.Metrics().Sum("records_delivered_total") == straight })
	c.Freeze(1)
	again := sendNumbers(t, s, straight, recovered)
	s.Await("all is in the rings", func() bool { return s.Metrics().Sum("records_received_total") == straight+recovered })
	s.Signal(syscall.SIGKILL)
	s.Wait()

	next := Start(t, args...)
	c.Continue(1)
	next.AwaitReady()
	sendNumbers(t, next, straight+recovered, after)
	next.Await("all is delivered", func() bool {
		m := next.Metrics()
		return m.Sum("records_delivered_total") == m.Sum("records_recovered_total")+after
	})
	next.Stop()

	code, out := Command(t, "consume", "--brokers", c.Bootstrap(), "--topic", topic, "--from", "beginning", "--until-end", "--format", "json")
	if code != 0 {
		t.Fatalf("consume: %d\n%s", code, out)
	}
	seen := map[int]bool{}
	for line := range strings.Lines(out) {
		var r struct {
			Value   string
			Headers map[string]string
		}
		var v struct{ Number int }
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if err := json.Unmarshal([]byte(r.Value), &v); err != nil {
			t.Fatalf("%v: %s", err, r.Value)
		}
		seen[v.Number] = true
		want := map[string]string{"remote": remote, "received": r.Headers["received"]}
		if v.Number >= straight {
			want["remote"] = again
		}
		if v.Number >= straight+recovered {
			want = nil
		}
		ms, err := strconv.ParseInt(r.Headers["received"], 10, 64)
		if want != nil && (err != nil || ms < since.UnixMilli() || ms > time.Now().UnixMilli()) || !maps.Equal(r.Headers, want) {
			t.Errorf("record %d has the headers %v, want %v", v.Number, r.Headers, want)
		}
	}
	if len(seen) != straight+recovered+after {
		t.Errorf("%d records are in Kafka, want %d", len(seen), straight+recovered+after)
	}
}

// sendNumbers sends records of the numbers from first on over a connection of their own, and
// returns its address.
func sendNumbers(t *testing.T, s *Server, first, n int) (remote string) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.Target, "tcp://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	for i := range n {
		if _, err := fmt.Fprintf(conn, "{\"number\":%d}\n", first+i); err != nil {
			t.Fatal(err)
		}
	}
	return conn.LocalAddr().String()
}
