package shard

import "encoding/binary"

// The headers of a batch's records are encoded once, as they stand in each record of Kafka's log
// (KIP-98), so that a writer can copy them:
//
//	varint count | count times: varint length | name | varint length | value
//
// A varint is an unsigned one of twice the number, which is Kafka's zigzag of a number that is not
// negative. Dead letters have no such headers: their writer makes some of their meta.

// AppendHeaderCount appends what comes before n headers.
func AppendHeaderCount(dst []byte, n int) []byte { return binary.AppendUvarint(dst, uint64(n)<<1) }

// AppendHeader appends one header to dst.
func AppendHeader[T string | []byte](dst []byte, name string, value T) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(name))<<1)
	dst = append(dst, name...)
	dst = binary.AppendUvarint(dst, uint64(len(value))<<1)
	return append(dst, value...)
}

// endsWithHeaders tells whether b, the rest of a batch behind its records, is what AppendHeaders
// appends: writers copy headers as they are, so a wrong one would be refused by Kafka for ever.
func endsWithHeaders(b []byte) bool {
	end := len(b) - headersLength
	if end < 0 || int(binary.LittleEndian.Uint32(b[end:])) != end {
		return false
	}
	count, b, ok := cutVarint(b[:end])
	for range 2 * count { // names and values
		if !ok {
			return false
		}
		var n int
		if n, b, ok = cutVarint(b); ok {
			if ok = n <= len(b); ok {
				b = b[n:]
			}
		}
	}
	return ok && count > 0 && len(b) == 0
}

// cutVarint reads a varint that is no longer than it must be, and returns what is behind it.
func cutVarint(b []byte) (v int, rest []byte, ok bool) {
	u, n := binary.Uvarint(b)
	if n <= 0 || n > 1 && b[n-1] == 0 || u&1 != 0 || u > MaxBytes {
		return 0, nil, false
	}
	return int(u >> 1), b[n:], true
}
