package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ringtail/ringtail/internal/kafkatest"
)

// asMain makes the test's binary be ringtail, for tests that kill it.
const asMain = "TEST_IS_MAIN"

func TestMain(m *testing.M) {
	switch os.Getenv(asMain) {
	case "":
	case asPanic:
		panicAsMain()
	default:
		main()
	}
	os.Exit(m.Run())
}

// worker is ringtail in a process of its own; out, if any, takes its results.
func worker(t *testing.T, out *os.File, args ...string) *exec.Cmd {
	t.Helper()
	c := exec.Command(os.Args[0], args...)
	if out != nil {
		c.Stdout = out
	}
	c.Env = append(os.Environ(), asMain+"=1")
	c.Stderr = os.Stderr
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	})
	return c
}

// TestProcessExactlyOnce kills workers in the middle of their transactions, and freezes the broker. A
// read_committed reader finds a result for each record, once, and those of a partition in its order.
func TestProcessExactlyOnce(t *testing.T) {
	t.Parallel() // with the others that have a Kafka of their own: most of it is waiting
	cluster := kafkatest.Start(t, kafkatest.Options{})
	k := &cluster3{Cluster: cluster, t: t, brokers: cluster.Bootstrap()}
	k.CreateTopic("stream", 6, 1, nil)
	k.CreateTopic("doubled", 3, 1, nil)
	const total = 60_000
	feeder := start(t, "", k.args("produce", "--topic", "stream", "--key-field", "id", "--generate", "stream",
		"--count", fmt.Sprint(total), "--rate", "4000")...)

	verb := k.args("process", "--from", "stream", "--to", "doubled", "--group", "doubler", "--expr", "{id: id, value: value, double: value * 2}")
	workers := []*exec.Cmd{worker(t, nil, verb...), worker(t, nil, verb...)}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	seen := int64(0)
	for range 4 {
		// A kill counts once results have come since the last one.
		until(t, "results come", func() bool { n := k.Ends("doubled"); return n > seen || n >= total })
		seen = k.Ends("doubled")
		time.Sleep(time.Duration(rng.IntN(700)) * time.Millisecond)
		i := rng.IntN(2)
		_ = workers[i].Process.Kill()
		_ = workers[i].Wait()
		workers[i] = worker(t, nil, verb...)
	}
	k.Freeze(1)
	time.Sleep(5 * time.Second)
	k.Continue(1)
	if code := feeder.wait(); code != 0 {
		t.Fatalf("produce: exit %d: %s", code, feeder.err.String())
	}
	// Transactions that the killed left open end after ten seconds; then all is there.
	var out string
	until(t, "there is a result for every record", func() bool {
		out = k.all(t, "doubled", "--format", "json")
		return strings.Count(out, "\n") >= total
	})
	checkDoubled(t, out, total)
	checkOrder(t, k.all(t, "stream", "--format", "json"), out)
	for _, w := range workers {
		_ = w.Process.Signal(os.Interrupt)
		if err := w.Wait(); err != nil {
			t.Errorf("Ctrl-C: %v", err)
		}
	}
	if out = k.all(t, "doubled", "--format", "json"); strings.Count(out, "\n") != total {
		t.Errorf("%d results after the end, want %d", strings.Count(out, "\n"), total)
	}
}

func checkDoubled(t *testing.T, out string, total int) {
	t.Helper()
	times := make([]int, total)
	for _, r := range records(t, out) {
		var v struct{ ID, Value, Double int }
		if err := json.Unmarshal([]byte(*r.Value), &v); err != nil || v.Double != 2*v.Value || *r.Key != fmt.Sprint(v.ID) {
			t.Fatalf("a result is key %s, value %s", *r.Key, *r.Value)
		}
		times[v.ID]++
	}
	wrong := 0
	for id, n := range times {
		if n != 1 {
			if wrong++; wrong <= 5 {
				t.Errorf("record %d has %d results", id, n)
			}
		}
	}
	if wrong > 0 {
		t.Errorf("%d records have not one result", wrong)
	}
}

// checkOrder checks that results come in the order of their records, partition by partition: the ids
// only grow, and each partition of the one topic goes to one of the other.
func checkOrder(t *testing.T, in, out string) {
	t.Helper()
	from := map[string]int{} // by key
	for _, r := range records(t, in) {
		from[*r.Key] = r.Partition
	}
	last := map[int]int{}
	for _, r := range records(t, out) {
		id, err := strconv.Atoi(*r.Key)
		if before, some := last[from[*r.Key]]; err != nil || some && id <= before {
			t.Fatalf("the result of record %s comes behind that of %d, of its partition", *r.Key, before)
		}
		last[from[*r.Key]] = id
	}
}

func TestProcessMistakes(t *testing.T) {
	s := embedded(t, "--dead-letter-topic", "dead")
	good := map[string]string{"--from": "records", "--to": "dead", "--group": "g", "--expr": "number", "--brokers": s.brokers}
	for flag, c := range map[string][2]string{
		"--expr": {"number *", "--expr"}, "--from": {"nowhere", "nowhere does not exist"}, "--to": {"records", "--to"},
		"--group": {"", "--group"}, "--brokers": {"", "--brokers"},
	} {
		args := []string{"process"}
		for k, v := range good {
			if k == flag {
				v = c[0]
			}
			args = append(args, k, v)
		}
		refuse(t, exitUsage, []string{c[1]}, args...)
	}
}

// TestProcessSkips: what gives no result is counted, and the stream goes on.
func TestProcessSkips(t *testing.T) {
	s := embedded(t, "--dead-letter-topic", "out", "--shards", "1")
	k := &cluster3{t: t, brokers: s.brokers}
	k.produce(t, "records", "{\"n\":1}\nno json\n{\"n\":\"x\"}\n{\"n\":3}\n", "--key", "k", "--raw")
	c := start(t, "", k.args("process", "--from", "records", "--to", "out", "--group", "g", "--expr", "n * 10", "--on-error", "skip")...)
	until(t, "two results", func() bool { return k.all(t, "out", "--format", "value") == "10\n30\n" })
	if code := c.terminate(); code != 0 || !strings.Contains(c.err.String(), "records:0:1: ") || !strings.Contains(c.err.String(), "records:0:2: ") ||
		!strings.Contains(c.err.String(), "2 records gave no result") {
		t.Errorf("exit %d, %q", code, c.err.String())
	}
}
