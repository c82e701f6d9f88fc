// Command ringtail takes JSON records over TCP and writes them to Kafka in order;
// `ringtail help` names its verbs, and each verb is a file of this directory.
package main

import (
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"golang.org/x/term"
)

func main() {
	crashBySignal()
	signals := make(chan os.Signal)
	hear := hearing(signals)
	hear(syscall.SIGINT, syscall.SIGTERM)
	nohup := signal.Ignored(syscall.SIGHUP) // nohup(1) has it ignored, and it is to end nothing then
	if !nohup {
		hear(syscall.SIGHUP) // the terminal is gone: a stop like any other
	}
	hungUp := terminals(os.Stdin, os.Stderr)
	ends := func(s os.Signal) bool {
		return s == syscall.SIGINT || s == syscall.SIGTERM || s == syscall.SIGHUP && !nohup && hungUp()
	}
	os.Exit(run(os.Args[1:], &process{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Args: os.Args,
		Signals: withoutEchoes(signals, echo, ends), Abort: os.Exit,
		Hear: hear, Ends: ends,
	}))
}

// hearing returns what has signals passed on, however often it is asked for them. Each kind waits by
// itself, since package os/signal drops what finds no place: however many of one kind come, one of
// another is heard.
func hearing(to chan<- os.Signal) (hear func(...os.Signal)) {
	heard := map[os.Signal]bool{}
	return func(kinds ...os.Signal) {
		for _, kind := range kinds {
			if heard[kind] {
				continue
			}
			heard[kind] = true
			of := make(chan os.Signal, 1)
			signal.Notify(of, kind)
			go func() {
				for s := range of {
					to <- s
				}
			}()
		}
	}
}

// terminals returns what tells whether one of the files, which was a terminal, has hung up.
func terminals(files ...*os.File) (hungUp func() bool) {
	var were []*os.File
	for _, f := range files {
		if term.IsTerminal(int(f.Fd())) {
			were = append(were, f)
		}
	}
	return func() bool {
		return slices.ContainsFunc(were, func(f *os.File) bool { return !term.IsTerminal(int(f.Fd())) })
	}
}

// echo is how soon a second signal is the same one again.
const echo = 300 * time.Millisecond

// withoutEchoes passes signals on, but for those that end and come at once behind another of these:
// timeout(1) signals the process and then its group, and whoever drains must not take
// that for a second signal, which ends it.
func withoutEchoes(in <-chan os.Signal, apart time.Duration, ends func(os.Signal) bool) <-chan os.Signal {
	out := make(chan os.Signal, 2)
	go func() {
		var last time.Time
		for s := range in {
			now := time.Now()
			if ends(s) {
				if now.Sub(last) < apart {
					continue
				}
				last = now
			}
			out <- s
		}
		close(out)
	}()
	return out
}
