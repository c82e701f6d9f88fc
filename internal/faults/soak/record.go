package soak

import (
	"bytes"
	"fmt"
	"math/bits"
	"strconv"
)

// ID says whose record it is.
type ID struct {
	Conn int    // from 0
	Seq  uint64 // from 1, in the order in which the connection's client made them
	Try  uint32 // from 1: on which of its client's connections it was sent
}

// Widths of a record's fields, and the bounds that follow.
const (
	connWidth = 5
	seqWidth  = 12
	tryWidth  = 6

	maxTry = 999_999
)

// Maker makes the records of one soak, and knows them again. It does not
// change: any number of goroutines may use it.
type Maker struct {
	run  uint32
	head []byte // {"run":"…","conn":"
}

// NewMaker makes the records of the soak with this number.
func NewMaker(run uint32) *Maker {
	return &Maker{run: run, head: fmt.Appendf(nil, `{"run":"%08x","conn":"`, run)}
}

const (
	seqKey = `","seq":"`
	tryKey = `","try":"`
)

// mix spreads what belongs to a record over 64 bits (the finaliser of
// splitmix64).
func (m *Maker) mix(conn int, seq uint64) uint64 {
	x := seq + bits.RotateLeft64(uint64(conn)+1, 40) + uint64(m.run)*0x9E3779B97F4A7C15
	x = (x ^ x>>30) * 0xBF58476D1CE4E5B9
	x = (x ^ x>>27) * 0x94D049BB133111EB
	return x ^ x>>31
}

// RecordBytesLeast is less than any record has.
const RecordBytesLeast = 100

// Append appends the record to dst: some 120 to 270 bytes of JSON.
func (m *Maker) Append(dst []byte, id ID) []byte {
	x := m.mix(id.Conn, id.Seq)
	dst = decimal(append(dst, m.head...), uint64(id.Conn), connWidth)
	dst = decimal(append(dst, seqKey...), id.Seq, seqWidth)
	dst = decimal(append(dst, tryKey...), uint64(id.Try), tryWidth)
	if x&1 == 0 {
		dst = append(strconv.AppendUint(append(dst, `","number":`...), x>>1, 10), `,"pad":"`...)
	} else {
		dst = append(strconv.AppendUint(append(dst, `","number":"`...), x>>1, 10), `","pad":"`...)
	}
	for n := 16 + x>>32&127; n > 0; n-- {
		dst = append(dst, 'a'+byte((x+n*n)%26))
	}
	return append(dst, `"}`...)
}

// Shard is where the record belongs.
func (m *Maker) Shard(conn int, seq uint64, shards int) int {
	return int(m.mix(conn, seq) >> 1 % uint64(shards))
}

// Identify reads whose record it is. It is false for one that does not say so.
func (m *Maker) Identify(record []byte) (id ID, ok bool) {
	rest, ok := bytes.CutPrefix(record, m.head)
	if !ok {
		return ID{}, false
	}
	conn, rest, ok1 := number(rest, connWidth, seqKey)
	seq, rest, ok2 := number(rest, seqWidth, tryKey)
	try, _, ok3 := number(rest, tryWidth, `","`)
	return ID{Conn: int(conn), Seq: seq, Try: uint32(try)}, ok1 && ok2 && ok3
}

// number reads so many digits and what follows them.
func number(text []byte, width int, then string) (n uint64, rest []byte, ok bool) {
	if len(text) < width+len(then) || string(text[width:width+len(then)]) != then {
		return 0, nil, false
	}
	n, err := strconv.ParseUint(string(text[:width]), 10, 64)
	return n, text[width+len(then):], err == nil
}

func decimal(dst []byte, n uint64, width int) []byte {
	at := len(dst)
	for range width {
		dst = append(dst, '0')
	}
	for i := len(dst) - 1; i >= at; i-- {
		dst[i] = byte('0' + n%10)
		n /= 10
	}
	return dst
}
