// Package leaktest looks for goroutines that tests leave behind. goleak alone waits for
// less than half a second, which is no time on a busy machine.
package leaktest

import (
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

const patience = 30 * time.Second

// Main runs a package's tests and returns the exit code: also 1 if a goroutine that the
// tests began does not end.
func Main(m *testing.M) int {
	before := goleak.IgnoreCurrent() // the worker pool that gnet keeps for every process
	code := m.Run()
	for end := time.Now().Add(patience); code == 0; {
		err := goleak.Find(before)
		if err == nil {
			break
		}
		if time.Now().After(end) {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return code
}
