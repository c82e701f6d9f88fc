package codec

import "encoding/binary"

// A caller who looks at bytes that it has not taken yet (MSG_PEEK) feeds them all,
// takes the whole records, and drops the rest, to feed it again when more has come.

// Rest returns how many of the bytes fed last Next has not looked at. What lies
// before them, when Next has just yielded a record, ends with that record's frame.
func (d *Decoder) Rest() int { return len(d.chunk) }

// Owns tells whether the bytes of a record that Next has yielded are the Decoder's own:
// they stay valid beyond the chunk, until the next Feed or Release.
func (d *Decoder) Owns(rec *Record) bool {
	return d.spent != nil && len(d.spent.b) > 0 && len(rec.Data) > 0 && &rec.Data[0] == &d.spent.b[0]
}

// Drop forgets the unfinished record, as if nothing of it had been fed, and what
// Next has not looked at. The Decoder stands between two records.
func (d *Decoder) Drop() {
	d.carry.free()
	d.carry, d.chunk = nil, nil
	d.reset()
}

// Unfeed is Drop for a caller who does not have the bytes any more: it appends them
// to dst, in a form that means the same when it is fed again. It answers false, and
// does nothing, where the Decoder has not kept them all: in a record over the limit.
func (d *Decoder) Unfeed(dst []byte) ([]byte, bool) {
	var held []byte
	if d.carry != nil {
		held = d.carry.b
	}
	if d.failure != 0 || len(held) < d.seen {
		return dst, false
	}
	if d.mode == modeLength && d.headerLen > 0 {
		var header [4]byte
		if d.headerLen == 4 { // white space before the record is not counted any more
			binary.BigEndian.PutUint32(header[:], uint32(d.seen)+d.need)
		} else {
			binary.BigEndian.PutUint32(header[:], d.header<<(8*(4-d.headerLen)))
		}
		dst = append(dst, header[:d.headerLen]...)
	}
	dst = append(dst, held...)
	d.Drop()
	return dst, true
}
