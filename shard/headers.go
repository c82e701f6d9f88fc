package shard

import "encoding/binary"

// The headers of a batch's records are the same in each, as they stand in Kafka's log (KIP-98):
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

// isHeaders tells whether b is a count of headers and those headers, and nothing else. Writers copy
// headers as they are, so wrong ones would be refused by Kafka for ever.
func isHeaders(b []byte) bool {
	count, b, ok := cutVarint(b)
	if !ok || 2*count > len(b) { // each has two lengths
		return false
	}
	for range 2 * count {
		if _, b, ok = cutText(b); !ok {
			return false
		}
	}
	return len(b) == 0
}
