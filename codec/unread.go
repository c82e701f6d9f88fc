package codec

// A caller may look at bytes without taking them off the socket (MSG_PEEK). It feeds all of them,
// takes the whole records, and drops the rest, which it feeds again when more has come.

// Rest returns how many bytes of the chunk Next has not looked at. If Next has just returned a
// record, the bytes before them end with that record's frame.
func (d *Decoder) Rest() int { return len(d.chunk) }

// Mark says that what Next has looked at is taken. Drop does not go back behind it.
func (d *Decoder) Mark() { d.marked = d.at }

// Separators returns how many bytes were skipped between records since it was last called: commas,
// NULs, RSs, and brackets around.
func (d *Decoder) Separators() uint64 {
	n := uint64(d.at.separators)
	d.at.separators, d.marked.separators = 0, 0
	return n
}

// Owns tells whether the bytes of a record that Next has returned belong to the Decoder. If so they
// stay valid beyond the chunk, until the next Feed or Release.
func (d *Decoder) Owns(rec *Record) bool {
	return d.spent != nil && len(d.spent.b) > 0 && len(rec.Data) > 0 && &rec.Data[0] == &d.spent.b[0]
}

// Drop forgets the unfinished record, and everything that Next has looked at since Feed or Mark, as
// if it had not been fed. The Decoder then stands between two records.
func (d *Decoder) Drop() {
	d.partial.free()
	d.partial, d.chunk = nil, nil
	d.at = d.marked
	d.reset()
}

// Unread is Drop for a caller that does not have the bytes any more. It appends them to dst, in a
// form that means the same when it is fed again. It returns false, and does nothing, if the Decoder
// has not stored all of them, which is so in a record over the limit.
func (d *Decoder) Unread(dst []byte) ([]byte, bool) {
	var stored []byte
	if d.partial != nil {
		stored = d.partial.b
	}
	if d.failure != 0 || len(stored) < d.seen {
		return dst, false
	}
	if d.at.start&startDecided == 0 {
		dst = append(dst, bom[:d.at.bom]...)
		d.at.bom = 0
	}
	if d.headerLen > 0 {
		dst = d.appendHeader(dst)
	}
	dst = append(dst, stored...)
	d.Mark()
	d.Drop()
	return dst, true
}
