package ack

import (
	"encoding/binary"
	"strconv"

	"github.com/ringtail/ringtail/codec"
)

// What a client is told: JSON objects, each in the client's own framing.
//
//	text     {"acked":17}\n
//	nul      {"acked":17} 00
//	octet    12 {"acked":17}
//	length   00 00 00 0c {"acked":17}        as many bytes, and in that order, as the client's
//
//	{"acked":0}                          to a client that begins with a blank record: acks will come
//	{"acked":N}                          the first N records are done for good
//	{"rejected":K,"reason":"bad_json"}   the K-th record, from 1, was rejected

// lineMax is more than any line has: two numbers of 20 digits would fit.
const lineMax = 96

// scratchBytes is how much is formatted at a time: one write.
const scratchBytes = 4 << 10

func appendAcked(dst []byte, n uint64, f codec.Framing) []byte {
	dst, at := beginLine(dst, f)
	dst = append(dst, `{"acked":`...)
	dst = strconv.AppendUint(dst, n, 10)
	dst = append(dst, '}')
	return endLine(dst, at, f)
}

func appendRejected(dst []byte, r Reject, f codec.Framing) []byte {
	dst, at := beginLine(dst, f)
	dst = append(dst, `{"rejected":`...)
	dst = strconv.AppendUint(dst, r.Ordinal, 10)
	dst = append(dst, `,"reason":"`...)
	dst = append(dst, r.Reason.String()...)
	dst = append(dst, `"}`...)
	return endLine(dst, at, f)
}

// beginLine leaves room for a line's length, and returns where the line begins.
func beginLine(dst []byte, f codec.Framing) ([]byte, int) {
	const room = "0000"
	switch f {
	case codec.Length, codec.LengthLittle:
		dst = append(dst, room...)
	case codec.Length16, codec.Length16Little:
		dst = append(dst, room[:2]...)
	case codec.Octet:
		dst = append(dst, room[:3]...)
	}
	return dst, len(dst)
}

func endLine(dst []byte, at int, f codec.Framing) []byte {
	n := len(dst) - at
	switch f {
	case codec.Length:
		binary.BigEndian.PutUint32(dst[at-4:], uint32(n))
	case codec.LengthLittle:
		binary.LittleEndian.PutUint32(dst[at-4:], uint32(n))
	case codec.Length16:
		binary.BigEndian.PutUint16(dst[at-2:], uint16(n))
	case codec.Length16Little:
		binary.LittleEndian.PutUint16(dst[at-2:], uint16(n))
	case codec.Octet: // the shortest line has 11 bytes, and lineMax has two digits
		dst[at-3], dst[at-2], dst[at-1] = '0'+byte(n/10), '0'+byte(n%10), ' '
	case codec.NUL:
		return append(dst, 0)
	default:
		return append(dst, '\n')
	}
	return dst
}

// rejectQueue has rejected records until their lines can be written, in two or three bytes each:
// the reason, and how far the ordinal is from the one before. A client can cause one with two bytes
// of input. Queued as lines of forty bytes, they would take twenty times the memory that was sent.
type rejectQueue struct {
	buf      []byte
	off      int
	in, outv uint64 // the last ordinal pushed, and popped
}

func (q *rejectQueue) empty() bool { return q.off == len(q.buf) }
func (q *rejectQueue) bytes() int  { return len(q.buf) - q.off }

func (q *rejectQueue) push(r Reject) {
	q.buf = append(q.buf, byte(r.Reason))
	q.buf = binary.AppendVarint(q.buf, int64(r.Ordinal-q.in))
	q.in = r.Ordinal
}

func (q *rejectQueue) pop() Reject {
	reason := codec.Reason(q.buf[q.off])
	delta, n := binary.Varint(q.buf[q.off+1:])
	q.off += 1 + n
	q.outv += uint64(delta)
	if q.empty() {
		q.buf, q.off = q.buf[:0], 0
	}
	return Reject{Ordinal: q.outv, Reason: reason}
}
