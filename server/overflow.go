package server

import "github.com/ringtail/ringtail/codec"

// overflow is what was read of a connection and cannot go into rings yet: a record, and
// the bytes behind it as they came. While there is one, the connection is not read. It is
// bounded by one read; what a record from several reads has gathered stays where it is.
type overflow struct {
	rec  codec.Record // its Data is buf's, or the decoder's own
	byUs bool         // it is what our ending of the connection made of an unfinished one
	rest []byte
	buf  []byte // what it takes of the heap
}

// newOverflow keeps rec, and with it what the decoder has not looked at of the chunk, which
// is borrowed.
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
