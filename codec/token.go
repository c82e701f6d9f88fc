package codec

import (
	"bytes"
	"encoding/json"
)

// A stream may have to begin with a token. It is framed like a record, and is none:
//
//	{"token":"…"}       this member alone, white space where JSON has it, any escapes in the string
//
// It says who the client is. So nothing of it is stored longer than it takes to read it, nothing
// beyond MaxTokenRecord bytes is waited for, and a stream that begins with anything else has failed.

// MaxTokenRecord is the most bytes that a token's object may have.
const MaxTokenRecord = 4 << 10

// NewTokenRouter returns what Decoder.Token needs. It may be shared like any other Router: not at
// all.
func NewTokenRouter() *Router {
	return &Router{names: [2]string{"token"}, field: newName("token"), shards: 1, max: MaxTokenRecord}
}

// Token is Next for a stream's first record, where that has to be a token. It returns the token,
// which aliases the chunk or is memory of its own, and true; or false, if it has not come whole, or
// if the stream has failed. The Decoder then stands behind it. To be called until it returns true.
func (d *Decoder) Token(r *Router) (token []byte, found bool) {
	var rec Record
	if !d.Next(r, &rec) {
		if d.over {
			d.Refuse()
		}
		return nil, false
	}
	if rec.Reason != TooLarge && rec.Reason != Truncated {
		token, found = tokenOf(rec.Data)
	}
	if d.accepted = found; !found { // who has a token speaks what is spoken here
		d.Refuse()
	}
	d.at.start = startDecided // the records begin here
	if d.mode == modeText || d.mode == modeJSON {
		d.at.start |= startLineOpen
	}
	return token, found
}

// Refuse ends a stream that did not begin with a token that is known.
func (d *Decoder) Refuse() { d.fail(NoToken) }

// tokenOf returns the token of {"token":"…"}.
func tokenOf(data []byte) (token []byte, ok bool) {
	for _, part := range [...]string{"{", `"token"`, ":"} {
		if data, ok = bytes.CutPrefix(trimLeft(data), []byte(part)); !ok {
			return nil, false
		}
	}
	if data, ok = bytes.CutSuffix(data, []byte("}")); !ok {
		return nil, false
	}
	var text *string
	if json.Unmarshal(data, &text) != nil || text == nil {
		return nil, false
	}
	return []byte(*text), true
}
