package main

import (
	"strings"
	"testing"
)

// TestUnsafeWrites: with what --unsafe allows, records are written, and the server is ready.
func TestUnsafeWrites(t *testing.T) {
	for _, property := range []string{"acks=1", "enable.idempotence=false", "max.in.flight=6"} {
		t.Run(property, func(t *testing.T) {
			t.Parallel()
			s := embedded(t, "--ack", "kafka", "--unsafe", "-X", property)
			until(t, "the server is ready", func() bool { code, _ := get(t, s.admin+"/readyz"); return code == 200 })
			must(t, "produce", "--to", s.listen[0], "--ack", "--generate", "numbers", "--count", "1k")
			if code := s.terminate(); code != exitDone || !strings.HasPrefix(s.drained(), "drained received=1000 recovered=0 delivered=1000 ") {
				t.Errorf("exit %d: %s", code, s.err.String())
			}
		})
	}
}
