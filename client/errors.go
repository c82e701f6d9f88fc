package client

import (
	"errors"
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
	// ErrUnauthorized is the cause of a connection that the server closed because it does not know
	// Options.Token, or wants one and there is none. Nothing was taken. The Client tries again: the
	// server reads its tokens again when they change.
	ErrUnauthorized = errors.New("client: the server does not know Token")
	// ErrAckTimeout is the cause of a connection given up for Options.AckTimeout.
	ErrAckTimeout = errors.New("client: no answer within AckTimeout")
)

// inner is an error of this package inside of another one, whose text names the package already.
type inner struct{ error }

func (e inner) Error() string { return strings.TrimPrefix(e.error.Error(), "client: ") }

func (e inner) Unwrap() error { return e.error }
