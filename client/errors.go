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
	// Where each server of Address begins so, the Client gives up as with ErrNoAcks; and where none is
	// trusted by TLS, with what crypto/tls says.
	ErrProtocol = errors.New("client: answer that cannot be")
	// ErrNoAcks says that a server took the connection and did not answer the blank record that it
	// begins with: it is not set to --ack kafka, or it hangs. No record was sent to it. The Client
	// gives up, and all calls return this, if no server of Address has ever answered otherwise.
	// Once one has, the Client takes this for an outage, and tries again.
	ErrNoAcks = errors.New("client: the server does not say that it acks (is it set to --ack kafka? does it want a token?)")
	// ErrUnauthorized says that a server closed the connection because it does not know
	// Options.Token, or wants one and there is none. Nothing was taken. The Client gives up as with
	// ErrNoAcks.
	ErrUnauthorized = errors.New("client: the server does not know Token")
	// ErrAckTimeout is the cause of a connection given up for Options.AckTimeout.
	ErrAckTimeout = errors.New("client: no answer within AckTimeout")
)

// RejectError is what SendWait returns for a record that the server rejected.
type RejectError struct {
	Seq    uint64 // the record's number
	Reason string // the server's: bad_json, missing_field, …
}

func (e *RejectError) Error() string {
	return fmt.Sprintf("client: record %d is rejected: %s", e.Seq, e.Reason)
}

// inner is an error of this package inside of another one, whose text names the package already.
type inner struct{ error }

func (e inner) Error() string { return strings.TrimPrefix(e.error.Error(), "client: ") }

func (e inner) Unwrap() error { return e.error }
