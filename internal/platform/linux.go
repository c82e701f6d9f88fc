//go:build linux

package platform

import "golang.org/x/sys/unix"

// Caveat is what a server says of the system at its start; "": nothing.
const Caveat = ""

// PollClosed is what poll(2) is asked for to learn that the other side has closed a connection,
// whatever is left to be read.
const PollClosed = unix.POLLRDHUP
