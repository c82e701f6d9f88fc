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

// Unauthorized is the Reason of an Answer that rejects no record: the connection did not begin with
// a token that the server knows. Nothing of it was taken.
const Unauthorized = "unauthorized"
