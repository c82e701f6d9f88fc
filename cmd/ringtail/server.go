//go:build !windows

package main

import (
	"os"
	"runtime/debug"
	"strconv"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/ringtail/ringtail/internal/node"
	"github.com/ringtail/ringtail/producer"
)

// What the other verbs take of the server; server_windows.go is without one.

const hasLibrdkafka = producer.HasLibrdkafka

func librdkafkaVersion() string { return producer.LibrdkafkaVersion() }

// told tells whether the log has said the error.
func told(err error) bool { return node.Told(err) }

// serveVars are values of serve's flags.
var serveVars = kong.Vars{
	"max_connections":  strconv.Itoa(node.MaxConnectionsDefault),
	"max_record_bytes": strconv.Itoa(node.MaxRecordBytesDefault),
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
