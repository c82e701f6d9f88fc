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

// TestMain is also the program that the test looks at: it prints its slack.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && !strings.HasPrefix(os.Args[1], "-") {
		slack, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
		fmt.Println(time.Duration(slack), err)
		return
	}
	os.Exit(m.Run())
}

// TestLate starts this program as three verbs: threads made before main
// began, as sysmon is, have the slack that main's thread sees.
func TestLate(t *testing.T) {
	slack := func(verb string) string {
		out, err := exec.Command(os.Args[0], verb).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", verb, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	if got, want := slack("serve"), "1ms <nil>"; got != want {
		t.Errorf("serve: %s, want %s", got, want)
	}
	if got, want := slack("bench"), "200µs <nil>"; got != want {
		t.Errorf("bench: %s, want %s", got, want)
	}
	for _, not := range []string{"1ms <nil>", "200µs <nil>"} {
		if got := slack("produce"); got == not {
			t.Errorf("produce: %s, want the kernel's default", got)
		}
	}
}
