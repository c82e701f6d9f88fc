package main

import (
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// bounded are all labels of the server's own metrics, and why no client can make a value up.
var bounded = map[string]string{
	"shard":    "--shards, and the ring of dead letters",
	"reason":   "constants of codec, server and internal/httpd",
	"listener": "--listen",
	"broker":   "the cluster's",
	"state":    "constants of internal/verdict",
	"stage":    "constants of internal/verdict",
	"le":       "the histogram's borders",
	"version":  "the binary's",
}

// series are the server's own, without their values.
func (s *server) series(t *testing.T) map[string]bool {
	t.Helper()
	_, text := get(t, s.admin+"/metrics")
	all := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^(ringtail_\w+)(?:\{(.*)\})? `).FindAllStringSubmatch(text, -1) {
		all[m[1]+"{"+m[2]+"}"] = true
		for _, l := range regexp.MustCompile(`(\w+)="`).FindAllStringSubmatch(m[2], -1) {
			if bounded[l[1]] == "" {
				t.Errorf("%s has the label %s: say why no client can choose its values", m[1], l[1])
			}
		}
	}
	return all
}

// TestNoClientMakesSeries: whatever comes in, at either port, the series are those that there were.
func TestNoClientMakesSeries(t *testing.T) {
	s := embedded(t, "--listen", "tcp://127.0.0.1:0?framing=json&ack=kafka", "--listen", "tcp://127.0.0.1:0?framing=length", "--dead-letter-topic", "dead", "--max-connections-per-ip", "3")
	before := s.series(t)
	rng := rand.New(rand.NewPCG(1, 2))
	word := func() string { return fmt.Sprintf("odd%x", rng.Uint64()) }
	records := []func() string{
		func() string { return fmt.Sprintf("{\"number\":%d,%q:%q}\n", rng.Int64(), word(), word()) },
		func() string { return fmt.Sprintf("{%q:1}\n", word()) },
		func() string { return fmt.Sprintf("{\"number\":%q}\n", word()) },
		func() string { return word() + "\n" },
		func() string { return fmt.Sprintf("{\"number\":\"\xff%s\"}\n{", word()) },
		func() string { return "GET /" + word() + " HTTP/1.1\r\nHost: " + word() + "\r\n\r\n" },
		func() string { return "\x16\x03\x01\x02\x00\x01" + word() },
		func() string { return "\x00\x00\x00\x14" + word() },
		func() string { return "\xff\xff\xff\xff" + word() },
	}
	for i := range 90 {
		_, address, _ := strings.Cut(s.listen[i%len(s.listen)], "://")
		talk(t, fmt.Sprintf("127.%d.%d.%d", 1+rng.IntN(100), rng.IntN(256), 1+rng.IntN(250)), address, records[i%len(records)]())
	}
	admin := strings.TrimPrefix(s.admin, "http://")
	for range 30 {
		talk(t, "127.0.0.1", admin, fmt.Sprintf("%s /%s?%s=%s HTTP/1.1\r\nHost: %s.example\r\nOrigin: http://%s\r\nAuthorization: Bearer %s\r\nX-%s: %s\r\nConnection: close\r\n\r\n",
			[]string{http.MethodGet, http.MethodPost, "ODD"}[rng.IntN(3)], word(), word(), word(), word(), word(), word(), word(), word()))
	}
	after := s.series(t)
	if !maps.Equal(before, after) {
		for name := range after {
			if !before[name] {
				t.Errorf("a series more: %s", name)
			}
		}
		t.Errorf("%d series before, %d after", len(before), len(after))
	}
	if len(before) < 50 {
		t.Errorf("only %d series are looked at: %v", len(before), slices.Sorted(maps.Keys(before)))
	}
}

// talk says something from an address of this machine, and listens until the other side closes.
func talk(t *testing.T, from, to, text string) {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: patience}
	c, err := d.Dial("tcp", to)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(patience))
	_, _ = io.WriteString(c, text) // it may have been closed by now
	_ = c.(*net.TCPConn).CloseWrite()
	_, _ = io.Copy(io.Discard, c)
}
