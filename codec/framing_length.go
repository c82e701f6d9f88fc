package codec

import "encoding/binary"

// Frames with their lengths before them. A length has 2 or 4 bytes, in either order (length), or is
// written in digits (framing_octet.go).

// nextFrame is Next where a frame's length stands before it.
func (d *Decoder) nextFrame(r *Router, rec *Record) bool {
	for len(d.chunk) > 0 {
		if d.headerLen < inFrame && !d.frameHeader() {
			return false
		}
		if d.unsure {
			if len(d.chunk) == 0 {
				break
			}
			if !d.confirm(r) {
				return d.mode == modeText && d.nextObject(r, rec)
			}
		}
		n := int(d.need)
		if !d.accepted && d.lengthBytes() == 2 && d.foreignFrame() {
			return false
		}
		if n > len(d.chunk) {
			d.absorb(r, d.chunk)
			d.need -= uint32(len(d.chunk))
			d.chunk = nil
			return false
		}
		if n > 0 && d.seen == 0 {
			// scan may read on into the next frame: what it takes is checked
			// against the border.
			end := r.first(d.chunk, n, true)
			if end == 0 {
				end = r.scan(d.chunk, true)
			}
			if end > 0 && end <= n && len(trimLeft(d.chunk[end:n])) == 0 {
				d.take(r, rec, end)
				d.chunk = d.chunk[n:]
				d.reset()
				return true
			}
		}
		body := d.chunk[:n]
		d.chunk = d.chunk[n:]
		if d.complete(r, rec, body) {
			return true
		}
		d.at.start |= startBlank
	}
	d.chunk = nil
	return false
}

const inFrame = 255 // headerLen, when all of the header is there

// frameHeader reads a length, or as much of it as has come.
func (d *Decoder) frameHeader() bool {
	if d.headerLen == 0 && len(d.chunk) >= 4 && d.framing == Length {
		d.need = binary.BigEndian.Uint32(d.chunk)
		d.chunk = d.chunk[4:]
		d.headerLen = inFrame
	}
	for d.headerLen < inFrame {
		if len(d.chunk) == 0 {
			d.chunk = nil
			return false
		}
		if !d.headerByte(d.chunk[0]) {
			d.misread(BadLength)
			return false
		}
		d.chunk = d.chunk[1:]
		d.need = d.header
	}
	if d.need > MaxLength {
		d.misread(BadLength)
		return false
	}
	return true
}

// lengthByte takes the next byte of a length.
func (d *Decoder) lengthByte(c byte) {
	if d.littleEndian() {
		d.header |= uint32(c) << (8 * d.headerLen)
	} else {
		d.header = d.header<<8 | uint32(c)
	}
	if d.headerLen++; d.headerLen == d.lengthBytes() {
		d.headerLen = inFrame
	}
}

func (d *Decoder) littleEndian() bool {
	return d.framing == LengthLittle || d.framing == Length16Little
}

func (d *Decoder) lengthBytes() uint8 {
	if d.framing == Length16 || d.framing == Length16Little {
		return 2
	}
	return 4
}

// misread fails at a header, which it shows.
func (d *Decoder) misread(f Failure) {
	if d.unsure || !d.accepted && d.foreignHeader() {
		f = Foreign
	}
	d.chunk = append(d.appendHeader(nil), d.chunk[:min(len(d.chunk), MaxPrefix)]...)
	d.fail(f)
}

// foreignFrame fails if a frame and its two-byte length are how TLS or HTTP begins. (Longer lengths
// that are have more than MaxLength.)
func (d *Decoder) foreignFrame() bool {
	if uint32(d.seen)+d.need != d.header { // the frame began with white space, which is gone
		return false
	}
	var begun [2 + 9]byte
	p := d.appendLength(begun[:0], d.header)
	if d.partial != nil {
		p = append(p, d.partial.b[:min(len(d.partial.b), cap(p)-len(p))]...)
	}
	p = append(p, d.chunk[:min(len(d.chunk), int(d.need), cap(p)-len(p))]...)
	if !beginsRequest(p) && !(len(p) > 2 && p[0] == tlsHandshake && p[1] == 3 && p[2] <= 4) {
		return false
	}
	d.foreign(p)
	return true
}

// foreignHeader tells that what was read as a length is how TLS or HTTP begins.
func (d *Decoder) foreignHeader() bool {
	if d.framing == Octet {
		return d.headerLen == 0 && beginsForeign(d.chunk[0], modeJSON)
	}
	p := d.appendHeader(nil)
	for _, c := range p {
		if (c < 'A' || c > 'Z') && c != ' ' {
			return p[0] == tlsHandshake && p[1] == 3
		}
	}
	return p[0] != ' '
}

// appendLength appends what has come of the length, which is n.
func (d *Decoder) appendLength(dst []byte, n uint32) []byte {
	have := min(d.headerLen, d.lengthBytes())
	if d.littleEndian() {
		return append(dst, binary.LittleEndian.AppendUint32(nil, n)[:have]...)
	}
	return append(dst, binary.BigEndian.AppendUint32(nil, n<<(8*(4-have)))[:have]...)
}
