// Package timerslack lets the kernel wake a server's threads up to a millisecond
// late, so that several timers share one wake-up. Importing it is all there is to do;
// it acts where the program's first argument is "serve", and less where it is "bench": a
// fifth of a millisecond, which a load's latencies then include.
//
// The reason is one thread. Go's sysmon looks every 20 µs whether a thread is stuck in
// a system call or in C, as event loops and engines always are, and each look costs
// some 25 µs of CPU on a virtual machine: at 20,000 records a second it was a third of all
// that the server used (docs/PERFORMANCE.md). Nothing in a server needs timers finer than a
// millisecond: what must be quick is woken by data, and data is not late.
//
// The kernel's default is 50 µs. See prctl(2), PR_SET_TIMERSLACK; systemd's
// TimerSlackNSec= does the same to a whole unit.
package timerslack

import _ "github.com/ringtail/ringtail/internal/platform" // or no build
