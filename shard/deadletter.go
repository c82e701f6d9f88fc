package shard

import "encoding/binary"

// DeadLetter is what a dead letter tells beside the record's bytes; the writer makes
// Kafka headers of it.
type DeadLetter struct {
	Reason    string
	Remote    string
	Truncated int // whole size of the record in bytes where it was cut, else 0
}

// AppendDeadLetterMeta appends a dead letter's meta to dst:
//
//	uvarint truncated | byte len(reason) | reason | remote
func AppendDeadLetterMeta(dst []byte, reason, remote string, truncated int) []byte {
	dst = binary.AppendUvarint(dst, uint64(truncated))
	dst = append(dst, byte(len(reason)))
	dst = append(dst, reason...)
	return append(dst, remote...)
}

// ParseDeadLetterMeta is the reverse of AppendDeadLetterMeta; bytes that it did not make
// give a dead letter without reason.
func ParseDeadLetterMeta(meta []byte) DeadLetter {
	t, n := binary.Uvarint(meta)
	if n <= 0 || n >= len(meta) {
		return DeadLetter{}
	}
	k := int(meta[n])
	rest := meta[n+1:]
	if k > len(rest) {
		return DeadLetter{}
	}
	return DeadLetter{Reason: string(rest[:k]), Remote: string(rest[k:]), Truncated: int(t)}
}
