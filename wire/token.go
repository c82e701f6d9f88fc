package wire

import (
	"encoding/binary"
	"encoding/json"
)

// AppendToken appends what a connection begins with where the server has a --token-file:
// {"token":"…"}, framed as Length, or as a line, which is right in Newline, JSON and Auto.
func AppendToken(dst []byte, f Framing, token string) []byte {
	object, _ := json.Marshal(map[string]string{"token": token}) // strings make no errors
	if f == Length {
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(object)))
		return append(dst, object...)
	}
	return append(append(dst, object...), '\n')
}

// AppendBlank appends a blank record, framed like a token. A server that acks answers the first of a
// connection that comes before its records with {"acked":0}; another one is silent.
func AppendBlank(dst []byte, f Framing) []byte {
	if f == Length {
		return append(dst, 0, 0, 0, 1, ' ')
	}
	return append(dst, '\n')
}

// Unauthorized is the Reason of an Answer that rejects no record: the connection did not begin with
// a token that the server knows. Nothing of it was taken.
const Unauthorized = "unauthorized"
