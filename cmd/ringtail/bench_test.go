package main

import (
	"strings"
	"testing"
)

// TestBenchOfAnotherTopic: what cannot be verified is said before anything is sent.
func TestBenchOfAnotherTopic(t *testing.T) {
	s := embedded(t)
	bench := []string{"bench", "--target", s.listen[0], "--records", "10", "--verify", "--brokers", s.brokers}
	refuse(t, exitUsage, []string{"--topic nope"}, append(bench, "--topic", "nope")...)
	refuse(t, exitUsage, []string{"--topic records", "--shards 11"}, append(bench, "--topic", "records", "--shards", "11")...)
	refuse(t, exitFailed, []string{"--brokers"}, append(bench, "--topic", "records", "--brokers", closedPort(t))...)
	librdkafkas := " PLAINTEXT://" + s.brokers + " ," // franz-go takes neither
	if out := must(t, append(bench, "--topic", "records", "--brokers", librdkafkas)...); out == "" {
		t.Error("nothing is told")
	}
}

// TestBenchRateNotReached: a rate that is out of reach is said, and no error.
func TestBenchRateNotReached(t *testing.T) {
	s := serve(t, "--sink", "discard")
	code, _, errs := ringtail(t, "bench", "--target", s.listen[0], "--records", "200000", "--rate", "1e9")
	if code != exitDone || !strings.Contains(errs, "--rate 1000000000 was not reached") {
		t.Errorf("exit %d, %q", code, errs)
	}
}
