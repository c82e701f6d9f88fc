package shard

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/ringtail/ringtail/internal/crc32c"
)

// A ring file; integers are little-endian:
//
//	0        4096        8192                  data (a multiple of 64 KiB)
//	┌────────┬───────────┬─────────────────────┬─────────────────────────┐
//	│ header │ positions │ words, one a granule│ capacity bytes of data  │
//	└────────┴───────────┴─────────────────────┴─────────────────────────┘
//
// The header, written once, and once more when the cluster is known:
//
//	0       8      12       16      24     28       32     36     40          296          552    556
//	┌───────┬───────┬───────┬───────┬──────┬────────┬──────┬──────┬───────────┬────────────┬──────┐
//	│ magic │version│   0   │ capa- │shards│ shard  │ salt │   0  │len, topic │len, cluster│ crc  │
//	│       │       │       │ city  │      │        │      │      │           │            │      │
//	└───────┴───────┴───────┴───────┴──────┴────────┴──────┴──────┴───────────┴────────────┴──────┘
//
// version is 3; 1 and 2 were drafts. shard is 0xffffffff for dead letters. salt is random: what a
// client can guess of a batch's checksum is worth nothing without it.
const (
	atPositions = 4096
	atWords     = 8192
	dataAlign   = 64 << 10 // no kernel's pages are larger

	fileMagic   = "RINGTAIL"
	fileVersion = 3
	headerBytes = 556

	positionsBytes = 192
	nameMax        = 255

	atVersion, atCapacity, atShards, atShard, atSalt = 8, 16, 24, 28, 32
	atTopic, atCluster, atHeaderCRC                  = 40, 296, 552

	deadShard = ^uint32(0)
)

// fileHeader says whose records a ring file holds.
type fileHeader struct {
	capacity uint64
	shards   uint32
	shard    uint32 // deadShard: dead letters
	salt     uint32
	topic    string
	cluster  string // Kafka's cluster id; "": no Kafka was reached yet, so no record is there
}

func (h *fileHeader) dataAt() int64 {
	end := int64(atWords) + int64(h.capacity/granule*8)
	return (end + dataAlign - 1) &^ (dataAlign - 1)
}

// size is the whole file's, in bytes.
func (h *fileHeader) size() int64 { return h.dataAt() + int64(h.capacity) }

func (h *fileHeader) encode() []byte {
	b := make([]byte, headerBytes)
	copy(b, fileMagic)
	binary.LittleEndian.PutUint32(b[atVersion:], fileVersion)
	binary.LittleEndian.PutUint64(b[atCapacity:], h.capacity)
	binary.LittleEndian.PutUint32(b[atShards:], h.shards)
	binary.LittleEndian.PutUint32(b[atShard:], h.shard)
	binary.LittleEndian.PutUint32(b[atSalt:], h.salt)
	b[atTopic] = byte(copy(b[atTopic+1:atCluster], h.topic))
	b[atCluster] = byte(copy(b[atCluster+1:atHeaderCRC], h.cluster))
	binary.LittleEndian.PutUint32(b[atHeaderCRC:], crc32c.Sum(b[:atHeaderCRC]))
	return b
}

var (
	errNotOurs = errors.New("is no ring file")
	errVersion = fmt.Errorf("was written by another version of ringtail (this one knows format %d): let that one send what it holds, then remove it", fileVersion)
	errHeader  = errors.New("header's checksum is wrong")
	errStray   = errors.New("header has bytes set that have no meaning")
)

// decodeHeader reads what encode made, and nothing else. With errHeader and errStray the fields are
// there all the same, as they stand in the file.
func decodeHeader(b []byte) (fileHeader, error) {
	if len(b) < headerBytes || string(b[:len(fileMagic)]) != fileMagic {
		return fileHeader{}, errNotOurs
	}
	name := func(at int) string { return string(b[at+1 : at+1+int(b[at])]) }
	h := fileHeader{
		capacity: binary.LittleEndian.Uint64(b[atCapacity:]),
		shards:   binary.LittleEndian.Uint32(b[atShards:]),
		shard:    binary.LittleEndian.Uint32(b[atShard:]),
		salt:     binary.LittleEndian.Uint32(b[atSalt:]),
		topic:    name(atTopic),
		cluster:  name(atCluster),
	}
	if binary.LittleEndian.Uint32(b[atHeaderCRC:]) != crc32c.Sum(b[:atHeaderCRC]) {
		return h, errHeader
	}
	if v := binary.LittleEndian.Uint32(b[atVersion:]); v != fileVersion {
		return h, errVersion
	}
	if !bytes.Equal(h.encode(), b[:headerBytes]) {
		return h, errStray
	}
	return h, nil
}
