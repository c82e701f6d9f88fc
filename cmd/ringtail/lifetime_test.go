package main

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	broker "github.com/ringtail/ringtail/internal/embedded"
	"github.com/ringtail/ringtail/internal/kafkatest"
)

var starts = flag.Int("starts", 0, "how many processes TestProcessesEndByThemselves starts (0: four of each kind, a quarter of that with -short)")

// life is a process to start, and how it is to end.
type life struct {
	name   string
	args   []string
	signal syscall.Signal // comes at a random moment once its client of Kafka is at work; 0: none
	code   int            // of its exit
	leaves bool           // it has a broker of its own, which goes away while it serves
}

// TestProcessesEndByThemselves starts ringtail in processes of their own, with a broker that is
// well, none, one that never answers, one that hangs up, one that goes away; and stops them at
// random moments, while every processor is busy. Each ends with the exit code that is promised,
// and none by a signal: that is what a call into librdkafka does that outlives its client.
func TestProcessesEndByThemselves(t *testing.T) {
	n := *starts
	if n == 0 {
		n = 48
		if testing.Short() {
			n = 12
		}
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	kinds := lives(t)
	kafkatest.Busy(t)
	var all sync.WaitGroup
	numbers := make(chan int)
	for range 6 {
		all.Go(func() {
			for i := range numbers {
				kinds[i%len(kinds)].live(t, rand.New(rand.NewPCG(seed, uint64(i))))
			}
		})
	}
	for i := range n {
		numbers <- i
	}
	close(numbers)
	all.Wait()
}

func lives(t *testing.T) []life {
	b, err := broker.Start(0, map[string]int{"records": 10})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	well, deaf, rude, nobody := b.Address(), kafkatest.Deaf(t), kafkatest.Rude(t), kafkatest.Nobody(t)
	serve := func(brokers string, more ...string) []string {
		return append([]string{"serve", "--brokers", brokers, "--listen", "tcp://127.0.0.1:0", "--admin", "", "--ring-bytes", "5MiB"}, more...)
	}
	const term, interrupt = syscall.SIGTERM, syscall.SIGINT
	return []life{
		{"serve", serve(well), term, exitDone, false},
		{"serve with librdkafka", serve(well, "--writer", "librdkafka"), term, exitDone, false},
		{"serve, and the broker leaves", serve("", "--start-timeout", "0", "--writer", "librdkafka"), term, exitDone, true},
		{"serve, nobody there", serve(nobody, "--start-timeout", "0", "--writer", "librdkafka"), term, exitDone, false},
		{"serve, deaf broker", serve(deaf, "--start-timeout", "0", "--writer", "librdkafka"), term, exitDone, false},
		{"serve, rude broker", serve(rude, "--start-timeout", "0", "--writer", "librdkafka"), term, exitDone, false},
		{"serve native, nobody there", serve(nobody, "--start-timeout", "0"), term, exitDone, false},
		{"serve native, deaf broker", serve(deaf, "--start-timeout", "0"), term, exitDone, false},
		{"serve native, rude broker", serve(rude, "--start-timeout", "0"), term, exitDone, false},
		{"serve native, no longer", serve(deaf, "--start-timeout", "500ms"), 0, exitFailed, false},
		{"serve, no longer", serve(deaf, "--start-timeout", "500ms", "--writer", "librdkafka"), 0, exitFailed, false},
		{"check", []string{"check", "--connect", "--brokers", rude, "--start-timeout", "500ms", "--writer", "librdkafka"}, 0, exitFailed, false},
		{"produce", []string{"produce", "--brokers", well, "--topic", "records", "--generate", "stream", "--rate", "100"}, interrupt, exitDone, false},
		{"consume", []string{"consume", "--brokers", well, "--topic", "records", "--group", "g", "--format", "json"}, interrupt, exitDone, false},
		{"topics", []string{"topics", "list", "--brokers", deaf}, interrupt, exitFailed, false},
	}
}

// live runs one.
func (l life) live(t *testing.T, rng *rand.Rand) {
	args := l.args
	var own *broker.Broker
	if l.leaves {
		var err error
		if own, err = broker.Start(0, map[string]int{"records": 10}); err != nil {
			t.Error(err)
			return
		}
		args = append([]string{args[0], "--brokers", own.Address()}, args[3:]...)
	}
	var said output
	c := exec.Command(os.Args[0], args...)
	c.Env = append(os.Environ(), asMain+"=1")
	c.Stdout, c.Stderr = &said, &said
	if err := kafkatest.Spawn(c); err != nil {
		t.Error(err)
		return
	}
	ended := make(chan struct{})
	go func() { _ = c.Wait(); close(ended) }()
	after := time.Duration(rng.Int64N(int64(2*time.Second)) >> rng.IntN(5))
	if l.leaves {
		l.await(t, ended, &said, "ready", func() bool { return strings.Contains(said.String(), "ringtail: ready") })
		own.Close()
	}
	if l.signal != 0 {
		l.await(t, ended, &said, "at work", func() bool {
			if slices.Contains(args, "librdkafka") {
				return hasThread(c.Process.Pid, "rdk:")
			}
			// A socket to a port where nobody listens is gone before it is seen, but is spoken of.
			return hasSocket(c.Process.Pid) || strings.Contains(said.String(), "trying again")
		})
		time.Sleep(after)
		_ = c.Process.Signal(l.signal)
	}
	if !l.await(t, ended, &said, "at its end", func() bool { return false }) {
		_ = c.Process.Kill()
	}
	<-ended
	if code := c.ProcessState.ExitCode(); code != l.code {
		t.Errorf("%s, signalled after %v: %v, want exit %d; it said\n%s", l.name, after, c.ProcessState, l.code, said.String())
	}
}

// await waits until the process is so, or has ended; it returns false where that takes too long.
func (l life) await(t *testing.T, ended <-chan struct{}, said *output, what string, so func() bool) bool {
	for deadline := time.Now().Add(patience); !so(); {
		select {
		case <-ended:
			return true
		case <-time.After(5 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Errorf("%s: not %s after %v; it said\n%s", l.name, what, patience, said.String())
			return false
		}
	}
	return true
}

func hasSocket(pid int) bool {
	open, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	return slices.ContainsFunc(open, func(fd string) bool { what, _ := os.Readlink(fd); return strings.HasPrefix(what, "socket:") })
}

func hasThread(pid int, prefix string) bool {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/comm", pid))
	return slices.ContainsFunc(threads, func(thread string) bool {
		name, _ := os.ReadFile(thread)
		return bytes.HasPrefix(name, []byte(prefix))
	})
}
