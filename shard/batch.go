package shard

import "encoding/binary"

// A batch as it lies in the ring; integers are little-endian, nothing is aligned
// but the batch itself (64 bytes):
//
//	0        4        8        12               20               28               36
//	┌────────┬────────┬────────┬────────────────┬────────────────┬────────────────┐
//	│ crc    │ count  │ used   │ connection     │ first ordinal  │ taken          │
//	└────────┴────────┴────────┴────────────────┴────────────────┴────────────────┘
//	count record headers:              then, record by record:
//	0        4        8        12
//	┌────────┬────────┬────────┐       ┌───────────┬───────────┐
//	│ value  │ meta+1 │ ordinal│       │ value …   │ meta …    │
//	└────────┴────────┴────────┘       └───────────┴───────────┘
//	and, where count has its highest bit set, at the end of used:
//	┌───────────┬──────────┐
//	│ headers … │ length   │
//	└───────────┴──────────┘
//
// used is the number of bytes up to the end of the last record, or of the headers. taken is
// nanoseconds on this process's monotonic clock (Now). value and meta are lengths.
// crc is there in ring files only: CRC32C of the used bytes behind it, begun with
// what ties it to this file and this position (checksum, in file.go).
// ordinal is the record's number on its connection minus the batch's first ordinal.
// meta+1 is 0 where there is no meta; in a shard's ring meta is the Kafka key, in the
// dead-letter ring it is what deadletter.go encodes. headers are Kafka's, the same for all records
// of the batch (headers.go), and length is theirs, of 4 bytes.
//
// The records' headers stand together because the consumer reads nothing else: five of them share a cache
// line. A header before each record would cost a cache miss a record.
const (
	granule      = 64
	batchHeader  = 36
	recordHeader = 12

	withHeaders   = 1 << 31 // in count, which is far smaller: a batch has no more than 2^29 bytes
	headersLength = 4

	atCRC, atCount, atUsed, atConn, atFirst, atTaken = 0, 4, 8, 12, 20, 28
)

// BatchBytes returns the room that a batch takes, in whole granules: so many records, whose values
// and metas have so many bytes together, with what HeadersBytes says of their headers.
func BatchBytes(records, bytes int) int {
	n := batchHeader + records*recordHeader + bytes
	return (n + granule - 1) &^ (granule - 1)
}

// HeadersBytes returns the room that headers of so many bytes take in a batch, beside its records.
func HeadersBytes(headers int) int {
	if headers == 0 {
		return 0
	}
	return headers + headersLength
}

// countOf returns the number of records of a batch that begins with head.
func countOf(head []byte) int {
	return int(binary.LittleEndian.Uint32(head[atCount:]) &^ withHeaders)
}

// hasHeaders tells whether the batch that begins with head has headers.
func hasHeaders(head []byte) bool {
	return binary.LittleEndian.Uint32(head[atCount:])&withHeaders != 0
}

// Batch is the consumer's view of a published batch. Its bytes stay valid until
// Free passes Start.
type Batch struct {
	Start, End uint64 // positions: first byte, first byte of the next batch
	Count      int    // records
	Conn       uint64 // the connection all its records came by; 0 where there is none
	First      uint64 // ordinals are relative to this
	Taken      int64  // when it was published (Now), ns; where it was recovered, when Kafka was reached
	Done       int    // so many of its first records a former process has seen into Kafka, or set aside

	data []byte
}

// Record is one record of a batch. Its slices alias the ring.
type Record struct {
	Value   []byte
	Meta    []byte // nil where there is none; empty where it is empty
	Ordinal uint64 // the record's number on its connection, from 1
}

// Bytes is the length of all records with their headers.
func (b *Batch) Bytes() int { return len(b.data) - batchHeader }

// ValueBytes returns the bytes of all records' values. metas tells whether a record may have a meta:
// without, it looks at none of them.
func (b *Batch) ValueBytes(metas bool) int {
	n := len(b.data) - batchHeader - b.Count*recordHeader - HeadersBytes(len(b.Headers()))
	if metas {
		for i := range b.Count {
			if meta := binary.LittleEndian.Uint32(b.data[batchHeader+i*recordHeader+4:]); meta > 0 {
				n -= int(meta) - 1
			}
		}
	}
	return n
}

// Headers returns the Kafka headers of each of the batch's records, as AppendHeader made them; nil
// where there are none. The slice aliases the ring.
func (b *Batch) Headers() []byte {
	if !hasHeaders(b.data) {
		return nil
	}
	end := len(b.data) - headersLength
	n := int(binary.LittleEndian.Uint32(b.data[end:]))
	return b.data[end-n : end : end]
}

// Records calls f for each record in order until f returns false.
func (b *Batch) Records(f func(i int, r Record) bool) {
	var c Cursor
	for i := range b.Count {
		if !f(i, b.Next(&c)) {
			return
		}
	}
}

// Cursor walks a batch record by record; the zero Cursor stands at the first.
type Cursor struct {
	Index int // of the record it stands at
	off   int // bytes of the records before it
}

// Next returns the record under the cursor and moves on. It must not be called
// with the cursor at Count.
func (b *Batch) Next(c *Cursor) Record {
	at := batchHeader + c.Index*recordHeader
	h := b.data[at : at+recordHeader]
	value := int(binary.LittleEndian.Uint32(h))
	meta := int(binary.LittleEndian.Uint32(h[4:]))
	r := Record{Ordinal: b.First + uint64(binary.LittleEndian.Uint32(h[8:]))}
	off := batchHeader + b.Count*recordHeader + c.off
	r.Value = b.data[off : off+value : off+value]
	if meta > 0 {
		off += value
		r.Meta = b.data[off : off+meta-1 : off+meta-1]
		value += meta - 1
	}
	c.off += value
	c.Index++
	return r
}
