package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

func (k *cluster3) groups(t *testing.T) {
	k.CreateTopic("groups", 4, 1, nil)
	k.must(t, "produce", "--topic", "groups", "--generate", "clicks", "--count", "1000", "--key-field", "user_id")
	if got := strings.Count(k.all(t, "groups", "--group", "g", "--count", "300"), "\n"); got != 300 {
		t.Errorf("300 asked, %d shown", got)
	}
	// Only what was shown is committed: the rest comes now, and nothing twice.
	if got := strings.Count(k.all(t, "groups", "--group", "g"), "\n"); got != 700 {
		t.Errorf("%d shown after 300 of 1000, want 700", got)
	}
	if got := k.all(t, "groups", "--group", "g"); got != "" {
		t.Errorf("the group is at the end, and is shown %q", got)
	}
	if got := k.must(t, "consume", "--topic", "groups", "--group", "new", "--until-end"); got != "" {
		t.Errorf("a new group begins at the end by default, and is shown %q", got)
	}
	// Two share the partitions; when one leaves, the other takes over.
	member := func() *command {
		return start(t, "", k.args("consume", "--topic", "groups", "--group", "shared", "--from", "beginning", "--format", "value")...)
	}
	first, second := member(), member()
	both := func() int { return strings.Count(first.out.String(), "\n") + strings.Count(second.out.String(), "\n") }
	until(t, "two members have shown everything", func() bool { return both() >= 1000 })
	until(t, "both have partitions", func() bool {
		k.must(t, "produce", "--topic", "groups", "--generate", "clicks", "--count", "50", "--key-field", "user_id")
		return strings.Count(second.out.String(), "\n") > 0 && strings.Count(first.out.String(), "\n") > 0
	})
	first.signals <- syscall.SIGTERM
	if code := first.wait(); code != 0 {
		t.Errorf("the first member: exit %d: %s", code, first.err.String())
	}
	total := int(k.Ends("groups"))
	k.must(t, "produce", "--topic", "groups", "--generate", "clicks", "--count", "100", "--key-field", "user_id")
	until(t, "the second member has all partitions", func() bool { return both() >= total+100 })
	second.signals <- syscall.SIGINT
	if code := second.wait(); code != 0 || both() != total+100 {
		t.Errorf("exit %d; both have shown %d of %d records", code, both(), total+100)
	}
}

func (k *cluster3) counts(t *testing.T) {
	k.CreateTopic("counts", 3, 1, nil)
	k.produce(t, "counts", `{"user":"ada","n":1}
{"user":"b b"}
not json
{"user":"ada"}
{"n":2}
{"user":7}
["user"]
`, "--raw")
	c := start(t, "", k.args("consume", "--topic", "counts", "--from", "beginning", "--until-end", "--count-by", "user")...)
	if code := c.wait(); code != 0 {
		t.Errorf("exit %d", code)
	}
	if got := c.out.String(); got != "ada\t2\n7\t1\nb b\t1\n" {
		t.Errorf("counted %q", got)
	}
	if !strings.Contains(c.err.String(), "3 of 7 records: ") {
		t.Errorf("what was not counted: %q", c.err.String())
	}
}

// takeover: two members share a topic's partitions and one is killed; a third joins and
// has what the dead one had. Every click is counted; twice at most those that the
// dead member had shown and not committed.
func (k *cluster3) takeover(t *testing.T) {
	k.CreateTopic("takeover", 6, 2, map[string]string{"min.insync.replicas": "1"})
	dir := t.TempDir()
	member := func(name string) *exec.Cmd {
		t.Helper()
		out, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		c := worker(t, out, k.args("consume", "--topic", "takeover", "--group", "click_counter_group", "--from", "beginning", "--format", "json", "-X", "session.timeout.ms=6000")...)
		_ = out.Close() // the worker has its own
		return c
	}
	// read is what a member has shown so far: offsets by partition.
	read := func(name string) map[int][]int {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		offsets := map[int][]int{}
		for _, r := range records(t, string(text[:strings.LastIndexByte(string(text), '\n')+1])) {
			offsets[r.Partition] = append(offsets[r.Partition], r.Offset)
		}
		return offsets
	}
	click := func() {
		k.must(t, "produce", "--topic", "takeover", "--key-field", "user_id", "--generate", "clicks", "--count", "300")
	}
	member("first")
	second := member("second")
	until(t, "both read", func() bool { click(); return len(read("first")) > 0 && len(read("second")) > 0 })
	if err := second.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = second.Wait()
	member("third")
	until(t, "the third reads", func() bool { click(); return len(read("third")) > 0 })
	until(t, "every click is shown", func() bool {
		shown := map[[2]int]bool{}
		for _, name := range []string{"first", "second", "third"} {
			for partition, offsets := range read(name) {
				for _, o := range offsets {
					shown[[2]int{partition, o}] = true
				}
			}
		}
		return int64(len(shown)) == k.Ends("takeover")
	})
}

// lag: what a group has not read yet is told by describe, and by the consumer itself.
func (k *cluster3) lag(t *testing.T) {
	k.CreateTopic("lag", 3, 1, nil)
	k.must(t, "produce", "--topic", "lag", "--generate", "clicks", "--count", "300")
	describe := func() string { return k.must(t, "topics", "describe", "lag", "--group", "counters") }
	if out := describe(); !strings.Contains(out, "\ngroup counters: has no members and has committed nothing here\n") {
		t.Errorf("of a group that is not there:\n%s", out)
	}
	k.all(t, "lag", "--group", "counters", "--count", "100")
	if out := describe(); !strings.Contains(out, "\ngroup counters: empty, 0 members, lag 200\n") {
		t.Errorf("after 100 of 300:\n%s", out)
	}
	c := start(t, "", k.args("consume", "--topic", "lag", "--group", "counters", "--count-by", "user_id", "--metrics", "127.0.0.1:0")...)
	until(t, "it says where its metrics are", func() bool { return strings.Contains(c.err.String(), "/metrics\n") })
	address := strings.TrimSpace(strings.TrimPrefix(c.err.String(), "ringtail: metrics at "))
	var metrics string
	wants := []string{`ringtail_consumer_records_total{group="counters",topic="lag"} 200`, `ringtail_consumer_uncounted_total{group="counters",topic="lag"} 0`}
	for p := range 3 {
		wants = append(wants, fmt.Sprintf(`ringtail_consumer_lag{group="counters",partition="%d",topic="lag"} 0`, p))
	}
	until(t, "its metrics say that it has read all", func() bool {
		_, metrics = get(t, address)
		for _, want := range wants {
			if !strings.Contains(metrics, want+"\n") {
				return false
			}
		}
		return true
	})
	until(t, "describe shows its member, and no lag", func() bool {
		out := describe()
		return strings.Contains(out, "\ngroup counters: stable, 1 member, lag 0\n") && strings.Count(out, " on 127.0.0.1") == 3
	})
	c.signals <- syscall.SIGINT
	if code := c.wait(); code != 0 {
		t.Errorf("Ctrl-C: exit %d: %s", code, c.err.String())
	}
	sum := 0
	for _, line := range c.out.lines() {
		n, err := strconv.Atoi(line[strings.LastIndexByte(line, '\t')+1:])
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		sum += n
	}
	if sum != 200 {
		t.Errorf("%d clicks counted, want 200", sum)
	}
}
