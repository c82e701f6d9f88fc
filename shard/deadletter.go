package shard

import "encoding/binary"

// Letter is what a dead letter tells beside the record's bytes; the writer makes
// Kafka headers of it.
type Letter struct {
	Reason    string
	Remote    string
	Truncated int // whole size of the record in bytes where it was cut, else 0
}

// AppendLetterMeta appends a letter's meta to dst:
//
//	uvarint truncated | byte len(reason) | reason | remote
func AppendLetterMeta(dst []byte, reason, remote string, truncated int) []byte {
	dst = binary.AppendUvarint(dst, uint64(truncated))
	dst = append(dst, byte(len(reason)))
	dst = append(dst, reason...)
	return append(dst, remote...)
}

// ParseLetterMeta is the reverse of AppendLetterMeta; bytes that it did not make
// give a letter without reason.
func ParseLetterMeta(meta []byte) Letter {
	t, n := binary.Uvarint(meta)
	if n <= 0 || n >= len(meta) {
		return Letter{}
	}
	k := int(meta[n])
	rest := meta[n+1:]
	if k > len(rest) {
		return Letter{}
	}
	return Letter{Reason: string(rest[:k]), Remote: string(rest[k:]), Truncated: int(t)}
}
