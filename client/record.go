package client

import (
	"bytes"
	"fmt"
)

// What may be sent. An ack is a count of records, so the server must find in the
// client's bytes exactly the records that the client put there. In length framing it
// does, unless a record is blank, which it skips. In text it depends on how it is
// set: newline looks for line feeds, json and auto for the brace that closes an
// object. A record passes if it is one record to all of them:
//
//   - it holds no line feed
//   - it begins with a brace, and the brace that closes that one is its last byte;
//     strings, with their escapes, are stepped over
//   - it is not nested too deeply
//
// Whether it is JSON in every other respect is the server's to say: such a record
// it rejects, and counts as one.
//
// The rule has a second use. A server takes what stands before the end of a
// connection as a line, though its line feed may not have been sent yet. No proper
// prefix of an object is an object, so what a broken connection leaves behind is
// rejected there, and never taken for a record.

// depthMax is how deeply braces and brackets may be nested: the server's limit.
const depthMax = 512

// trim takes off the white space that the server would.
func trim(p []byte) []byte { return bytes.Trim(p, " \t\r\n") }

// check says whether a trimmed record may be sent.
func (o *Options) check(p []byte) error {
	switch {
	case len(p) == 0:
		return ErrEmpty
	case len(p) > o.MaxRecordBytes:
		return fmt.Errorf("%w: %d bytes, over MaxRecordBytes %d", ErrTooLarge, len(p), o.MaxRecordBytes)
	case o.Framing == Length:
		return nil
	}
	if i := bytes.IndexByte(p, '\n'); i >= 0 {
		return fmt.Errorf("%w, at byte %d; take it out, or use Length framing", ErrNewline, i)
	}
	return checkObject(p)
}

// structural are the bytes that mean something outside strings.
var structural = [256]bool{'"': true, '{': true, '}': true, '[': true, ']': true}

// checkObject says whether p is one object by its braces.
func checkObject(p []byte) error {
	if p[0] != '{' {
		return fmt.Errorf("%w: it begins with %q", ErrNotObject, p[0])
	}
	braces, brackets := 0, 0
	for i := 0; i < len(p); i++ {
		if !structural[p[i]] {
			continue
		}
		switch p[i] {
		case '"':
			n := stringBytes(p[i:])
			if n == 0 {
				return fmt.Errorf("%w: the string at byte %d does not end", ErrNotObject, i)
			}
			i += n - 1
		case '{':
			braces++
		case '[':
			brackets++
		case ']':
			brackets = max(brackets-1, 0) // one without an open one counts for nothing
		case '}':
			if braces--; braces == 0 && i < len(p)-1 {
				return fmt.Errorf("%w: it ends at byte %d of %d", ErrNotObject, i+1, len(p))
			}
		}
		if braces+brackets > depthMax {
			return fmt.Errorf("%w that a server takes: nested deeper than %d at byte %d", ErrNotObject, depthMax, i)
		}
	}
	if braces > 0 {
		return fmt.Errorf("%w: %d braces are left open", ErrNotObject, braces)
	}
	return nil
}

// stringBytes is the length, quotes included, of the string that p begins with; 0 if
// it does not end. A quote ends it unless an odd number of backslashes stands before.
func stringBytes(p []byte) int {
	for end := 1; ; end++ {
		n := bytes.IndexByte(p[end:], '"')
		if n < 0 {
			return 0
		}
		end += n
		back := end
		for p[back-1] == '\\' {
			back--
		}
		if (end-back)%2 == 0 {
			return end + 1
		}
	}
}
