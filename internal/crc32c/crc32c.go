// Package crc32c is the checksum of Kafka's record batches and of ring files, CRC-32C, with what
// the standard library lacks: the checksum of two runs of bytes from the checksums of each.
//
// A CRC is linear: that of A and B is that of A, moved over as many zeros as B has bytes, XOR that
// of B. To move it over 2^k zeros is to multiply it with a constant, which tables of 4 times 256
// words do in four loads; a length takes one such step for each of its bits that is set.
package crc32c

import (
	"hash/crc32"
	"math/bits"
)

var (
	polynomial = crc32.MakeTable(crc32.Castagnoli)
	steps      = makeSteps()
)

// lengthBits is the most bits of a length that Join takes.
const lengthBits = 31

// step moves a checksum over 2^k zeros: word [i][v] is where byte i of the checksum goes if it is
// v.
type step [4][256]uint32

// Sum returns the checksum of b.
func Sum(b []byte) uint32 { return crc32.Update(0, polynomial, b) }

// Update returns the checksum of the bytes whose checksum is sum and of b behind them.
func Update(sum uint32, b []byte) uint32 { return crc32.Update(sum, polynomial, b) }

// Join returns the checksum of two runs of bytes, one behind the other, from the checksum of each
// and the length of the second, in bytes, below 2^31.
func Join(first, second uint32, length int) uint32 {
	for n := uint32(length); n != 0; n &= n - 1 {
		s := &steps[bits.TrailingZeros32(n)]
		first = s[0][first&0xff] ^ s[1][first>>8&0xff] ^ s[2][first>>16&0xff] ^ s[3][first>>24]
	}
	return first ^ second
}

// Append returns the checksum of the bytes whose checksum is sum and of b behind them, whose own is
// known. Of few bytes it is quicker to compute than to join.
func Append(sum uint32, b []byte, own uint32) uint32 {
	if len(b) < 512 {
		return Update(sum, b)
	}
	return Join(sum, own, len(b))
}

func makeSteps() *[lengthBits]step {
	all := new([lengthBits]step)
	var columns [32]uint32 // where each bit goes
	for i := range columns {
		v := uint32(1) << i
		for range 8 { // over one zero byte
			v = v>>1 ^ crc32.Castagnoli&-(v&1)
		}
		columns[i] = v
	}
	for k := range all {
		s := &all[k]
		for i := range s {
			for v := 1; v < 256; v++ {
				low := bits.TrailingZeros(uint(v))
				s[i][v] = s[i][v&(v-1)] ^ columns[8*i+low]
			}
		}
		for i, v := range columns { // twice as far
			columns[i] = s[0][v&0xff] ^ s[1][v>>8&0xff] ^ s[2][v>>16&0xff] ^ s[3][v>>24]
		}
	}
	return all
}
