package codec

import "bytes"

// nextLine is Next in newline and nul, where a byte ends a record: LF, or NUL.
func (d *Decoder) nextLine(r *Router, rec *Record) bool {
	delim := d.delimiter()
	for len(d.chunk) > 0 {
		if d.seen == 0 {
			if d.chunk = trimLeft(d.chunk); len(d.chunk) == 0 {
				break
			}
			if delim == '\n' && d.startLookahead(r, rec) {
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
			if d.absorb(r, d.chunk); delim == 0 && !d.accepted && d.partial != nil && beginsRequest(d.partial.b) {
				d.foreign(d.partial.b) // no NUL will come
				return false
			}
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

// beginsRequest is isRequestLine where no more may have come than the beginning of a line.
func beginsRequest(p []byte) bool {
	for i, c := range p[:min(len(p), 8)] {
		if c == ' ' {
			return i >= 3 && i+1 < len(p) && (p[i+1] == '/' || p[i+1] == '*')
		}
		if c < 'A' || c > 'Z' {
			return false
		}
	}
	return false
}

// foreign fails with what the client began with.
func (d *Decoder) foreign(begun []byte) {
	d.chunk = append([]byte(nil), begun[:min(len(begun), MaxPrefix)]...)
	d.fail(Foreign)
}

// blanksEnd returns the index of the first byte from i on that is no white
// space within a line.
func blanksEnd(p []byte, i int) int {
	for i < len(p) && (p[i] == '\r' || p[i] == ' ' || p[i] == '\t') {
		i++
	}
	return i
}
