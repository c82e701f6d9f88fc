package rdk

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestDeclarations compiles testdata/declared.c against the rdkafka.h that comes
// with the linked library, and checks that every function of rdk.h is in it.
func TestDeclarations(t *testing.T) {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/confluentinc/confluent-kafka-go/v2").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	cc := os.Getenv("CC")
	if cc == "" {
		cc = "cc"
	}
	include := filepath.Join(strings.TrimSpace(string(dir)), "kafka", "librdkafka_vendor")
	out, err := exec.Command(cc, "-std=c11", "-fsyntax-only", "-Werror", "-I", include, "testdata/declared.c").CombinedOutput()
	if err != nil {
		t.Errorf("rdk.h and rdkafka.h differ:\n%s", out)
	}
	header, err := os.ReadFile("rdk.h")
	if err != nil {
		t.Fatal(err)
	}
	checked, err := os.ReadFile("testdata/declared.c")
	if err != nil {
		t.Fatal(err)
	}
	functions := regexp.MustCompile(`(?m)^[a-z].*?\*?\b(rd_kafka_\w+)\(`).FindAllSubmatch(header, -1)
	if len(functions) < 25 {
		t.Fatalf("%d functions found in rdk.h", len(functions))
	}
	for _, f := range functions {
		if !strings.Contains(string(checked), "= "+string(f[1])+";") {
			t.Errorf("%s is declared in rdk.h and not checked in testdata/declared.c", f[1])
		}
	}
}

func TestVersion(t *testing.T) {
	if v := Version(); !strings.HasPrefix(v, "2.15.") {
		t.Errorf("librdkafka %s is linked; what is known of its behaviour was seen with 2.15", v)
	}
}

// TestProduceWithoutBroker: records are taken, purged and reported, without any
// broker; the run stays where it was, and failures are counted.
func TestProduceWithoutBroker(t *testing.T) {
	c, err := New(map[string]string{
		"bootstrap.servers": "127.0.0.1:1", "enable.idempotence": "true", "max.in.flight": "1", "log.queue": "true",
	}, "t", []uint64{5, 0})
	if err != nil {
		t.Fatal(err)
	}
	value := []byte("value")
	n, code := c.Produce(0, 0, 5, []Record{{Value: value}, {Value: value, Key: []byte("k")}, {Value: value, Key: []byte{}}})
	if n != 3 || code != 0 {
		t.Fatalf("taken %d, code %d", n, code)
	}
	if code := c.ProduceLetter(1, 0, 0, value, Letter{Reason: "bad_json", Remote: "127.0.0.1:9", Truncated: 77}); code != 0 {
		t.Fatalf("letter: %s", ErrorText(code))
	}
	c.Purge(true)
	for c.Track(0).Reports+c.Track(1).Reports < 4 {
		c.Poll(100)
	}
	if tr := c.Track(0); tr.Acked != 5 || tr.Failed != 5 || tr.Err != -152 || tr.Maybe != 0 || tr.Beyond != 0 {
		t.Errorf("after the purge: %+v (%s)", tr, ErrorText(tr.Err))
	}
	c.InjectFatal(47, "test")
	for c.Fatal() == 0 {
		c.Poll(100)
	}
	if n, code := c.Produce(0, 0, 5, []Record{{Value: value}}); n != 0 || code != ErrFatal {
		t.Errorf("after a fatal error: taken %d, code %d", n, code)
	}
	if events, _ := c.Events(); len(events) == 0 {
		t.Error("no event tells of it")
	}
	c.Wake()
	c.Poll(60_000) // returns at once, or the test times out
	c.Destroy()
}

// TestOkReportsOutOfOrder: runs of ok reports that overtake each other, as when a
// partition's leader changes, end with everything acked and nothing beyond; acked
// never passes one that is missing. More runs than are remembered leave it behind,
// which the engine takes for a failure.
func TestOkReportsOutOfOrder(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 3))
		c, err := New(map[string]string{"log.queue": "true"}, "t", []uint64{100})
		if err != nil {
			t.Fatal(err)
		}
		var runs [][2]uint64
		end := uint64(100)
		for range 1 + rng.IntN(12) {
			n := 1 + rng.Uint64N(20)
			runs = append(runs, [2]uint64{end, end + n})
			end += n
		}
		rng.Shuffle(len(runs), func(i, j int) { runs[i], runs[j] = runs[j], runs[i] })
		done := map[uint64]bool{}
		for _, r := range runs {
			for n := r[0]; n < r[1]; n++ {
				c.ok(0, n)
				done[n] = true
			}
			want := uint64(100)
			for done[want] {
				want++
			}
			if tr := c.Track(0); tr.Acked != want || tr.Beyond != uint64(len(done))-(want-100) {
				t.Fatalf("seed %d: acked %d, want %d; beyond %d of %d", seed, tr.Acked, want, tr.Beyond, len(done))
			}
		}
		if tr := c.Track(0); tr.Acked != end || tr.Beyond != 0 {
			t.Fatalf("seed %d: at the end acked %d of %d, beyond %d", seed, tr.Acked, end, tr.Beyond)
		}
		c.Destroy()
	}
	c, err := New(map[string]string{"log.queue": "true"}, "t", []uint64{0})
	if err != nil {
		t.Fatal(err)
	}
	for n := uint64(80); n > 0; n -= 2 {
		c.ok(0, n)
	}
	for n := range uint64(80) {
		if n%2 == 1 || n == 0 {
			c.ok(0, n)
		}
	}
	if tr := c.Track(0); tr.Acked >= 81 || tr.Beyond == 0 {
		t.Errorf("40 runs ahead: acked %d, beyond %d; want it behind", tr.Acked, tr.Beyond)
	}
	c.Destroy()
}

func TestNewRefuses(t *testing.T) {
	for property, value := range map[string]string{"linger.ms": "soon", "no.such.property": "1"} {
		if err := CheckProperties(map[string]string{property: value}); err == nil || !strings.Contains(err.Error(), property) {
			t.Errorf("%s=%s: %v", property, value, err)
		}
	}
	if _, err := New(map[string]string{"bootstrap.servers": "127.0.0.1:1", "compression.codec": "lzma"}, "t", []uint64{0}); err == nil {
		t.Error("an unknown codec was taken")
	}
}
