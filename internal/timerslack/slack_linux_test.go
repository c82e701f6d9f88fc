package timerslack

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestMain is also the programs that the tests look at.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && !strings.HasPrefix(os.Args[1], "-") {
		fmt.Println(slackHere())
		return
	}
	os.Exit(m.Run())
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
