package native

import (
	"encoding/binary"
	"math/bits"
	"strconv"
	"time"

	"github.com/ringtail/ringtail/internal/crc32c"
	"github.com/ringtail/ringtail/producer/backend"
)

// Offsets in the header of a record batch of format 2, as it is in Kafka's log (KIP-98). The header
// has a fixed length. seal fills it in, since much of it is known only at the end.
const (
	atLength     = 8 // of what follows it
	atEpoch      = 12
	atMagic      = 16
	atSum        = 17
	atAttributes = 21 // the checksum covers from here on
	atLastDelta  = 23
	atBaseTime   = 27
	atMaxTime    = 35
	atProducer   = 43
	atProducerEp = 51
	atSequence   = 53
	atCount      = 57
	headerBytes  = backend.BatchHeader
)

// encoder encodes records into a batch.
type encoder struct {
	pool  *pool
	data  chunks // room for the header, then the records; nil while there is no record
	bytes int    // in data
	count int
}

func (e *encoder) size() int { return max(e.bytes, headerBytes) }

// room returns what may be added.
func (e *encoder) room(o *Options) backend.Room {
	return backend.Room{Records: max(o.BatchRecords-e.count, 0), Bytes: o.BatchBytes - e.size(), Empty: e.count == 0}
}

// add appends a record. headers are encoded, their count first; empty: none, and the record ends
// with a count of 0.
func (e *encoder) add(value, key, headers []byte) {
	delta := uint64(e.count) << 1 // zigzag of a number that is not negative
	length := 1 + 1 + varintBytes(delta) + 1 + varintBytes(uint64(len(value))<<1) + len(value) + max(len(headers), 1)
	if key != nil {
		length += varintBytes(uint64(len(key))<<1) - 1 + len(key)
	}
	e.count++
	b := e.tail()
	if cap(b)-len(b) < length+binary.MaxVarintLen64 {
		e.addOver(length, delta, value, key, headers)
		return
	}
	before := len(b)
	b = appendStart(b, length, delta, key)
	b = append(b, key...)
	b = binary.AppendUvarint(b, uint64(len(value))<<1)
	b = append(b, value...)
	if len(headers) == 0 {
		b = append(b, 0)
	} else {
		b = append(b, headers...)
	}
	e.data[len(e.data)-1] = b
	e.bytes += len(b) - before
}

// addOver is add for a record that crosses the end of a piece.
func (e *encoder) addOver(length int, delta uint64, value, key, headers []byte) {
	var scratch [64]byte
	e.write(appendStart(scratch[:0], length, delta, key))
	e.write(key)
	e.write(binary.AppendUvarint(scratch[:0], uint64(len(value))<<1))
	e.write(value)
	if len(headers) == 0 {
		headers = scratch[:1]
		headers[0] = 0
	}
	e.write(headers)
}

// appendStart appends what comes before the key, and the length of the key.
func appendStart(b []byte, length int, delta uint64, key []byte) []byte {
	b = binary.AppendUvarint(b, uint64(length)<<1)
	b = append(b, 0, 0) // attributes, and the time: all records of a batch have its time
	b = binary.AppendUvarint(b, delta)
	if key == nil {
		return append(b, 1) // -1
	}
	return binary.AppendUvarint(b, uint64(len(key))<<1)
}

// appendHeaders appends the count of headers, and their names and values in turn.
func appendHeaders(b []byte, headers ...string) []byte {
	b = binary.AppendUvarint(b, uint64(len(headers)/2)<<1)
	for _, h := range headers {
		b = binary.AppendUvarint(b, uint64(len(h))<<1)
		b = append(b, h...)
	}
	return b
}

// write appends bytes, in as many pieces as they need.
func (e *encoder) write(p []byte) {
	e.bytes += len(p)
	for len(p) > 0 {
		b := e.tail()
		n := min(len(p), cap(b)-len(b))
		e.data[len(e.data)-1] = append(b, p[:n]...)
		p = p[n:]
	}
}

// tail returns the last piece, which is not full.
func (e *encoder) tail() []byte {
	last := len(e.data) - 1
	if last < 0 {
		e.data = append(e.data, e.pool.get(true)[:headerBytes])
		e.bytes = headerBytes
	} else if len(e.data[last]) == cap(e.data[last]) {
		e.data = append(e.data, e.pool.get(false))
	}
	return e.data[len(e.data)-1]
}

func varintBytes(v uint64) int { return (bits.Len64(v|1) + 6) / 7 }

// discard forgets what was added.
func (e *encoder) discard() {
	e.pool.put(e.data)
	e.data, e.bytes, e.count = nil, 0, 0
}

// batchRecords are the records of a batch, encoded.
type batchRecords struct {
	data     chunks // room for the header, then the records
	bytes    int    // in data
	count    int
	sum      uint32 // CRC-32C of the records, if they are borrowed
	borrowed bool   // all of data but the first piece is in a ring
	codec    uint16 // 0: it is not compressed
}

// take returns what was added. The encoder is empty afterwards.
func (e *encoder) take() batchRecords {
	r := batchRecords{data: e.data, bytes: e.bytes, count: e.count}
	e.data, e.bytes, e.count = nil, 0, 0
	return r
}

// seal fills in the header. A retry sends the same bytes: a broker knows the batch by id, epoch and
// sequence.
func (r *batchRecords) seal(id producerID, sequence int32, now time.Time) {
	be, b := binary.BigEndian, r.data[0]
	clear(b[:headerBytes]) // the broker sets the base offset
	be.PutUint32(b[atLength:], uint32(r.bytes-atEpoch))
	be.PutUint32(b[atEpoch:], 0xffffffff) // -1
	b[atMagic] = 2
	be.PutUint16(b[atAttributes:], r.codec)
	be.PutUint32(b[atLastDelta:], uint32(r.count-1))
	be.PutUint64(b[atBaseTime:], uint64(now.UnixMilli()))
	be.PutUint64(b[atMaxTime:], uint64(now.UnixMilli()))
	be.PutUint64(b[atProducer:], uint64(id.id))
	be.PutUint16(b[atProducerEp:], uint16(id.epoch))
	be.PutUint32(b[atSequence:], uint32(sequence))
	be.PutUint32(b[atCount:], uint32(r.count))
	sum := crc32c.Sum(b[atAttributes:])
	if r.borrowed {
		sum = crc32c.Join(sum, r.sum, r.bytes-headerBytes)
	} else {
		for _, more := range r.data[1:] {
			sum = crc32c.Update(sum, more)
		}
	}
	be.PutUint32(b[atSum:], sum)
}

// release gives up the memory.
func (r *batchRecords) release(p *pool) {
	if r.borrowed {
		p.put(r.data[:1])
		p.putList(r.data)
	} else {
		p.put(r.data)
	}
	r.data = nil
}

// deadLetterHeaders returns the headers of a dead letter, encoded.
func deadLetterHeaders(l backend.DeadLetter) []byte {
	if l.Truncated == 0 {
		return appendHeaders(nil, "reason", l.Reason, "remote", l.Remote)
	}
	return appendHeaders(nil, "reason", l.Reason, "remote", l.Remote, "truncated", strconv.Itoa(l.Truncated))
}
