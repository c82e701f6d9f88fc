//go:build !cgo

package main

import (
	"strings"
	"testing"
)

// TestWithoutC: a build without C says that it has no librdkafka, and refuses what only that can do.
func TestWithoutC(t *testing.T) {
	if out := must(t, "version"); !strings.Contains(out, "\nlibrdkafka none (built without C)\n") {
		t.Errorf("version: %q", out)
	}
	for args, want := range map[string]string{
		"check --brokers 127.0.0.1:1 --writer librdkafka":         "--writer librdkafka: this build has none",
		"check --brokers 127.0.0.1:1 -X broker.address.family=v4": "--kafka-property broker.address.family is a property that only librdkafka understands, and this build has none",
	} {
		refuse(t, exitUsage, []string{want}, strings.Fields(args)...)
	}
	must(t, strings.Fields("check --ring-bytes 8MiB --brokers 127.0.0.1:1 -X linger.ms=7")...)
}
