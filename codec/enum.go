package codec

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// Reason is the verdict on a record: OK, or why it is rejected. The names are
// labels of metrics and words on the wire; the set is closed.
type Reason uint8

// The reasons in the order in which they are looked for: a record that is
// wrong in several ways has the first of them that applies, except that the
// last three are not the verdict's (see doc.go).
const (
	OK             Reason = iota
	TooLarge              // over the limit; its bytes were skipped, not held
	Truncated             // the connection ended inside it
	BadUTF8               // not UTF-8
	TooDeep               // nested deeper than MaxDepth
	BadJSON               // not JSON
	NotObject             // JSON, but no object
	MissingField          // no routing field at the top level
	BadNumber             // int() of CPython raises, or an integer literal over MaxDigits digits
	RefusedByKafka        // set aside after routing
	Unauthorized          // no valid token

	// NumReasons is how many there are, for arrays indexed by Reason.
	NumReasons = iota
)

var reasonNames = [NumReasons]string{
	OK:             "ok",
	TooLarge:       "too_large",
	Truncated:      "truncated",
	BadUTF8:        "bad_utf8",
	TooDeep:        "too_deep",
	BadJSON:        "bad_json",
	NotObject:      "not_object",
	MissingField:   "missing_field",
	BadNumber:      "bad_number",
	RefusedByKafka: "refused_by_kafka",
	Unauthorized:   "unauthorized",
}

// String returns the reason's label.
func (r Reason) String() string {
	if int(r) < len(reasonNames) {
		return reasonNames[r]
	}
	return fmt.Sprintf("reason(%d)", uint8(r))
}

// Framing is how records are laid out in a stream.
type Framing uint8

const (
	Auto           Framing = iota // decided by the first bytes (begin.go): Length, Octet or text
	Newline                       // one record a line
	Length                        // a 4-byte big-endian length, then that many bytes
	JSON                          // objects back to back, separators between
	NUL                           // a NUL behind each record
	Octet                         // RFC 6587: the length in decimal digits, a space, then that many bytes
	Length16                      // a length of 2 bytes, big-endian
	LengthLittle                  // of 4, little-endian
	Length16Little                // of 2, little-endian
)

var framingNames = [...]string{
	Auto: "auto", Newline: "newline", Length: "length", JSON: "json", NUL: "nul", Octet: "octet",
	Length16: "length?bytes=2", LengthLittle: "length?endian=little", Length16Little: "length?bytes=2&endian=little",
}

// String returns the framing's name as --framing takes it.
func (f Framing) String() string {
	if int(f) < len(framingNames) {
		return framingNames[f]
	}
	return fmt.Sprintf("framing(%d)", uint8(f))
}

// ParseFraming reads a value of --framing.
func ParseFraming(s string) (Framing, error) {
	unknown := fmt.Errorf("codec: --framing %q is unknown; one of auto, newline, nul, json, octet, length, length?bytes=2|4&endian=big|little", s)
	name, query, asked := strings.Cut(s, "?")
	values, err := url.ParseQuery(query)
	if asked && (err != nil || name != "length") {
		return Auto, unknown
	}
	wide, little := true, false
	for key, value := range values {
		switch {
		case key == "bytes" && len(value) == 1 && (value[0] == "2" || value[0] == "4"):
			wide = value[0] == "4"
		case key == "endian" && len(value) == 1 && (value[0] == "big" || value[0] == "little"):
			little = value[0] == "little"
		default:
			return Auto, unknown
		}
	}
	switch {
	case !wide && little:
		return Length16Little, nil
	case !wide:
		return Length16, nil
	case little:
		return LengthLittle, nil
	}
	if f := slices.Index(framingNames[:], name); f >= 0 {
		return Framing(f), nil
	}
	return Auto, unknown
}

// Failure tells why a stream cannot be followed any more; 0 while it can. The
// connection is to be closed once the records before it are pushed.
type Failure uint8

const (
	Foreign   Failure = iota + 1 // auto: an error before any record was accepted; newline, nul: an HTTP request before any; it speaks something else
	BadLength                    // a length over MaxLength, or none
	BadStream                    // json: text between objects, or nested too deep

	// NumFailures is one more than the highest Failure, for arrays indexed by it.
	NumFailures = iota + 1
)

var failureNames = [NumFailures]string{"", "foreign", "bad_length", "bad_stream"}

// String returns the failure's label, "" for none.
func (f Failure) String() string {
	if int(f) < len(failureNames) {
		return failureNames[f]
	}
	return fmt.Sprintf("failure(%d)", uint8(f))
}
