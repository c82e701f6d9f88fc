package codec

import "fmt"

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
