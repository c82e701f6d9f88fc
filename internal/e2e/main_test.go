package e2e

import (
	"os"
	"strings"
	"testing"

	"github.com/ringtail/ringtail/bench"
	"github.com/ringtail/ringtail/internal/kafkatest"
)

func TestMain(m *testing.M) {
	code := m.Run()
	RemoveBinary()
	os.Exit(code)
}

// newTopic makes a topic named after the test.
func newTopic(t *testing.T, c *kafkatest.Cluster) string {
	t.Helper()
	name := strings.NewReplacer("/", "-", ",", "", " ", "-").Replace(t.Name())
	c.CreateTopic(name, Shards, 1, nil)
	return name
}

func load(t *testing.T, o bench.Options) *bench.Load {
	t.Helper()
	l, err := bench.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestRingtail(t *testing.T) {
	c := kafkatest.Start(t, kafkatest.Options{})
	for _, test := range []struct {
		name string
		run  func(*testing.T, *kafkatest.Cluster)
	}{
		{"million records", testMillion},
		{"bad records harm nobody else", testBadRecords},
		{"truncated records", testTruncated},
		{"one record and goodbye", testOneRecord},
		{"SIGTERM under load", testStopUnderLoad},
		{"SIGTERM after a burst", testStopAfterBurst},
		{"takeover under load", testTakeover},
		{"start-up refusals", testRefusals},
		{"ringtail bench", testBenchCommand},
		{"HAProxy", testHAProxy},
		{"tokens and rates", testTokens},
		{"clients over TLS", testTLS},
		{"tools over TLS", testTLSTools},
		{"image", testImage},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, c) })
	}
}
