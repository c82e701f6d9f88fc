package codec

import (
	"bytes"
	"encoding/binary"
)

// This file reads what a stream begins with. A byte order mark is white space there, in every
// framing whose records are text. Then auto decides:
//
//	00        lengths of 4 bytes, if behind the first is what a record begins with: a brace or white
//	          space. Else text, if an object begins behind nothing but NULs
//	1 to 9    octet counts, if behind the first are a space and a brace
//	{ [ , RS, white space, a mark       text
//
// With anything else the client speaks another protocol (Foreign). A framing that was believed at
// first sight is unsure until the first record begins.

const bom = "\xef\xbb\xbf"

// begin looks at what a stream begins with, as much of it as has come.
func (d *Decoder) begin(r *Router) {
	if d.at.start&startDecided == 0 {
		d.beginFraming(r)
	}
	if d.at.start&startDecided != 0 {
		d.skipBlanks()
	}
}

// skipBlanks skips the blank records that a stream begins with; nextFrame does it for lengths.
func (d *Decoder) skipBlanks() {
	if d.mode == modeLength || d.seen > 0 {
		d.at.start |= startBegun
		return
	}
	for i, c := range d.chunk {
		if c == d.delimiter() && d.at.start&startLineOpen != 0 {
			d.at.start &^= startLineOpen
		} else if c == d.delimiter() {
			d.at.start |= startBlank
		} else if !isSpace(c) {
			d.chunk = d.chunk[i:]
			d.at.start |= startBegun
			return
		}
	}
	d.chunk = nil
}

// beginFraming looks for a byte order mark, and has auto decide.
func (d *Decoder) beginFraming(r *Router) {
	for len(d.chunk) > 0 && int(d.at.bom) < len(bom) && d.chunk[0] == bom[d.at.bom] {
		d.chunk = d.chunk[1:]
		d.at.bom++
	}
	partial := d.at.bom > 0 && int(d.at.bom) < len(bom)
	if len(d.chunk) == 0 && !(d.ended && partial) && int(d.at.bom) < len(bom) {
		return
	}
	d.at.start = startDecided
	if partial {
		d.absorb(r, []byte(bom[:d.at.bom])) // none: it is part of what follows
	}
	switch {
	case d.mode == modeAuto:
		d.decide()
	case d.at.bom == 0 && len(d.chunk) > 0 && beginsForeign(d.chunk[0], d.mode):
		d.fail(Foreign)
	}
}

// beginsForeign tells by the first byte that the client speaks TLS, or in json HTTP, and must not wait
// for an answer to what is no record. (In lines a request is known by its first one.)
func beginsForeign(c byte, m mode) bool {
	return c == tlsHandshake || m == modeJSON && 'A' <= c && c <= 'Z'
}

// tlsHandshake is the first byte of TLS.
const tlsHandshake = 0x16

// decide chooses auto's framing at the first byte, or behind a byte order mark.
func (d *Decoder) decide() {
	text := int(d.at.bom) == len(bom)
	if !text {
		if d.seen > 0 || len(d.chunk) == 0 {
			d.fail(Foreign)
			return
		}
		c := d.chunk[0]
		d.unsure = c == 0 || '1' <= c && c <= '9'
		text = c == '{' || c == '[' || isSpace(c) || isSeparator(c)
	}
	switch {
	case d.unsure && d.chunk[0] == 0:
		d.mode, d.framing = modeLength, Length
	case d.unsure:
		d.mode, d.framing = modeLength, Octet
	case text:
		d.mode, d.framing = modeText, JSON
	default:
		d.fail(Foreign)
	}
}

// confirm looks at the first byte behind the first header that auto has believed in. It returns
// false where that was wrong: the stream is text then, or has failed.
func (d *Decoder) confirm(r *Router) bool {
	c := d.chunk[0]
	d.unsure = false
	if d.need > 0 && (c == '{' || isSpace(c) && d.framing == Length) || d.need == 0 && c == 0 && d.framing == Length {
		return true
	}
	var header [5]byte
	binary.BigEndian.PutUint32(header[:], d.need)
	header[4] = c
	text := bytes.TrimLeft(header[:], "\x00")
	if d.framing == Octet || text[0] != '{' || len(text) > 1 && text[1] == 0 || bytes.ContainsAny(text[1:], "{}\n") {
		d.misread(Foreign)
		return false
	}
	d.reset()
	d.mode, d.framing = modeText, JSON
	d.at.separators += uint32(len(header) - len(text))
	text = text[:len(text)-1]
	d.text.follow(text, true) // an object's first bytes, and not its last
	d.absorb(r, text)
	return false
}
