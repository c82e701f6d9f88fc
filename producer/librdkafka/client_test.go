//go:build cgo

package librdkafka

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/ringtail/ringtail/producer/backend"
)

// TestDeclarations compiles testdata/declared.c with the rdkafka.h that comes with the linked
// library before our declarations, which must then say the same; and with ours alone, so that what
// it says of layouts is true of both.
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
	compile := func(how string, source string) ([]byte, error) {
		cmd := exec.Command(cc, "-std=c11", "-fsyntax-only", "-Werror", "-I", include, how, "-x", "c", source)
		return cmd.CombinedOutput()
	}
	for _, how := range []string{"-DBOTH", "-DOURS"} {
		if out, err := compile(how, "testdata/declared.c"); err != nil {
			t.Errorf("librdkafka.h and rdkafka.h differ (%s):\n%s", how, out)
		}
	}
	// What is declared wrongly is seen.
	ours, err := os.ReadFile("librdkafka.h")
	if err != nil {
		t.Fatal(err)
	}
	for right, wrong := range map[string]string{
		"int rd_kafka_poll(rd_kafka_t *, int)": "int rd_kafka_poll(rd_kafka_t *, int64_t)",
		"void rd_kafka_destroy(":               "int rd_kafka_destroy(",
	} {
		source := filepath.Join(t.TempDir(), "wrong.c")
		text := strings.Replace(string(ours), right, wrong, 1)
		if text == string(ours) {
			t.Errorf("%q is not in librdkafka.h", right)
		}
		if err := os.WriteFile(source, []byte("#include <rdkafka.h>\n"+text), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := compile("-DBOTH", source); err == nil || !strings.Contains(string(out), "conflicting types") {
			t.Errorf("%q is declared as %q, and that is not seen: %v\n%s", right, wrong, err, out)
		}
	}
}

func TestVersion(t *testing.T) {
	if _, v := kafka.LibraryVersion(); !strings.HasPrefix(v, "2.15.") {
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
	n, code := c.Produce(0, 0, 5, []backend.Record{{Value: value}, {Value: value, Key: []byte("k")}, {Value: value, Key: []byte{}}}, nil)
	if n != 3 || code != 0 {
		t.Fatalf("taken %d, code %d", n, code)
	}
	if code := c.ProduceDeadLetter(1, 0, 0, value, backend.DeadLetter{Reason: "bad_json", Remote: "127.0.0.1:9", Truncated: 77}); code != 0 {
		t.Fatalf("letter: %s", ErrorText(code))
	}
	c.Purge(true)
	for c.Progress(0).Reports+c.Progress(1).Reports < 4 {
		c.Poll(100)
	}
	if tr := c.Progress(0); tr.Acked != 5 || tr.Failed != 5 || tr.Err != -152 || tr.Maybe != 0 || tr.Beyond != 0 {
		t.Errorf("after the purge: %+v (%s)", tr, ErrorText(tr.Err))
	}
	c.InjectFatal(47, "test")
	for c.Fatal() == 0 {
		c.Poll(100)
	}
	if n, code := c.Produce(0, 0, 5, []backend.Record{{Value: value}}, nil); n != 0 || code != backend.ErrFatal {
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
			if tr := c.Progress(0); tr.Acked != want || tr.Beyond != uint64(len(done))-(want-100) {
				t.Fatalf("seed %d: acked %d, want %d; beyond %d of %d", seed, tr.Acked, want, tr.Beyond, len(done))
			}
		}
		if tr := c.Progress(0); tr.Acked != end || tr.Beyond != 0 {
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
	if tr := c.Progress(0); tr.Acked >= 81 || tr.Beyond == 0 {
		t.Errorf("40 runs ahead: acked %d, beyond %d; want it behind", tr.Acked, tr.Beyond)
	}
	c.Destroy()
}

func TestNewRefuses(t *testing.T) {
	if _, err := New(map[string]string{"bootstrap.servers": "127.0.0.1:1", "compression.codec": "lzma"}, "t", []uint64{0}); err == nil {
		t.Error("an unknown codec was taken")
	}
}
