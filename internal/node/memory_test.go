package node

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/ringtail/ringtail/codec"
	"github.com/ringtail/ringtail/internal/config"
)

// machine lays the files that tell of a machine with so much available and a group with such a
// limit.
func machine(t *testing.T, available int64, limit string) (root string) {
	return machineOf(t, 64<<30, available, limit)
}

// machineOf is a machine that has so much in all.
func machineOf(t *testing.T, total, available int64, limit string) (root string) {
	t.Helper()
	root = t.TempDir()
	for name, text := range map[string]string{
		"proc/meminfo":                  fmt.Sprintf("MemTotal: %d kB\nMemAvailable: %d kB\n", total>>10, available>>10),
		"proc/self/cgroup":              "0::/ringtail\n",
		"proc/self/mountinfo":           "30 23 0:26 / /cgroup rw - cgroup2 cgroup2 rw\n",
		"cgroup/ringtail/memory.max":    limit + "\n",
		"cgroup/ringtail/memory.events": "oom 0\n",
	} {
		name = filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// memoryNode is one whose rings take 180 MiB, 160 of them mapped, and all together 500.
func memoryNode(log *bytes.Buffer) *node {
	return &node{
		opt: Options{Codec: codec.Options{Shards: 9}, DeadLetterTopic: "dead", RingBytes: 16 << 20, ClientMemory: 256 << 20},
		env: Env{Log: slog.New(slog.NewTextHandler(log, nil))},
	}
}

// TestMemoryOfATakeover: both processes have to fit, but for one that ends before the other begins.
func TestMemoryOfATakeover(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	defer debug.SetMemoryLimit(before)
	dir := t.TempDir()
	for _, c := range []struct {
		old     inheritance
		limit   int64
		refused bool
	}{
		{inheritance{memory: 500 << 20}, 1000 << 20, false},
		{inheritance{memory: 500<<20 + 1}, 1000 << 20, true},
		{inheritance{memory: 500 << 20, ringDir: t.TempDir()}, 999 << 20, true},
		{inheritance{memory: 500 << 20, ringDir: dir}, 999 << 20, false},
	} {
		var log bytes.Buffer
		n := memoryNode(&log)
		n.inherited, n.opt.RingDir = &c.old, dir
		n.opt.ClientMemory += 500<<20 - func() int64 { _, need := n.opt.memory(); return need }()
		if err := n.limitMemory(machine(t, 8<<30, fmt.Sprint(c.limit))); (err != nil) != c.refused || err != nil && !strings.Contains(err.Error(), "restart instead") {
			t.Errorf("%+v within %d: %v", c.old, c.limit, err)
		}
	}
}

// TestTakeoverOnTheMachine: without a control group, the machine is what both have to fit into.
func TestTakeoverOnTheMachine(t *testing.T) {
	for _, total := range []int64{1000 << 20, 999 << 20} {
		var log bytes.Buffer
		n := memoryNode(&log)
		_, need := n.opt.memory()
		n.opt.ClientMemory += 500<<20 - need
		n.inherited = &inheritance{memory: 500 << 20}
		err := n.limitMemory(machineOf(t, total, total, "max"))
		if refused := total < 1000<<20; (err != nil) != refused || refused && !strings.Contains(err.Error(), "the machine's 999MiB; restart instead") {
			t.Errorf("of %d: %v", total, err)
		}
	}
}

// TestMemoryLimit: what does not fit is refused, and says what would; else Go's heap gets what the
// rings leave.
func TestMemoryLimit(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	defer debug.SetMemoryLimit(before)
	t.Setenv("GOMEMLIMIT", "")
	for _, c := range []struct {
		limit   string
		refused bool
		heap    int64
	}{
		{"max", false, math.MaxInt64},
		{fmt.Sprint(500 << 20), false, (500 - 160 - 32) << 20},
		{fmt.Sprint(500<<20 - 1), true, math.MaxInt64},
		{fmt.Sprint(2 << 30), false, (2048 - 160 - 32) << 20},
	} {
		debug.SetMemoryLimit(math.MaxInt64)
		var log bytes.Buffer
		err := memoryNode(&log).limitMemory(machine(t, 8<<30, c.limit))
		var usage *config.UsageError
		if errors.As(err, &usage) != c.refused || (err != nil) != c.refused {
			t.Errorf("limit %s: %v", c.limit, err)
		}
		if got := debug.SetMemoryLimit(-1); got != c.heap {
			t.Errorf("limit %s: the heap's is %d, want %d", c.limit, got, c.heap)
		}
		if c.refused {
			for _, want := range []string{"--ring-bytes 16MiB", "take 180MiB", "--client-memory 256MiB", "500MiB together", "limit is 500MiB (/cgroup/ringtail/memory.max)", "lower --ring-bytes"} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v; want %s", err, want)
				}
			}
		}
		if log.Len() > 0 {
			t.Errorf("limit %s: logged %s", c.limit, &log)
		}
	}
	t.Setenv("GOMEMLIMIT", "1GiB") // which Go has read at its start
	debug.SetMemoryLimit(1 << 30)
	if err := memoryNode(&bytes.Buffer{}).limitMemory(machine(t, 8<<30, fmt.Sprint(2<<30))); err != nil || debug.SetMemoryLimit(-1) != 1<<30 {
		t.Errorf("%v; GOMEMLIMIT is overruled: %d", err, debug.SetMemoryLimit(-1))
	}
}

