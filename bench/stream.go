package bench

import (
	"encoding/binary"

	"github.com/ringtail/ringtail/wire"
)

// appendNext appends a connection's next record, framed, and steps on.
func (c *connection) appendNext(dst []byte) []byte {
	from, framing := len(dst), c.load.options.Framing
	if framing == wire.Length {
		dst = append(dst, 0, 0, 0, 0)
	}
	var odd []byte
	if f := c.load.options.Odd; f != nil {
		odd = f(c.conn, c.seq)
	}
	if odd != nil {
		dst = append(dst, odd...)
	} else {
		dst = c.load.pool.Append(dst, c.conn, c.seq)
	}
	switch {
	case framing == wire.Length:
		binary.BigEndian.PutUint32(dst[from:], uint32(len(dst)-from-4))
	case framing == wire.Newline, framing == wire.Auto && (c.seq%4 == 0 || odd != nil):
		dst = append(dst, '\n')
	}
	c.seq++
	return dst
}
