package rdc

/*
#cgo CFLAGS: -O2
#cgo noescape rdc_fetch
#include "rdc.h"
#include <stdlib.h>
*/
import "C"

import (
	"encoding/binary"
	"errors"
	"unsafe"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka" // links librdkafka; names of errors
)

// Record is one record, or one error that librdkafka says among them.
type Record struct {
	Err        kafka.ErrorCode // ErrNoError; ErrPartitionEOF: Offset is the end; a change of the group
	Partition  int32
	Offset     int64
	Timestamp  int64  // ms; only with headers
	Key        []byte // nil: none
	Value      []byte // nil: none; the text of an error
	Headers    []kafka.Header
	Partitions []int32 // of a change of the group
}

// Reader reads partitions of one topic: those that Assign names, or those that the
// group gives after Subscribe.
type Reader struct {
	c       *C.rdc_reader
	headers C.int
	buffer  []uint64 // aligned for entries
	record  Record
}

const bufferBytes = 512 << 10

// Open makes a Reader with librdkafka's properties. With headers, records have
// timestamps and headers; they cost.
func Open(properties map[string]string, headers bool) (*Reader, error) {
	errstr := (*C.char)(C.malloc(512))
	defer C.free(unsafe.Pointer(errstr))
	conf := C.rd_kafka_conf_new()
	for k, v := range properties {
		name, value := C.CString(k), C.CString(v)
		code := C.rd_kafka_conf_set(conf, name, value, errstr, 512)
		C.free(unsafe.Pointer(name))
		C.free(unsafe.Pointer(value))
		if code != 0 {
			C.rd_kafka_conf_destroy(conf)
			return nil, errors.New(C.GoString(errstr))
		}
	}
	c := C.rdc_open(conf, errstr, 512)
	if c == nil {
		C.rd_kafka_conf_destroy(conf)
		return nil, errors.New(C.GoString(errstr))
	}
	r := &Reader{c: c, buffer: make([]uint64, bufferBytes/8)}
	if headers {
		r.headers = 1
	}
	return r, nil
}

// Fetch calls f for each record that is there, a batch at most; where nothing is, it
// waits so many ms for one. It returns how many there were. The record is the
// Reader's own and is used again.
func (r *Reader) Fetch(timeoutMS int, f func(*Record) error) (int, error) {
	size := C.size_t(8 * len(r.buffer))
	used := C.rdc_fetch(r.c, C.int(timeoutMS), (*C.uint8_t)(unsafe.Pointer(&r.buffer[0])), size, r.headers)
	if used < 0 {
		r.buffer = make([]uint64, -used/8)
		return r.Fetch(timeoutMS, f)
	}
	all := unsafe.Slice((*byte)(unsafe.Pointer(&r.buffer[0])), 8*len(r.buffer))[:used]
	n := 0
	for len(all) > 0 {
		e := (*C.rdc_entry)(unsafe.Pointer(&all[0]))
		r.read(e, all[unsafe.Sizeof(*e):e.bytes])
		all = all[e.bytes:]
		n++
		if err := f(&r.record); err != nil {
			return n, err
		}
	}
	return n, nil
}

// read makes the record of an entry and what lies behind it.
func (r *Reader) read(e *C.rdc_entry, rest []byte) {
	rec := &r.record
	rec.Err, rec.Partition = kafka.ErrorCode(e.err), int32(e.partition)
	rec.Offset, rec.Timestamp = int64(e.offset), int64(e.timestamp)
	rec.Key, rest = cut(rest, int32(e.key_len))
	rec.Value, rest = cut(rest, int32(e.value_len))
	rec.Headers, rec.Partitions = rec.Headers[:0], nil
	if rec.Err == kafka.ErrAssignPartitions || rec.Err == kafka.ErrRevokePartitions {
		rec.Partitions, rec.Value = changed(rec.Value), nil
	}
	for range int(e.headers) {
		nameLen := int32(binary.NativeEndian.Uint32(rest))
		valueLen := int32(binary.NativeEndian.Uint32(rest[4:]))
		var name, value []byte
		name, rest = cut(rest[8:], nameLen)
		value, rest = cut(rest, valueLen)
		rec.Headers = append(rec.Headers, kafka.Header{Key: string(name), Value: value})
	}
}

// cut takes n bytes off; nil for −1.
func cut(b []byte, n int32) (head, rest []byte) {
	if n < 0 {
		return nil, b
	}
	return b[:n:n], b[n:]
}

// Close ends the reading and leaves the group. Where a commit waits for a coordinator
// that is gone it may wait for ever: give it a limit.
func (r *Reader) Close() {
	C.rdc_close(r.c)
	r.c = nil
}
