package codec

import "fmt"

// Failure tells why a stream cannot be followed any more; 0 while it can. The
// connection is to be closed once the records before it are pushed.
type Failure uint8

const (
	Foreign   Failure = iota + 1 // before any record was accepted: in auto an error, in every framing TLS or an HTTP request
	BadLength                    // a length over MaxLength, or none
	BadStream                    // json: text between objects, or nested too deep
	NoToken                      // it had to begin with a token (token.go)

	// NumFailures is one more than the highest Failure, for arrays indexed by it.
	NumFailures = iota + 1
)

var failureNames = [NumFailures]string{"", "foreign", "bad_length", "bad_stream", "no_token"}

// String returns the failure's label, "" for none.
func (f Failure) String() string {
	if int(f) < len(failureNames) {
		return failureNames[f]
	}
	return fmt.Sprintf("failure(%d)", uint8(f))
}
