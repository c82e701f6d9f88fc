package shard

import (
	"encoding/binary"
	"math/bits"
)

// Records lie in a ring as they stand in a batch of Kafka's log (format 2, KIP-98), so that a
// writer can send them as they are. length is that of what follows it; numbers are zigzag varints:
//
//	┌────────┬────────────┬──────┬────────┬─────┬──────┬───────┬───────┬──────────────┬───────────┐
//	│ length │ attributes │ time │ number │ len │ key… │ len   │ value…│ header count │ headers … │
//	│        │ = 0        │ = 0  │        │     │      │       │       │              │           │
//	└────────┴────────────┴──────┴────────┴─────┴──────┴───────┴───────┴──────────────┴───────────┘
//
// number is the record's in its Kafka batch, from 0. All records of a batch have the batch's time.
// A length of -1 says that there is no key. Varints are never longer than they must be: some
// consumers refuse those that are.

// RecordExtra is the most bytes that a record takes in a Kafka batch beside its value, key and
// headers, the headers' count counted to these: five varints and two single bytes, and a header
// count of 0 where there are none.
const RecordExtra = 21

func zigzag(n int) uint64 { return uint64(n) << 1 } // of a number that is not negative

func varintBytes(v uint64) int { return (bits.Len64(v|1) + 6) / 7 }

// putVarint writes v at b[at:] and returns where it ends.
func putVarint(b []byte, at int, v uint64) int {
	for v >= 0x80 {
		b[at] = byte(v) | 0x80
		v >>= 7
		at++
	}
	b[at] = byte(v)
	return at + 1
}

// putRecord writes a record at b[at:] and returns where it ends. headers are AppendHeader's, their
// count first; empty: none.
func putRecord(b []byte, at, number int, value, key, headers []byte) int {
	delta, values := zigzag(number), zigzag(len(value))
	if key == nil && len(headers) == 0 && len(value) >= ordinaryMin && len(value) <= ordinaryMax {
		return putOrdinary(b, at, delta, value)
	}
	length := 3 + varintBytes(delta) + varintBytes(values) + len(value) + max(len(headers), 1)
	if key != nil {
		length += varintBytes(zigzag(len(key))) - 1 + len(key)
	}
	at = putVarint(b, at, zigzag(length))
	b[at], b[at+1] = 0, 0
	at = putVarint(b, at+2, delta)
	if key == nil {
		b[at] = 1 // -1
		at++
	} else {
		at = putVarint(b, at, zigzag(len(key)))
		at += copy(b[at:], key)
	}
	at = putVarint(b, at, values)
	at += copy(b[at:], value)
	if len(headers) == 0 {
		b[at] = 0
		return at + 1
	}
	return at + copy(b[at:], headers)
}

// Of values of so many bytes both lengths have two bytes.
const (
	ordinaryMin = 1 << 6
	ordinaryMax = 1<<13 - 16
)

// putOrdinary is putRecord for most records: no key, no headers, and lengths of two bytes.
func putOrdinary(b []byte, at int, delta uint64, value []byte) int {
	b = b[at:]
	n := 6 + len(value)
	if delta < 0x80 {
		b[4] = byte(delta)
		at += 5
		n++
	} else {
		n += varintBytes(delta)
		at += putVarint(b, 4, delta)
	}
	binary.LittleEndian.PutUint32(b, varint2(n)) // attributes and time are 0
	end := n + 2                                 // of the record
	b = b[end-len(value)-4 : end]
	b[0] = 1 // no key
	binary.LittleEndian.PutUint16(b[1:], uint16(varint2(len(value))))
	copy(b[3:], value)
	b[len(b)-1] = 0 // no headers
	return at + len(b)
}

// varint2 returns the two bytes of the varint of a number from 2^6 to 2^13-1.
func varint2(n int) uint32 { return uint32(n)&0x3f<<1 | 0x80 | uint32(n)>>6<<8 }

// varint reads a varint that putVarint wrote, and returns it and its length.
func varint(b []byte) (v uint64, n int) {
	if b[0] < 0x80 {
		return uint64(b[0]), 1
	}
	return binary.Uvarint(b)
}

// cutRecord reads a record that putRecord wrote. headers are "\x00" where there are none.
func cutRecord(b []byte) (value, key, headers []byte, bytes int) {
	length, at := varint(b)
	bytes = at + int(length>>1)
	at += 2
	_, n := varint(b[at:])
	at += n
	keyBytes, n := varint(b[at:])
	at += n
	if keyBytes != 1 { // -1
		end := at + int(keyBytes>>1)
		key = b[at:end:end]
		at = end
	}
	valueBytes, n := varint(b[at:])
	at += n
	end := at + int(valueBytes>>1)
	return b[at:end:end], key, b[end:bytes:bytes], bytes
}

// checkRecord is cutRecord for bytes that anybody may have written: it returns false unless they
// begin with what putRecord writes of such a record.
func checkRecord(b []byte, number int) (value, key, headers []byte, bytes int, ok bool) {
	length, rest, ok := cutVarint(b)
	if !ok || length > len(rest) || length < 2 || rest[0] != 0 || rest[1] != 0 {
		return nil, nil, nil, 0, false
	}
	bytes = len(b) - len(rest) + length
	rest = rest[2:length:length]
	delta, rest, ok := cutVarint(rest)
	if !ok || delta != number || len(rest) == 0 {
		return nil, nil, nil, 0, false
	}
	if rest[0] == 1 { // -1
		rest = rest[1:]
	} else if key, rest, ok = cutText(rest); !ok {
		return nil, nil, nil, 0, false
	}
	if value, rest, ok = cutText(rest); !ok || !isHeaders(rest) {
		return nil, nil, nil, 0, false
	}
	return value, key, rest, bytes, true
}

// cutText reads a length and that many bytes.
func cutText(b []byte) (text, rest []byte, ok bool) {
	n, rest, ok := cutVarint(b)
	if !ok || n > len(rest) {
		return nil, nil, false
	}
	return rest[:n:n], rest[n:], true
}

// cutVarint reads a varint of a number that is not negative. It must be no longer than necessary.
func cutVarint(b []byte) (v int, rest []byte, ok bool) {
	u, n := binary.Uvarint(b)
	if n <= 0 || n > 1 && b[n-1] == 0 || u&1 != 0 || u > MaxBytes<<1 {
		return 0, nil, false
	}
	return int(u >> 1), b[n:], true
}
