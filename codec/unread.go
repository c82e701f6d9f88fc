package codec

// A caller who looks at bytes that it has not taken yet (MSG_PEEK) feeds them all,
// takes the whole records, and drops the rest, to feed it again when more has come.

// Rest returns how many of the bytes fed last Next has not looked at. What lies
// before them, when Next has just yielded a record, ends with that record's frame.
func (d *Decoder) Rest() int { return len(d.chunk) }

// Mark says that what Next has looked at is taken: Drop goes back no further.
func (d *Decoder) Mark() { d.marked = d.at }

// Separators returns how many bytes were skipped between records since it was last called: commas,
// NULs, RSs, and brackets around.
func (d *Decoder) Separators() uint64 {
	n := uint64(d.at.separators)
	d.at.separators, d.marked.separators = 0, 0
	return n
}

// Owns tells whether the bytes of a record that Next has yielded are the Decoder's own:
// they stay valid beyond the chunk, until the next Feed or Release.
func (d *Decoder) Owns(rec *Record) bool {
	return d.spent != nil && len(d.spent.b) > 0 && len(rec.Data) > 0 && &rec.Data[0] == &d.spent.b[0]
}

// Drop forgets the unfinished record, and all that Next has looked at since Feed, or Mark: as if
// nothing of it had been fed. The Decoder stands between two records.
func (d *Decoder) Drop() {
	d.partial.free()
	d.partial, d.chunk = nil, nil
	d.at = d.marked
	d.reset()
}

// Unread is Drop for a caller who does not have the bytes any more: it appends them
// to dst, in a form that means the same when it is fed again. It answers false, and
// does nothing, where the Decoder has not kept them all: in a record over the limit.
func (d *Decoder) Unread(dst []byte) ([]byte, bool) {
	var held []byte
	if d.partial != nil {
		held = d.partial.b
	}
	if d.failure != 0 || len(held) < d.seen {
		return dst, false
	}
	if !d.at.begun {
		dst = append(dst, bom[:d.at.bom]...)
		d.at.bom = 0
	}
	if d.headerLen > 0 {
		dst = d.appendHeader(dst)
	}
	dst = append(dst, held...)
	d.Mark()
	d.Drop()
	return dst, true
}
