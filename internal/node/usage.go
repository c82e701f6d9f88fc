package node

import (
	"fmt"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ringtail/ringtail/internal/cgroup"
)

// usage is what the process took so far, and takes.
type usage struct {
	cpu         time.Duration
	memory      int64
	descriptors int
}

func usageNow() (u usage) {
	var r unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &r) == nil {
		u.cpu = time.Duration(r.Utime.Nano() + r.Stime.Nano())
	}
	var size, resident int64
	if text, err := os.ReadFile("/proc/self/statm"); err == nil {
		_, _ = fmt.Sscan(string(text), &size, &resident) // pages, or nothing
	}
	u.memory = resident * int64(os.Getpagesize())
	u.descriptors = descriptors()
	return u
}

// descriptors is how many the process has. Linux 6.2 and later have the number as the directory's size; to
// read the directory of a hundred thousand takes long.
func descriptors() int {
	if info, err := os.Stat("/proc/self/fd"); err == nil && info.Size() > 0 {
		return int(info.Size())
	}
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(entries) - 1 // but for that of the reading
}

// status compares with a moment before; seconds lie between.
func (u usage) status(before usage, seconds float64) processStatus {
	var files unix.Rlimit
	_ = unix.Getrlimit(unix.RLIMIT_NOFILE, &files) // 0: not known
	return processStatus{
		CPU: perSecond((u.cpu - before.cpu).Seconds(), seconds), Memory: u.memory,
		Descriptors: u.descriptors, DescriptorsMax: files.Cur, Goroutines: runtime.NumGoroutine(),
	}
}

// processors is how many processors the process may use: those that it is let run on, or what its
// control group gives it of them. root is "/", or a test's.
func processors(root string) float64 {
	return min(float64(runtime.NumCPU()), cgroup.Processors(root))
}
