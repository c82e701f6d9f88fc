package node

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"testing"
	"time"

	"github.com/ringtail/ringtail/codec"
	"github.com/ringtail/ringtail/internal/config"
)

// deployed reads what a file of deploy/ says, by an expression with one group.
func deployed(t *testing.T, name, expression string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../deploy", name))
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(expression).FindStringSubmatch(string(text))
	if found == nil {
		t.Fatalf("%s has no %s", name, expression)
	}
	return found[1]
}

// TestDeployedStopTimes: whoever kills a process that does not stop gives it time for the drain, the
// last acks, and the scrape that sees what was lost.
func TestDeployedStopTimes(t *testing.T) {
	seconds := func(text string) time.Duration {
		t.Helper()
		d, err := time.ParseDuration(text)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	drain := seconds(deployed(t, "kubernetes/ringtail.yaml", `\ndrain-timeout: (\S+)\n`))
	stop := drain + lastAcks + closeLimit + scrapeLimit
	before := seconds(deployed(t, "kubernetes/statefulset.yaml", `sleep: \{seconds: (\d+)\}`) + "s")
	for where, got := range map[string]time.Duration{
		"kubernetes": seconds(deployed(t, "kubernetes/statefulset.yaml", `terminationGracePeriodSeconds: (\d+)`)+"s") - before,
		"compose":    seconds(deployed(t, "compose.yaml", `stop_grace_period: (\S+)`)),
		"systemd":    seconds(deployed(t, "ringtail.service", `TimeoutStopSec=(\d+)`) + "s"),
		"docker run": seconds(deployed(t, "Dockerfile", `--stop-timeout (\d+)`) + "s"),
	} {
		if got < stop {
			t.Errorf("%s gives a stop %s, which may take %s", where, got, stop)
		}
	}
}

// TestDeployedMemory: the limit of a pod has room for what its configuration may take, and its volume
// for the rings.
func TestDeployedMemory(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	defer debug.SetMemoryLimit(before)
	size := func(text string) int64 {
		t.Helper()
		var s config.Size
		if err := s.UnmarshalText([]byte(text)); err != nil {
			t.Fatal(err)
		}
		return int64(s)
	}
	var log bytes.Buffer
	n := memoryNode(&log)
	n.opt.Codec = codec.Options{Shards: 10}
	n.opt.RingDir = "../../deploy" // on a disk
	n.opt.RingBytes = int(size(deployed(t, "kubernetes/ringtail.yaml", `\nring-bytes: (\S+)\n`)))
	n.opt.ClientMemory = size(deployed(t, "kubernetes/ringtail.yaml", `\nclient-memory: (\S+)\n`))
	limit := deployed(t, "kubernetes/statefulset.yaml", `limits: \{memory: (\S+)\}`) + "B"
	rings := int64(11 * n.opt.RingBytes) // with dead letters
	if err := n.limitMemory(machine(t, 64<<30, fmt.Sprint(size(limit)))); err != nil {
		t.Error(err)
	}
	if _, need := n.opt.memory(); need+rings > size(limit) {
		t.Errorf("%d bytes are needed, and %d of page cache make them fast; the limit is %s", need, rings, limit)
	}
	if err := n.limitMemory(machine(t, 64<<30, fmt.Sprint(size(limit)/3))); err == nil {
		t.Error("a third of the limit would do")
	}
	if volume := deployed(t, "kubernetes/statefulset.yaml", `requests: \{storage: (\S+)\}`) + "B"; size(volume) < rings*9/8+64<<20 {
		t.Errorf("a volume of %s is too small for the rings", volume)
	}
}
