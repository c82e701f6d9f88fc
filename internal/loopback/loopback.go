// Package loopback gives each test process an address of its own.
//
// A port that a test has closed may be given to another test's listener at once. Kafka clients that
// still dial that port then talk to a stranger. They dial 127.0.0.1, and nobody else listens where
// this process does.
package loopback

import (
	"fmt"
	"os"
)

// Any is an address to listen on, with a port of the kernel's choice.
func Any() string {
	pid := os.Getpid()
	return fmt.Sprintf("127.%d.%d.%d:0", 1+pid>>16&0x7f, pid>>8&0xff, pid&0xff)
}
