package main

import (
	"fmt"
	"strings"
	"testing"
)

// onError: one result among a hundred is refused by Kafka. It is named, and is stopped at,
// skipped, or becomes a dead letter; the others have their results.
func (k *cluster3) onError(t *testing.T) {
	for name, c := range map[string]struct {
		configs   map[string]string // of the results' topic
		bad, expr string
		why       string
		args      []string
	}{
		"large":           {nil, `{"n":50,"b":"` + strings.Repeat("x", 600_000) + `"}`, "{n: n, b: b + b}", "max.message.bytes=1048588 of topic large-to", nil},
		"large-by-broker": {nil, `{"n":50,"b":"` + strings.Repeat("x", 600_000) + `"}`, "{n: n, b: b + b}", "max.message.bytes=1048588 of topic large-by-broker-to", []string{"-X", "message.max.bytes=5000000"}},
		"keyless":         {map[string]string{"cleanup.policy": "compact"}, `{"n":50,"b":"no key","other":1}`, "{n: n, b: b + b}", "topic keyless-to refuses it", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			from, to, dead := name, name+"-to", name+"-dead"
			k.CreateTopic(from, 1, 1, nil)
			k.CreateTopic(to, 1, 1, c.configs)
			k.CreateTopic(dead, 1, 1, nil)
			var before, behind strings.Builder
			for n := range 100 {
				switch {
				case n < 50:
					fmt.Fprintf(&before, "{\"n\":%d,\"b\":\"x\"}\n", n)
				case n > 50:
					fmt.Fprintf(&behind, "{\"n\":%d,\"b\":\"x\"}\n", n)
				}
			}
			k.produce(t, from, before.String(), "--key-field", "n")
			if name == "keyless" {
				k.produce(t, from, c.bad+"\n")
			} else {
				k.produce(t, from, c.bad+"\n", "--key-field", "n")
			}
			k.produce(t, from, behind.String(), "--key-field", "n")
			results := func() int { return strings.Count(k.all(t, to, "--format", "value"), "\n") }
			work := func(args ...string) *command {
				args = append([]string{"process", "--from", from, "--to", to, "--group", name, "--expr", c.expr}, args...)
				return start(t, "", k.args(append(args, c.args...)...)...)
			}

			stop := work()
			if code := stop.wait(); code != exitFailed || !strings.Contains(stop.err.String(), from+":0:50: ") || !strings.Contains(stop.err.String(), c.why) {
				t.Errorf("stop: exit %d, it says %q", code, stop.err.String())
			}
			if got := results(); got != 50 {
				t.Errorf("stop: %d results, want the 50 before it", got)
			}
			deadLetter := work("--dead-letter-topic", dead)
			until(t, "all others have results", func() bool { return results() == 99 })
			if code := deadLetter.terminate(); code != exitDone || !strings.Contains(deadLetter.err.String(), "1 record gave no result; now in "+dead) {
				t.Errorf("letter: exit %d, it says %q", code, deadLetter.err.String())
			}
			deadLetters := records(t, k.all(t, dead, "--format", "json"))
			if len(deadLetters) != 1 || *deadLetters[0].Value != c.bad || deadLetters[0].Headers["remote"] != from+":0:50" || !strings.Contains(deadLetters[0].Headers["error"], c.why) {
				t.Errorf("the dead letters are %.300v", deadLetters)
			}
		})
	}
}