// TestMemoryAvailable: that others use the machine may change, so it is only told.
func TestMemoryAvailable(t *testing.T) {
	for available, told := range map[int64]bool{499 << 20: true, 500 << 20: false} {
		var log bytes.Buffer
		if err := memoryNode(&log).limitMemory(machine(t, available, "max")); err != nil || strings.Contains(log.String(), "less memory available") != told {
			t.Errorf("%d available: %v, %s", available, err, &log)
		}
	}
}

// TestMemoryOfTheMachine: what the machine does not have is refused before any of it is taken, where no
// group has a limit too. A million shards are within what numbers can hold.
func TestMemoryOfTheMachine(t *testing.T) {
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(-1))
	for _, c := range []struct {
		total   int64
		change  func(*Options)
		refused string
	}{
		{500 << 20, func(*Options) {}, ""},
		{500<<20 - 1024, func(*Options) {}, "take 500MiB together, and the machine has 500MiB"},
		{24 << 30, func(o *Options) { o.Codec.Shards, o.RingBytes = 1_000_000, 1<<30 }, "lower --shards, --ring-bytes or --client-memory"},
		{24 << 30, func(o *Options) { o.ClientMemory = math.MaxInt64 }, "--client-memory"},
		{24 << 30, func(o *Options) { o.Codec.Shards, o.RingDir = 1_000_000, "/proc/missing/rings" }, ""}, // shard.CheckDir's to refuse
		{0, func(o *Options) { o.Codec.Shards = 1_000_000 }, ""},                                          // the kernel does not tell
	} {
		n := memoryNode(&bytes.Buffer{})
		c.change(&n.opt)
		err := n.limitMemory(machineOf(t, c.total, c.total, "max"))
		var usage *config.UsageError
		if (err != nil) != (c.refused != "") || err != nil && (!errors.As(err, &usage) || !strings.Contains(err.Error(), c.refused)) {
			t.Errorf("%d bytes: %v, want %q", c.total, err, c.refused)
		}
	}
}

// TestMemoryOfRingFiles: on a disk they are cache, in a file system in memory they are not.
func TestMemoryOfRingFiles(t *testing.T) {
	n := memoryNode(nil)
	for dir, want := range map[string][2]int64{
		"":                         {160 << 20, 500 << 20},
		"/proc/missing/rings":      {0, 320 << 20}, // no tmpfs either; the directory is to be made
		"/dev/shm/ringtail-no/one": {180 << 20, 500 << 20},
	} {
		n.opt.RingDir = dir
		if mapped, need := n.opt.memory(); mapped != want[0] || need != want[1] {
			t.Errorf("%q: %d mapped, %d needed; want %v", dir, mapped, need, want)
		}
	}
}
