package shard

import "encoding/binary"

// A batch as it lies in the ring: the header, an ordinal for each record, and the records as
// encode.go draws them. Integers are little-endian, and nothing is aligned but the batch itself, to
// 64 bytes:
//
//	0     4       8      12           20        28      36       40    44       48     52
//	┌─────┬───────┬──────┬────────────┬─────────┬───────┬────────┬─────┬────────┬──────┐
//	│ crc │ count │ used │ connection │ first   │ taken │ number │ sum │ values │ room │
//	│     │       │      │            │ ordinal │       │        │     │        │      │
//	└─────┴───────┴──────┴────────────┴─────────┴───────┴────────┴─────┴────────┴──────┘
//	┌────────────────────┬──────────────────────────────┬─────────────┐
//	│ count × 4: ordinal │ records …                    │ unused room │
//	└────────────────────┴──────────────────────────────┴─────────────┘
//	                                               used ▲        room ▲
//
// An ordinal is the record's number on its connection minus the batch's first ordinal. taken is
// nanoseconds on this process's monotonic clock (Now). number is the first record's in its Kafka
// batch, sum the CRC-32C of the records, and values counts the bytes of their values. used and room
// are counted from the batch's beginning. crc is there in ring files only: that of the header and
// the ordinals, begun with what ties it to this file and this position (checksum, in file.go).
//
// In a shard's ring a record's key is the Kafka key; in the dead-letter ring it is what
// deadletter.go encodes. All records of a batch have the same headers.
const (
	granule      = 64
	batchHeader  = 52
	ordinalBytes = 4
	recordRoom   = ordinalBytes + RecordExtra // beside its value, meta and headers; seldom all of it is used

	atCRC, atCount, atUsed, atConn, atFirst, atTaken = 0, 4, 8, 12, 20, 28
	atNumber, atSum, atValues, atRoom                = 36, 40, 44, 48
)

// BatchBytes returns the room that a batch takes, in whole granules: so many records, whose values,
// metas and headers have so many bytes together.
func BatchBytes(records, bytes int) int {
	n := batchHeader + records*recordRoom + bytes
	return (n + granule - 1) &^ (granule - 1)
}

// KafkaBytes returns the most bytes that so many records take in a Kafka batch if their values,
// keys and headers have so many bytes together.
func KafkaBytes(records, bytes int) int { return records*RecordExtra + bytes }

// recordsAt returns where the records of a batch begin.
func recordsAt(count int) int { return batchHeader + count*ordinalBytes }

// countOf returns the number of records of a batch that begins with head.
func countOf(head []byte) int { return int(binary.LittleEndian.Uint32(head[atCount:])) }

// Batch is the consumer's view of a published batch. Its bytes stay valid until
// Free passes Start.
type Batch struct {
	Start, End uint64 // positions: first byte, first byte of the next batch
	Count      int    // records
	Conn       uint64 // the connection all its records came by; 0 where there is none
	First      uint64 // ordinals are relative to this
	Taken      int64  // when it was published (Now), ns; where it was recovered, when Kafka was reached
	Done       int    // so many of its first records a former process has seen into Kafka, or set aside
	Number     int    // its first record's number in its Kafka batch
	Sum        uint32 // CRC-32C of Encoded; anything after OmitSums

	data []byte
}

// Record is one record of a batch. Its slices alias the ring.
type Record struct {
	Value   []byte
	Meta    []byte // nil where there is none; empty where it is empty
	Ordinal uint64 // the record's number on its connection, from 1
}

// Encoded returns the records as they stand in a batch of Kafka's log (encode.go). The slice
// aliases the ring.
func (b *Batch) Encoded() []byte { return b.data[recordsAt(b.Count):] }

// Bytes is the length of Encoded.
func (b *Batch) Bytes() int { return len(b.data) - recordsAt(b.Count) }

// ValueBytes returns the bytes of all records' values.
func (b *Batch) ValueBytes() int { return int(binary.LittleEndian.Uint32(b.data[atValues:])) }

// Headers returns the Kafka headers of each of the batch's records, as AppendHeader made them; nil
// where there are none. The slice aliases the ring.
func (b *Batch) Headers() []byte {
	if b.Count == 0 {
		return nil
	}
	if _, _, headers, _ := cutRecord(b.Encoded()); len(headers) > 1 {
		return headers
	}
	return nil
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
	value, key, _, n := cutRecord(b.data[recordsAt(b.Count)+c.off:])
	ordinal := binary.LittleEndian.Uint32(b.data[batchHeader+c.Index*ordinalBytes:])
	c.off += n
	c.Index++
	return Record{Value: value, Meta: key, Ordinal: b.First + uint64(ordinal)}
}
