package client

import (
	"encoding/binary"
	"encoding/json"
)

// Framing says how records are told apart on the wire. The server's --framing must be the same, or
// auto.
type Framing uint8

const (
	// Newline, the default, puts each record on a line of its own. Records must be JSON
	// objects without a line feed.
	Newline Framing = iota
	// Length puts a 4-byte big-endian length before each record.
	Length
)

// String returns the name that the server's --framing has for it.
func (f Framing) String() string {
	return [...]string{"newline", "length"}[f]
}

// unauthorized is the reason of an answer that rejects no record, but the connection: its token.
const unauthorized = "unauthorized"

// hello is what a connection begins with: the token, if there is one, and a blank record. A server
// that acks answers that one with {"acked":0}, and any other is silent.
func hello(f Framing, token string) (p []byte) {
	if token != "" {
		object, _ := json.Marshal(map[string]string{"token": token}) // strings make no errors
		p = appendFramed(p, f, object)
	}
	if f == Newline {
		return append(p, '\n')
	}
	return appendFramed(p, f, []byte{' '})
}

func appendFramed(dst []byte, f Framing, p []byte) []byte {
	if f == Newline {
		return append(append(dst, p...), '\n')
	}
	return append(binary.BigEndian.AppendUint32(dst, uint32(len(p))), p...)
}
