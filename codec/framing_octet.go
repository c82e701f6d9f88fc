package codec

import "fmt"

// Octet counts (RFC 6587, 3.4.1): the length in decimal digits, a space, then that many bytes. All
// but the header is as in framing_length.go.

const octetDigits = 8 // a count has no more

// octetByte takes the next byte of a count. It returns false where that is part of none.
func (d *Decoder) octetByte(c byte) bool {
	switch {
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

// appendOctets appends what has come of the count, which is n. Zeros before it mean nothing.
func (d *Decoder) appendOctets(dst []byte, n uint32) []byte {
	switch d.headerLen {
	case 0:
		return dst
	case inFrame:
		return fmt.Appendf(dst, "%d ", n)
	}
	return fmt.Appendf(dst, "%d", n)
}
