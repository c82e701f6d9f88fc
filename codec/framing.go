package codec

import "github.com/ringtail/ringtail/wire"

// Framing is how records are laid out in a stream. Package wire has their words, which clients use
// as well.
type Framing = wire.Framing

// The framings, with the file that cuts the records of each out of a stream.
const (
	Auto           = wire.Auto    // framing_auto.go
	Newline        = wire.Newline // framing_newline.go
	NUL            = wire.NUL     // framing_newline.go
	JSON           = wire.JSON    // framing_json.go
	Octet          = wire.Octet   // framing_octet.go
	Length         = wire.Length  // framing_length.go, and the others with lengths
	Length16       = wire.Length16
	LengthLittle   = wire.LengthLittle
	Length16Little = wire.Length16Little
)

// A new framing needs four places: its word in wire/framing.go; what this file says of it; its own
// file, framing_NAME.go; and how the server frames its answers, in server/ack/wire.go. Its model is
// in testdata/oracle.py, and TestStreamsAgainstModel asks for it.

// mode is which function of a Decoder finds the next record.
type mode uint8

const (
	modeAuto   mode = iota // nothing seen yet
	modeText               // auto, text: an error goes on at the next object, or behind the next LF
	modeLine               // newline, nul
	modeLength             // each frame has its length before it, in one of several ways
	modeJSON               // text, an error is the end
)

// modeOf returns the mode in which a stream begins.
func modeOf(f Framing) mode {
	switch f {
	case Auto:
		return modeAuto
	case Newline, NUL:
		return modeLine
	case JSON:
		return modeJSON
	}
	return modeLength
}

// Bounded tells whether a stream in this framing can have no record over MaxLength. Auto can, since it
// may find text. Length16 is left out: its own bound is lower, and its two bytes show it.
func Bounded(f Framing) bool {
	return modeOf(f) == modeLength && f != Length16 && f != Length16Little
}

// delimiter returns the byte that ends a record in modeLine.
func (d *Decoder) delimiter() byte {
	if d.framing == NUL {
		return 0
	}
	return '\n'
}

// headerByte takes the next byte of a header in modeLength. It returns false where c is part of
// none.
func (d *Decoder) headerByte(c byte) bool {
	if d.framing == Octet {
		return d.octetByte(c)
	}
	d.lengthByte(c)
	return true
}

// appendHeader appends the header of the frame under way, as much of it as has come, for the bytes
// that are held of the frame and those to come: white space before the record is not counted any
// more.
func (d *Decoder) appendHeader(dst []byte) []byte {
	n := d.header
	if d.headerLen == inFrame {
		n = uint32(d.seen) + d.need
	}
	if d.framing == Octet {
		return d.appendOctets(dst, n)
	}
	return d.appendLength(dst, n)
}
