package server

import "github.com/ringtail/ringtail/codec"

// overflow is what was read of a connection and cannot go into rings yet: a record, and the bytes
// behind it as they came. While a connection has one, nobody reads it. An overflow has one read at
// most. What the decoder has gathered of a record from several reads stays in the decoder.
type overflow struct {
	rec  codec.Record // its Data lies in buf, or in the decoder
	byUs bool         // rec was unfinished when the server ended the connection
	rest []byte       // the bytes behind rec, in buf
	buf  []byte       // the memory that the overflow takes

	waited int64 // for how long its bytes were not taken before they became an overflow, ns
}

// newOverflow copies rec, and the bytes of the chunk that the decoder has not looked at.
func newOverflow(dec *codec.Decoder, rec *codec.Record, chunk []byte) *overflow {
	o := &overflow{rec: *rec}
	o.rec.Key = nil // may be scratch; Judge finds it again
	data, rest := rec.Data, chunk[len(chunk)-dec.Rest():]
	if dec.Owns(rec) {
		data = nil
	}
	o.buf = append(append(make([]byte, 0, len(data)+len(rest)), data...), rest...)
	if o.rest = o.buf[len(data):]; data != nil {
		o.rec.Data = o.buf[:len(data):len(data)]
	}
	return o
}
