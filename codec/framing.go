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
