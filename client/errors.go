package client

import (
	"errors"
	"fmt"
	"strings"
)

// Errors that callers may want to tell apart with errors.Is. An error of Send means that the record
// was not taken. Unless it is ErrClosed or that of the context, sending the same record again gives
// the same error.
var (
	// ErrClosed is returned by Send once Close has been called, and by Flush if
	// Close gave up before everything was acked.
	ErrClosed = errors.New("client: closed")
	// ErrEmpty is returned by Send for a record of white space only, which the
	// server would skip without counting it.
	ErrEmpty = errors.New("client: record is empty")
	// ErrTooLarge is returned by Send for a record over Options.MaxRecordBytes.
	ErrTooLarge = errors.New("client: record is too large")
	// ErrNewline is returned by Send, in newline framing, for a record that holds a
	// line feed: the server would see two.
	ErrNewline = errors.New("client: record holds a newline")
	// ErrNotObject is returned by Send, in newline framing, for a record whose
	// braces do not make it exactly one JSON object.
	ErrNotObject = errors.New("client: record is not one JSON object")
	// ErrProtocol is the cause of a lost connection on which the server said
	// something that cannot be: it is no Ringtail, or somebody garbles its answers.
	ErrProtocol = errors.New("client: answer that cannot be")
	// ErrAckTimeout is the cause of a connection given up for Options.AckTimeout.
	ErrAckTimeout = errors.New("client: no answer within AckTimeout")
)

// stuckError says what a call waited for when its context ended, and what is known
// of the reason.
type stuckError struct {
	what  string
	ctx   error // the context's
	cause error // why the latest connection ended; nil if there is one
}

func (e *stuckError) Error() string {
	if e.cause == nil {
		return fmt.Sprintf("client: %s: %v", e.what, e.ctx)
	}
	return fmt.Sprintf("client: %s: %v; latest connection: %s", e.what, e.ctx, strings.TrimPrefix(e.cause.Error(), "client: "))
}

// Unwrap makes both the context's error and the connection's visible to errors.Is.
func (e *stuckError) Unwrap() []error {
	if e.cause == nil {
		return []error{e.ctx}
	}
	return []error{e.ctx, e.cause}
}
