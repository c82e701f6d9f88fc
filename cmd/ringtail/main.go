// Command ringtail takes JSON records over TCP and writes them to Kafka in order;
// `ringtail help` names its verbs, and each verb is a file of this directory.
package main

import (
	"os"
	"os/signal"
	"syscall"

	_ "github.com/ringtail/ringtail/internal/timerslack" // for serve
)

func main() {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	os.Exit(run(os.Args[1:], &process{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr,
		Signals: signals, Abort: func() { os.Exit(exitFailed) },
	}))
}
