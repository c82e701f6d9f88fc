package native

import (
	"encoding/binary"
	"net"
	"sync/atomic"
	"time"
)

const produceKey = 0

// produceRequest is a produce request with a batch for each of its partitions.
type produceRequest struct {
	topic   string
	id      [16]byte // the topic's
	timeout time.Duration
	batches []requestBatch
	written atomic.Bool // the network has it: the batches are not read any more, and may change
}

// batchOverhead is more than what a request has before a batch.
const batchOverhead = 24

type requestBatch struct {
	partition int32
	data      chunks
	bytes     int
}

// flexible reports whether a version has compact lengths and tags (KIP-482).
func flexible(version int16) bool { return version >= 9 }

// encode appends the request to pieces, as it goes to the broker. It does not copy the batches.
// What is between them it appends to out.
func (q *produceRequest) encode(out []byte, pieces net.Buffers, version int16, correlation int32, clientID string) ([]byte, net.Buffers) {
	be := binary.BigEndian
	need := 128 + len(clientID) + len(q.topic) + batchOverhead*len(q.batches)
	if cap(out) < need {
		out = make([]byte, 0, need) // pieces point into it: it must not move
	}
	compact := flexible(version)
	from, data := 0, 0
	cut := func() {
		if len(out) > from {
			pieces = append(pieces, out[from:len(out):len(out)])
			from = len(out)
		}
	}
	count := func(n int) { // length of an array
		if compact {
			out = binary.AppendUvarint(out, uint64(n)+1)
		} else {
			out = be.AppendUint32(out, uint32(n))
		}
	}
	tags := func() {
		if compact {
			out = append(out, 0)
		}
	}
	out = be.AppendUint32(out, 0) // length, known at the end
	out = be.AppendUint16(out, produceKey)
	out = be.AppendUint16(out, uint16(version))
	out = be.AppendUint32(out, uint32(correlation))
	out = be.AppendUint16(out, uint16(len(clientID)))
	out = append(out, clientID...)
	tags()
	if compact { // no transaction
		out = append(out, 0)
	} else {
		out = be.AppendUint16(out, 0xffff)
	}
	out = be.AppendUint16(out, 0xffff) // acks=-1: all
	out = be.AppendUint32(out, uint32(q.timeout/time.Millisecond))
	count(1)
	switch {
	case version >= 13:
		out = append(out, q.id[:]...)
	case compact:
		out = binary.AppendUvarint(out, uint64(len(q.topic))+1)
		out = append(out, q.topic...)
	default:
		out = be.AppendUint16(out, uint16(len(q.topic)))
		out = append(out, q.topic...)
	}
	count(len(q.batches))
	for i := range q.batches {
		p := &q.batches[i]
		out = be.AppendUint32(out, uint32(p.partition))
		count(p.bytes)
		cut()
		pieces = append(pieces, p.data...)
		data += p.bytes
		tags()
	}
	tags() // topic
	tags() // request
	cut()
	be.PutUint32(pieces[0], uint32(len(out)+data-4))
	return out, pieces
}
