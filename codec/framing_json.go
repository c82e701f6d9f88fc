package codec

import "math/bits"

// Text is objects back to back. What people put between them is skipped and counted: commas, NULs,
// RSs (RFC 7464), and the brackets of arrays whose elements they are. Where an object ends is
// decided by its braces alone, so that a record that is wrong inside has an end as well:
//
//   - outside strings, braces and brackets are counted; a closing bracket
//     without an open one counts for nothing
//   - the object ends with the brace that closes its first one, whatever
//     brackets are open
//   - open braces and open brackets together are its depth
//   - a string begins and ends with a quote; in it a backslash takes the next
//     byte with it

// object is where the framer stands in an object.
type object struct {
	braces   uint32
	brackets uint32
	inString bool
	escaped  bool // in a string, behind a backslash
	tooDeep  bool // and followed to its end all the same
}

// event is why follow stopped.
type event uint8

const (
	eventMore    event = iota // the bytes are used up
	eventClosed               // the object is whole
	eventDeep                 // nested deeper than MaxDepth
	eventNewline              // a raw LF, where LF ends lines
)

// follow goes on through p and returns how many bytes it took, the one that
// stopped it included.
func (o *object) follow(p []byte, lf bool) (int, event) {
	also := stopMask(lf)
	for i := 0; i < len(p); i++ {
		if o.inString {
			if i = o.followString(p, i); i == len(p) {
				break
			}
			if p[i] == '"' {
				o.inString = false
			} else if lf {
				return i + 1, eventNewline
			}
			continue
		}
		switch p[i] {
		case '"':
			o.inString = true
		case '{':
			if o.braces++; o.braces+o.brackets > MaxDepth && !o.tooDeep {
				return i + 1, eventDeep
			}
		case '[':
			if o.brackets++; o.braces+o.brackets > MaxDepth && !o.tooDeep {
				return i + 1, eventDeep
			}
		case ']':
			if o.brackets > 0 {
				o.brackets--
			}
		case '}':
			if o.braces--; o.braces == 0 {
				return i + 1, eventClosed
			}
		case '\n':
			if lf {
				return i + 1, eventNewline
			}
		default:
			i = skipPlain(p, i+1, also) - 1
		}
	}
	return len(p), eventMore
}

// stopMask is what skipPlain stops at besides quotes and brackets: LF where it ends
// lines, else quotes once more.
func stopMask(lf bool) uint64 {
	if lf {
		return '\n' * ones
	}
	return '"' * ones
}

// skipPlain returns the index of the first byte from i on that structural marks.
func skipPlain(p []byte, i int, also uint64) int {
	for ; i <= len(p)-8; i += 8 {
		if m := structural(load(p, i), also); m != 0 {
			return i + bits.TrailingZeros64(m)>>3
		}
	}
	for i < len(p) && structural(uint64(p[i]), also)&0x80 == 0 {
		i++
	}
	return i
}

// structural marks the bytes that matter outside strings: quotes, brackets, and those
// of also. An opening bracket is an opening brace but for one bit, and so are the
// closing ones.
func structural(w, also uint64) uint64 {
	folded := w | ' '*ones
	opening, closing, quote := folded^'{'*ones, folded^'}'*ones, w^'"'*ones
	also ^= w
	return ((opening - ones) | (closing - ones) | (quote - ones) | (also - ones)) & highs &^ w
}

// followString goes on inside a string and returns the index of its closing
// quote or of an LF, len(p) where there is neither.
func (o *object) followString(p []byte, i int) int {
	for i < len(p) {
		switch c := p[i]; {
		case o.escaped:
			o.escaped = false
			if c == '\n' {
				return i
			}
			i++
		case c == '"' || c == '\n':
			return i
		case c == '\\':
			o.escaped = true
			i++
		case c < ' ':
			i++
		default:
			i = skipText(p, i+1)
		}
	}
	return i
}

// skipText returns the index of the first byte from i on that matters in a string:
// quote, backslash, control characters.
func skipText(p []byte, i int) int {
	for ; i <= len(p)-8; i += 8 {
		w := load(p, i)
		if m := special(w) &^ w; m != 0 {
			return i + bits.TrailingZeros64(m)>>3
		}
	}
	for i < len(p) && p[i] != '"' && p[i] != '\\' && p[i] >= ' ' {
		i++
	}
	return i
}

// isSeparator tells whether c may stand between two objects, and means nothing.
func isSeparator(c byte) bool { return c == ',' || c == 0 || c == '\x1e' }

