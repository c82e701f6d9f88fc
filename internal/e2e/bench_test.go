package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ringtail/ringtail/bench"
	"github.com/ringtail/ringtail/internal/kafkatest"
)

// testBenchCommand runs `ringtail bench` as a user does, against a server that
// keeps its promises and against one that throws everything away.
func testBenchCommand(t *testing.T, c *kafkatest.Cluster) {
	topic := newTopic(t, c)
	good := Serve(t, "--brokers", c.Bootstrap(), "--topic", topic, "--ack", "kafka")
	discards := Serve(t, "--sink", "discard", "--ack", "kafka")
	verify := func(s *Server) []string {
		return []string{"bench", "--target", s.Target, "--records", "50000", "--ack", "--verify", "--verify-timeout", "1s",
			"--brokers", c.Bootstrap(), "--topic", topic}
	}
	file := filepath.Join(t.TempDir(), "result.json")
	for range 2 { // the second run must not mind the first one's records
		if code, out := Command(t, append(verify(good), "--json", file)...); code != 0 || !strings.Contains(out, "0 missing") {
			t.Fatalf("exit code %d:\n%s", code, out)
		}
	}
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := bench.ReadResult(f)
	if err != nil {
		t.Fatal(err)
	}
	if r.Records != 50_000 || r.Verify == nil || r.Verify.Read != 50_000 || r.LatencyMs == nil || r.RecordsPerSecond <= 0 {
		t.Errorf("result %+v", r)
	}
	if code, out := Command(t, verify(discards)...); code != 1 || !strings.Contains(out, "50000 missing") {
		t.Errorf("nothing is in the topic, and the exit code is %d:\n%s", code, out)
	}
	if code, out := Command(t, "bench", "compare", file, file); code != 0 || !strings.Contains(out, "1.00") {
		t.Errorf("exit code %d:\n%s", code, out)
	}
	for flag, args := range map[string][]string{
		"--target":      {"--target", "nowhere"},
		"--connections": {"--connections", "0"},
		"--framing":     {"--framing", "csv"},
		"--verify":      {"--verify"},
		"--size":        {"--size", "5"},
	} {
		if code, out := Command(t, append([]string{"bench"}, args...)...); code != 2 || !strings.Contains(out, flag) {
			t.Errorf("%s: exit code %d:\n%s", flag, code, out)
		}
	}
	good.Stop().Ledger(t)
	discards.Stop().Ledger(t)
}
