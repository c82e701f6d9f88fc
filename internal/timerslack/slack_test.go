package timerslack

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestMain is also the programs that the tests look at.
func TestMain(m *testing.M) {
	switch {
	case len(os.Args) == 3 && os.Args[2] == "calm":
		calmAndCount()
	case len(os.Args) == 2 && !strings.HasPrefix(os.Args[1], "-"):
		fmt.Println(slackHere())
	default:
		os.Exit(m.Run())
	}
}

func slackHere() time.Duration {
	slack, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
	if err != nil {
		panic(err)
	}
	return time.Duration(slack)
}

func run(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command(os.Args[0], args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// TestLate starts this program as three verbs: threads made before main
// began, as sysmon is, have the slack that main's thread sees.
func TestLate(t *testing.T) {
	if got, want := run(t, "serve"), "1ms"; got != want {
		t.Errorf("serve: %s, want %s", got, want)
	}
	if got, want := run(t, "bench"), "200µs"; got != want {
		t.Errorf("bench: %s, want %s", got, want)
	}
	for _, not := range []string{"1ms", "200µs"} {
		if got := run(t, "produce"); got == not {
			t.Errorf("produce: %s, want the kernel's default", got)
		}
	}
}

// TestCalmSysmon shows that the thread found is sysmon, by what it does: it looks for
// threads that stay in the kernel, and does so less often afterwards, while all that run
// goroutines are as punctual as before.
func TestCalmSysmon(t *testing.T) {
	var before, after int
	var slack string
	out := run(t, "serve", "calm")
	if _, err := fmt.Sscanf(out, "%d looks, then %d; others %s", &before, &after, &slack); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if before < rounds/2 {
		t.Errorf("%d looks in %d rounds: that is not sysmon", before, rounds)
	}
	if after > before/2 {
		t.Errorf("%d looks before and %d after", before, after)
	}
	if slack != "1ms" {
		t.Errorf("a thread that runs goroutines has %s", slack)
	}
}

const rounds = 300

func calmAndCount() {
	runtime.GOMAXPROCS(1)
	tid, err := firstThread()
	if err != nil {
		panic(err)
	}
	before := looks(tid)
	if err := CalmSysmon(32); err != nil { // each of those below ends with its goroutine
		panic(err)
	}
	after := looks(tid)
	slacks := make(chan time.Duration, 8)
	for range cap(slacks) {
		go func() {
			runtime.LockOSThread()
			slacks <- slackHere()
		}()
	}
	late := time.Millisecond
	for range cap(slacks) {
		late = max(late, <-slacks)
	}
	fmt.Printf("%d looks, then %d; others %v\n", before, after, late)
}

// looks counts how often a thread has slept while there was a reason to take the one
// processor from a thread in the kernel, and give it to another goroutine, many times.
func looks(tid int) int {
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		for {
			select {
			case <-stop:
				return
			default:
				runtime.Gosched()
			}
		}
	}()
	begun := sleeps(tid)
	for range rounds {
		two := unix.NsecToTimespec(int64(2 * time.Millisecond))
		_ = unix.Nanosleep(&two, nil)
	}
	return sleeps(tid) - begun
}

func sleeps(tid int) int {
	b, err := os.ReadFile(fmt.Sprintf("/proc/self/task/%d/status", tid))
	if err != nil {
		panic(err)
	}
	n, err := strconv.Atoi(regexp.MustCompile(`(?m)^voluntary_ctxt_switches:\s+(\d+)$`).FindStringSubmatch(string(b))[1])
	if err != nil {
		panic(err)
	}
	return n
}