// nextObject is Next in json framing, and in auto that has become text.
func (d *Decoder) nextObject(r *Router, rec *Record) bool {
	lf := d.mode == modeText
	for len(d.chunk) > 0 {
		if d.region {
			if done, found := d.skipRegion(r, rec); done {
				return found
			}
			continue
		}
		if d.text.braces == 0 {
			if d.seen == 0 {
				if d.chunk = trimLeft(d.chunk); len(d.chunk) == 0 {
					break
				}
			}
			if d.seen > 0 || d.chunk[0] != '{' {
				if done, found := d.gap(r, rec); done {
					return found
				}
				continue
			}
			if d.startLookahead(r, rec) {
				return true
			}
			if n := r.scan(d.chunk, !lf); n > 0 {
				d.take(r, rec, n)
				d.chunk = d.chunk[n:]
				return true
			}
		}
		n, ev := d.text.follow(d.chunk, lf)
		p := d.chunk[:n]
		switch {
		case ev == eventMore:
			d.absorb(r, p)
		case ev == eventClosed:
			d.chunk = d.chunk[n:]
			return d.complete(r, rec, p)
		case !lf || !d.accepted:
			_, found := d.stray(r, rec, n, [...]Reason{eventDeep: TooDeep, eventNewline: BadJSON}[ev])
			return found
		case ev == eventDeep: // it has an end as well
			d.text.tooDeep = true
			d.absorb(r, p)
		case ev == eventNewline:
			d.chunk = d.chunk[n:]
			return d.complete(r, rec, p)
		}
		d.chunk = d.chunk[n:]
	}
	d.chunk = nil
	return false
}

// gap goes on between two objects, at a byte that begins none. Opening brackets wait, in partial
// from chunk to chunk, for what comes behind them: an object, or an error that begins with them.
func (d *Decoder) gap(r *Router, rec *Record) (done, found bool) {
	first := 0 // of the brackets in this chunk
	for i, c := range d.chunk {
		switch {
		case isSpace(c):
		case d.seen > 0 && d.opens == 0: // the half of a byte order mark
			return d.stray(r, rec, i+1, BadJSON)
		case c == '[' && d.opens+d.at.arrays < MaxDepth:
			if d.opens++; d.opens == 1 {
				first = i
			}
		case c == '{':
			d.at.arrays += d.opens
			d.at.separators += uint32(d.opens)
			d.partial.free()
			d.partial = nil
			d.reset()
			d.chunk = d.chunk[i:]
			return false, false
		case d.opens > 0:
			d.chunk = d.chunk[first:]
			return d.stray(r, rec, i+1-first, BadJSON)
		case isSeparator(c):
			d.at.separators++
		case c == ']' && d.at.arrays > 0:
			d.at.arrays--
			d.at.separators++
		default:
			d.chunk = d.chunk[i:]
			return d.stray(r, rec, 1, BadJSON)
		}
	}
	if d.opens > 0 || d.seen > 0 {
		d.absorb(r, d.chunk[first:])
	}
	d.chunk = nil
	return true, false
}

// stray handles an error that begins with the chunk, or in partial, and shows n bytes into the
// chunk. In json it ends the stream, behind a rejected record of the text up to here; in auto what
// it is part of reaches to the next object or the end of the line, unless nothing was accepted
// before.
func (d *Decoder) stray(r *Router, rec *Record, n int, reason Reason) (done, found bool) {
	p := d.chunk[:n]
	switch {
	case d.mode == modeJSON:
		d.absorb(r, p)
		d.chunk = d.chunk[n:]
		over := d.over
		d.finish(nil, rec)
		d.fail(BadStream)
		if rec.Reason = reason; over {
			rec.Reason = TooLarge
		}
		return true, true
	case !d.accepted:
		if d.partial != nil {
			d.absorb(r, p)
		}
		d.fail(Foreign)
		return true, false
	}
	d.absorb(r, p[:n-1])
	d.chunk = d.chunk[n-1:]
	d.region = true
	return false, false
}

// skipRegion looks for what ends an error: an LF, or the brace with which the next object begins.
// What came before it is one record, and rejected: it is no object.
func (d *Decoder) skipRegion(r *Router, rec *Record) (done, found bool) {
	end := -1
	for inside := true; inside; {
		end = skipPlain(d.chunk, end+1, stopMask(true))
		inside = end < len(d.chunk) && d.chunk[end] != '\n' && d.chunk[end] != '{'
	}
	p := d.chunk[:end]
	if end == len(d.chunk) {
		d.absorb(r, p)
		d.chunk = nil
		return true, false
	}
	if d.chunk[end] == '\n' {
		end++
	}
	d.chunk = d.chunk[end:]
	found = d.complete(r, rec, p)
	return found, found
}
