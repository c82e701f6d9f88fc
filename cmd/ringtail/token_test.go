package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// tokenFile makes a file of tokens.
func tokenFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestTokenFile: the tools show the first token of their file; who has another, or none, is told. A
// file that is changed is read again. No output has a token.
func TestTokenFile(t *testing.T) {
	serves, mine, other := tokenFile(t, "billing:s3cret-1\nshop:s3cret-2\n"), tokenFile(t, "s3cret-2\n"), tokenFile(t, "s3cret-3\n")
	s := serve(t, "--sink", "discard", "--ack", "kafka", "--token-file", serves, "--log-level", "debug")
	for _, framing := range []string{"newline", "length", "json", "auto"} {
		must(t, "produce", "--to", s.listen[0], "--generate", "numbers", "--count", "100", "--ack", "--framing", framing, "--token-file", mine)
		must(t, "bench", "--target", s.listen[0], "--records", "100", "--connections", "2", "--ack", "--framing", framing, "--token-file", serves)
	}
	produce := []string{"produce", "--to", s.listen[0], "--generate", "numbers", "--count", "1", "--ack", "--token-file", other}
	if code, out, errs := ringtail(t, produce...); code != 1 || !strings.Contains(errs, "does not know the token") || strings.Contains(out+errs, "s3cret") {
		t.Errorf("%v: exit %d, %s%s", produce, code, out, errs)
	}
	var metrics string
	until(t, "the refused is in the metrics", func() bool {
		_, metrics = get(t, s.admin+"/metrics")
		return strings.Contains(metrics, `ringtail_connections_closed_total{reason="unauthorized"} 1`)
	})
	_, status := get(t, s.admin+"/status")
	for _, want := range []string{`"name": "billing",
        "connections": 0,
        "records": 400,`, `"name": "shop"`, `"unauthorized": 1`} {
		if !strings.Contains(status, want) {
			t.Errorf("no %s in %s", want, status)
		}
	}
	if err := os.WriteFile(serves, []byte("s3cret-3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	until(t, "the file is read again", func() bool { return strings.Contains(s.err.String(), "was read again") })
	must(t, produce...)
	if all := status + metrics + s.err.String() + s.out.String() + must(t, "serve", "--print-config", "--token-file", serves); strings.Contains(all, "s3cret") {
		t.Error("a token is shown")
	}
}

// TestTokenFileRefused: wrong files are wrong configuration, found by check too.
func TestTokenFileRefused(t *testing.T) {
	wrong := tokenFile(t, "a:x\ns3cret:\n")
	for _, verb := range []string{"serve", "check"} {
		refuse(t, 2, []string{"--token-file " + wrong, "line 2"}, verb, "--sink", "discard", "--token-file", wrong)
		refuse(t, 2, []string{"--token-file", "no such file"}, verb, "--sink", "discard", "--token-file", wrong+"x")
	}
	refuse(t, 2, []string{"--token-file", "--to"}, "produce", "--topic", "t", "--token-file", wrong)
	refuse(t, 2, []string{"line 2"}, "produce", "--to", "tcp://127.0.0.1:1", "--token-file", wrong)
	refuse(t, 2, []string{"line 2"}, "bench", "--token-file", wrong)
	refuse(t, 2, []string{"token=off"}, "serve", "--sink", "discard", "--listen", "tcp://127.0.0.1:0?token=on")
	refuse(t, 2, []string{"--max-rate-per-ip", "1000/s"}, "serve", "--sink", "discard", "--max-rate-per-ip", "1000")
}

// TestRatesAreSeen: a client over its rate waits, and the metrics say so; the stop does not wait for
// it.
func TestRatesAreSeen(t *testing.T) {
	s := serve(t, "--sink", "discard", "--max-rate-per-connection", "100/s", "--max-rate-per-ip", "5MB/s")
	c := start(t, "", "produce", "--to", s.listen[0], "--generate", "numbers", "--count", "5000")
	until(t, "it waits", func() bool {
		_, metrics := get(t, s.admin+"/metrics")
		return strings.Contains(metrics, "\nringtail_connections_waiting_for_rate 1\n") && !strings.Contains(metrics, "\nringtail_rate_limited_seconds_total 0\n")
	})
	if code := s.terminate(); code != 0 || !strings.Contains(s.err.String(), "received=5000 ") {
		t.Errorf("exit %d: %s", code, s.err.String())
	}
	if code := c.wait(); code != 0 {
		t.Errorf("produce: exit %d: %s", code, c.err.String())
	}
}

// TestGuideOnTokens runs what the guide says of them, but for its addresses.
func TestGuideOnTokens(t *testing.T) {
	section := guidedPart(t)
	call := func(begins string, change ...string) []string {
		_, line, ok := strings.Cut(section, "\nringtail "+begins)
		if line, _, _ = strings.Cut(line, "\n"); !ok {
			t.Fatalf("the guide does not say ringtail %s", begins)
		}
		return strings.Fields(strings.NewReplacer(append(change, "'", "")...).Replace(begins + line))
	}
	file := tokenFile(t, "billing:"+strings.Repeat("0f", 32)+"\n")
	socket := filepath.Join(t.TempDir(), "s")
	args := call("serve --brokers kafka:9092 --token-file", "serve --brokers kafka:9092", "--sink=discard", "tokens", file, "tcp://:8888", "tcp://127.0.0.1:0", "/run/ringtail/socket", socket)
	s := serve(t, args...)
	if len(s.listen) != 3 {
		t.Fatalf("it listens on %v", s.listen)
	}
	must(t, call("produce --to tcp://", "tokens", file, "tcp://127.0.0.1:8888", s.listen[1])...)
	must(t, "produce", "--to", "unix://"+socket, "--generate", "numbers", "--count", "10")
	if code := s.terminate(); code != 0 || !strings.Contains(s.err.String(), "received=110 recovered=0 delivered=110 ") {
		t.Errorf("exit %d: %s", code, s.err.String())
	}
	serve(t, call("serve --brokers kafka:9092 --max-rate", "serve --brokers kafka:9092", "--sink=discard")...).terminate()
}
