package bench

import (
	"syscall"
	"time"
)

// ProcessCPU is the processor time, user and system, that this process took.
func ProcessCPU() time.Duration {
	self, err := syscall.GetCurrentProcess()
	if err != nil {
		return 0
	}
	var made, ended, kernel, user syscall.Filetime // the last two are durations here, in 100 ns
	if err := syscall.GetProcessTimes(self, &made, &ended, &kernel, &user); err != nil {
		return 0
	}
	took := func(t syscall.Filetime) int64 { return int64(t.HighDateTime)<<32 | int64(t.LowDateTime) }
	return time.Duration(100 * (took(kernel) + took(user)))
}
