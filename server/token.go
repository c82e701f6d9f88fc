package server

import (
	"cmp"

	"github.com/ringtail/ringtail/codec"
	"github.com/ringtail/ringtail/server/ack"
)

// takeToken takes the token that c has to show before its first record (--token-file), and returns true
// once it has. The token is no record: it has no ordinal, and nothing but its bytes is counted.
//
// What comes instead of a token that is known is one rejected record, and ends the connection. It
// may hold a secret, so nothing of it is logged, and it is no dead letter.
func (in *intake) takeToken(c *conn) bool {
	if c.dec.Failure() != 0 {
		return false // it has been refused
	}
	if token, found := c.dec.Token(in.tokens); found {
		if name, known := in.env.token(token); known {
			c.owesToken = false
			if in.peeking {
				in.rest = c.dec.Rest()
				c.dec.Mark()
			}
			in.env.clients.name(c, cmp.Or(name, c.name))
			in.setHeaders(c)
			return true
		}
		c.dec.Refuse()
	}
	if c.dec.Failure() != 0 {
		in.refuse(c)
	}
	return false
}

// refuse counts what came in place of a token, and tells the client, if it asked for acks. No acked
// line follows, since nothing was taken. If the server itself ends the connection, the client may
// have had a token, and is told nothing.
func (in *intake) refuse(c *conn) {
	in.counts.rejected[codec.Unauthorized].add(1)
	c.facts.rejected.add(1)
	in.env.samples.token(c)
	if in.byUs || c.why == closedReset {
		return
	}
	c.why = closedUnauthorized
	if c.acks != nil {
		c.acks.Framed(ack.Chunk{
			Rejects: []ack.Reject{{Ordinal: 1, Reason: codec.Unauthorized}}, Framing: c.dec.Framing(),
		})
	}
}
