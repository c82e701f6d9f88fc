package bench

import (
	"encoding/binary"

	"github.com/ringtail/ringtail/wire"
)

// stream makes the bytes of one connection: its records from a sequence number
// on, framed.
type stream struct {
	pool    *Pool
	conn    int
	framing wire.Framing
	odd     func(conn int, seq uint64) []byte
	seq     uint64 // of the next record
}

// appendNext appends the next record, framed, and steps on.
func (s *stream) appendNext(dst []byte) []byte {
	from := len(dst)
	if s.framing == wire.Length {
		dst = append(dst, 0, 0, 0, 0)
	}
	var odd []byte
	if s.odd != nil {
		odd = s.odd(s.conn, s.seq)
	}
	if odd != nil {
		dst = append(dst, odd...)
	} else {
		dst = s.pool.Append(dst, s.conn, s.seq)
	}
	switch {
	case s.framing == wire.Length:
		binary.BigEndian.PutUint32(dst[from:], uint32(len(dst)-from-4))
	case s.framing == wire.Newline, s.framing == wire.Auto && (s.seq%4 == 0 || odd != nil):
		dst = append(dst, '\n')
	}
	s.seq++
	return dst
}
