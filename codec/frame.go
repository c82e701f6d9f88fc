package codec

import (
	"bytes"
	"encoding/binary"
)

// nextLine is Next in newline framing.
func (d *Decoder) nextLine(r *Router, rec *Record) bool {
	for len(d.chunk) > 0 {
		if d.seen == 0 {
			if d.chunk = trimLeft(d.chunk); len(d.chunk) == 0 {
				break
			}
			if d.readAhead(r, rec) {
				return true
			}
			if n := r.scan(d.chunk, false); n > 0 {
				if end := blanksEnd(d.chunk, n); end < len(d.chunk) && d.chunk[end] == '\n' {
					d.take(r, rec, n)
					d.chunk = d.chunk[end+1:]
					return true
				}
			}
		}
		end := lineEnd(d.chunk)
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

// nextFrame is Next in length framing.
func (d *Decoder) nextFrame(r *Router, rec *Record) bool {
	for len(d.chunk) > 0 {
		if d.headerLen < 4 && !d.frameHeader() {
			return false
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

// frameHeader reads a length, or as much of it as has come.
func (d *Decoder) frameHeader() bool {
	if d.headerLen == 0 && len(d.chunk) >= 4 {
		d.need = binary.BigEndian.Uint32(d.chunk)
		d.chunk = d.chunk[4:]
		d.headerLen = 4
	}
	for d.headerLen < 4 {
		if len(d.chunk) == 0 {
			d.chunk = nil
			return false
		}
		d.header = d.header<<8 | uint32(d.chunk[0])
		d.chunk = d.chunk[1:]
		d.headerLen++
		d.need = d.header
	}
	if d.need > MaxLength {
		d.fail(BadLength)
		return false
	}
	return true
}
