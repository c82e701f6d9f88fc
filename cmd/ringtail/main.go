// Command ringtail takes JSON records over TCP and writes them to Kafka in order;
// `ringtail help` names its verbs, and each verb is a file of this directory.
package main

import (
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"
)

func main() {
	crashBySignal()
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // nohup(1) has it ignored, and that is to stay so
		signal.Notify(signals, syscall.SIGHUP) // the terminal is gone: a stop like any other
	}
	os.Exit(run(os.Args[1:], &process{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr,
		Signals: withoutEchoes(signals, echo), Abort: func() { os.Exit(exitFailed) },
	}))
}

// crashBySignal lets a crash end with SIGABRT. Go's exit code for one is 2, which says wrong usage
// here, and whoever keeps a server running does not start that again. A core would come with the
// signal and hold records and passwords; only GOTRACEBACK=crash leaves one, as in any Go program.
func crashBySignal() {
	debug.SetTraceback("crash")
	var cores syscall.Rlimit
	if os.Getenv("GOTRACEBACK") == "crash" || syscall.Getrlimit(syscall.RLIMIT_CORE, &cores) != nil {
		return
	}
	cores.Cur = 0
	_ = syscall.Setrlimit(syscall.RLIMIT_CORE, &cores) // lowering is always allowed
}

// echo is how soon a second signal is the same one again.
const echo = 300 * time.Millisecond

// withoutEchoes passes signals on, but for those that come at once behind another:
// timeout(1) signals the process and then its group, and whoever drains must not take
// that for a second signal, which ends it.
func withoutEchoes(in <-chan os.Signal, apart time.Duration) <-chan os.Signal {
	out := make(chan os.Signal, 2)
	go func() {
		var last time.Time
		for s := range in {
			if now := time.Now(); now.Sub(last) >= apart {
				last = now
				out <- s
			}
		}
		close(out)
	}()
	return out
}
