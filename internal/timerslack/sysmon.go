package timerslack

// int ringtail_slack_of(int tid, unsigned long ns);
import "C"

import (
	"errors"
	"os"
	"runtime"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// sysmonSlack is the pace at which sysmon looks by itself when it has nothing to do.
const sysmonSlack = 10 * time.Millisecond

// signalling guards the C side: there is one handler, and one thread that it is meant for.
var signalling sync.Mutex

// CalmSysmon lets Go's sysmon come up to ten milliseconds late, where one is the most
// that other threads may. What it does is to take processors away from threads that
// stay in the kernel or in C; where there are few such threads, and they are soon
// back, it is only in the way.
//
// A thread that sysmon starts has its slack. So threads as many as the server will need
// are started first, by somebody else: Go keeps them for good. An error says that
// nothing was changed.
func CalmSysmon(threads int) error {
	ours := startThreads(threads)
	tid, err := firstThread()
	if err != nil {
		return err
	}
	if ours[tid] {
		return errors.New("timerslack: the first thread runs goroutines: it is not sysmon")
	}
	signalling.Lock()
	defer signalling.Unlock()
	if C.ringtail_slack_of(C.int(tid), C.ulong(sysmonSlack)) != 0 {
		return errors.New("timerslack: the first thread does not answer")
	}
	return nil
}

// startThreads runs so many goroutines at a time, each on a thread of its own, and
// answers their threads.
func startThreads(n int) map[int]bool {
	tids := make(chan int, n)
	var started, done sync.WaitGroup
	started.Add(n)
	done.Add(1)
	for range n {
		go func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread() // else the thread would end as well
			tids <- unix.Gettid()
			started.Done()
			done.Wait()
		}()
	}
	started.Wait()
	done.Done()
	close(tids)
	ours := map[int]bool{}
	for tid := range tids {
		ours[tid] = true
	}
	return ours
}

// firstThread is the thread that was made first after the process's own: sysmon, which
// runtime.main begins with. Ids ascend, and begin anew behind the greatest there may be.
func firstThread() (int, error) {
	const pidMax = 1 << 22 // proc(5), pid_max
	entries, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return 0, err
	}
	own, first, least := os.Getpid(), 0, pidMax
	for _, e := range entries {
		tid, err := strconv.Atoi(e.Name())
		if err != nil || tid == own {
			continue
		}
		if age := (tid - own + pidMax) % pidMax; age < least {
			first, least = tid, age
		}
	}
	if first == 0 {
		return 0, errors.New("timerslack: there is no other thread")
	}
	return first, nil
}
