package codec

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// nextLine is Next where a byte ends a record: LF, or NUL.
func (d *Decoder) nextLine(r *Router, rec *Record) bool {
	delim := byte('\n')
	if d.framing == NUL {
		delim = 0
	}
	for len(d.chunk) > 0 {
		if d.seen == 0 {
			if d.chunk = trimLeft(d.chunk); len(d.chunk) == 0 {
				break
			}
			if delim == '\n' && d.readAhead(r, rec) {
				return true
			}
			if n := r.scan(d.chunk, delim != '\n'); n > 0 {
				if end := blanksEnd(d.chunk, n); end < len(d.chunk) && d.chunk[end] == delim {
					d.take(r, rec, n)
					d.chunk = d.chunk[end+1:]
					return true
				}
			}
		}
		end := bytes.IndexByte(d.chunk, delim)
		if end < 0 {
			d.absorb(r, d.chunk)
			d.chunk = nil
			return false
		}
		line := d.chunk[:end]
		d.chunk = d.chunk[end+1:]
		if !d.complete(r, rec, line) {
			continue
		}
		if rec.Reason != OK && !d.accepted && isRequestLine(rec.Data) {
			d.chunk = rec.Data // Offending
			d.fail(Foreign)
			return false
		}
		return true
	}
	d.chunk = nil
	return false
}

// isRequestLine tells whether a line that is no record begins an HTTP request. A page in a
// browser can be made to send one, to any port, with lines of its choice behind it.
func isRequestLine(line []byte) bool {
	method, rest, ok := bytes.Cut(line, []byte{' '})
	if !ok || len(method) < 3 || len(method) > 7 || len(rest) == 0 {
		return false
	}
	for _, c := range method {
		if c < 'A' || c > 'Z' {
			return false
		}
	}
	return rest[0] == '/' || rest[0] == '*' || bytes.Contains(rest, []byte(" HTTP/"))
}

// blanksEnd returns the index of the first byte from i on that is no white
// space within a line.
func blanksEnd(p []byte, i int) int {
	for i < len(p) && (p[i] == '\r' || p[i] == ' ' || p[i] == '\t') {
		i++
	}
	return i
}

// take yields an object at the beginning of the chunk that scan has taken.
func (d *Decoder) take(r *Router, rec *Record, n int) {
	if n > r.max {
		r.judgeUnusual(rec, d.chunk[:n:n])
	} else {
		r.judgeScanned(rec, d.chunk, n)
	}
	d.accepted = d.accepted || rec.Reason == OK
}

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
	}
	d.chunk = nil
	return false
}

const (
	inFrame     = 255 // headerLen, when all of the header is there
	octetDigits = 8   // an octet count has no more
)

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

// headerByte takes the next byte of a header. It returns false where that is part of none.
func (d *Decoder) headerByte(c byte) bool {
	switch {
	case d.framing != Octet:
		if d.littleEndian() {
			d.header |= uint32(c) << (8 * d.headerLen)
		} else {
			d.header = d.header<<8 | uint32(c)
		}
		if d.headerLen++; d.headerLen == d.lengthBytes() {
			d.headerLen = inFrame
		}
	case c == ' ' && d.headerLen > 0:
		d.headerLen = inFrame
	case isSpace(c) && d.headerLen == 0: // between frames
	case '0' <= c && c <= '9' && d.headerLen < octetDigits:
		d.header = d.header*10 + uint32(c-'0')
		d.headerLen++
	default:
		return false
	}
	return true
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
	if d.unsure {
		f = Foreign
	}
	d.chunk = append(d.appendHeader(nil), d.chunk[:min(len(d.chunk), MaxPrefix)]...)
	d.fail(f)
}

// appendHeader appends the header of the frame under way, as much of it as has come, for the bytes
// that are held of the frame and those to come: white space before the record is not counted any more.
func (d *Decoder) appendHeader(dst []byte) []byte {
	n := d.header
	if d.headerLen == inFrame {
		n = uint32(d.seen) + d.need
	}
	have := min(d.headerLen, d.lengthBytes())
	switch {
	case d.framing == Octet && d.headerLen == inFrame:
		return fmt.Appendf(dst, "%d ", n)
	case d.framing == Octet && d.headerLen > 0: // zeros before it mean nothing
		return fmt.Appendf(dst, "%d", n)
	case d.littleEndian():
		return append(dst, binary.LittleEndian.AppendUint32(nil, n)[:have]...)
	}
	return append(dst, binary.BigEndian.AppendUint32(nil, n<<(8*(4-have)))[:have]...)
}
