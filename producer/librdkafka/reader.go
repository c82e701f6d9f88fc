package librdkafka

/*
#cgo noescape rt_reader_take
#cgo nocallback rt_reader_take
#cgo noescape rd_kafka_message_timestamp
#cgo nocallback rd_kafka_message_timestamp
#cgo noescape rd_kafka_message_headers
#cgo nocallback rd_kafka_message_headers
#cgo noescape rd_kafka_header_get_all
#cgo nocallback rd_kafka_header_get_all
#include "reader.h"
*/
import "C"

import (
	"errors"
	"sync"
	"unsafe"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/ringtail/ringtail/internal/secret"
)

// Message is a record, or something else that comes among the records: see Err. It and the bytes
// that it points to are valid until the next Fetch.
type Message struct {
	Err        kafka.ErrorCode // ErrNoError; ErrPartitionEOF: Offset is the end; a change of the group
	Partition  int32
	Offset     int64
	Key        []byte  // nil: none
	Value      []byte  // nil: none; the text of an error
	Partitions []int32 // of a change of the group

	c *C.rd_kafka_message_t
}

// Reader reads partitions of one topic: those that Assign names, or those that the group gives
// after Subscribe.
type Reader struct {
	c       *C.rt_reader
	message Message

	mu sync.RWMutex // read-locked by Ends while it is in C; Close locks it
}

// NewReader makes a reader of a topic with the given librdkafka properties.
func NewReader(properties map[string]string, topic string) (*Reader, error) {
	conf, err := newConf(properties)
	if err != nil {
		return nil, err
	}
	text := (*C.char)(C.calloc(1, C.RT_TEXT_MAX))
	defer C.free(unsafe.Pointer(text))
	name := C.CString(topic)
	defer C.free(unsafe.Pointer(name))
	c := C.rt_reader_new(conf, name, text, C.RT_TEXT_MAX-1)
	if c == nil {
		return nil, errors.New("--kafka-property: " + secret.Hide(C.GoString(text), secret.Of(properties)))
	}
	return &Reader{c: c}, nil
}

// Fetch calls f for each message that is there, a thousand at most, and then for changes of the
// group. If there is nothing, it waits that many ms for one message. It returns how many there
// were.
func (r *Reader) Fetch(timeoutMS int, f func(*Message) error) (n int, err error) {
	C.rt_reader_take(r.c, C.int(timeoutMS))
	m := &r.message
	if r.c.trouble != 0 {
		*m = Message{Err: kafka.ErrorCode(r.c.trouble), Partition: -1, Offset: -1, Value: []byte(C.GoString(&r.c.reason[0]))}
		r.c.trouble = 0
		if err := f(m); err != nil {
			return n, err
		}
		n++
	}
	for _, c := range r.c.taken[:r.c.count] {
		m.set(c)
		if err := f(m); err != nil {
			return n, err
		}
		n++
	}
	for r.c.changes != nil { // these came after the messages
		*m = Message{Err: kafka.ErrorCode(r.c.changes.err), Partition: -1, Offset: -1}
		for _, p := range elements(r.c.changes.partitions) {
			m.Partitions = append(m.Partitions, int32(p.partition))
		}
		C.rt_reader_drop_change(r.c)
		if err := f(m); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// set points m to librdkafka's message. It does not copy the bytes.
func (m *Message) set(c *C.rd_kafka_message_t) {
	*m = Message{Err: kafka.ErrorCode(c.err), Partition: int32(c.partition), Offset: int64(c.offset), c: c}
	if c.err != 0 {
		m.Value = []byte(C.GoString(C.rd_kafka_message_errstr(c)))
		return
	}
	if c.key != nil {
		m.Key = unsafe.Slice((*byte)(c.key), int(c.key_len))
	}
	if c.payload != nil {
		m.Value = unsafe.Slice((*byte)(c.payload), int(c.len))
	}
}

// Timestamp returns the record's time in ms since 1970. It is a call into C.
func (m *Message) Timestamp() int64 { return int64(C.rd_kafka_message_timestamp(m.c, nil)) }

// Headers returns the record's headers. It makes a call into C for each.
func (m *Message) Headers() (headers []kafka.Header) {
	var all *C.rd_kafka_headers_t
	if C.rd_kafka_message_headers(m.c, &all) != 0 {
		return nil
	}
	var name *C.char
	var value unsafe.Pointer
	var size C.size_t
	for C.rd_kafka_header_get_all(all, C.size_t(len(headers)), &name, &value, &size) == 0 {
		h := kafka.Header{Key: C.GoString(name)}
		if value != nil {
			h.Value = unsafe.Slice((*byte)(value), int(size))
		}
		headers = append(headers, h)
	}
	return headers
}

// Ends returns the first offset of a partition, and the one that its next record gets, as the last
// fetch response said. They are negative while there was none, and after Close. Any goroutine may
// call it at any time.
func (r *Reader) Ends(partition int32) (first, next int64) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var low, high C.int64_t
	if r.c == nil || C.rd_kafka_get_watermark_offsets(r.c.rk, r.c.topic, C.int32_t(partition), &low, &high) != 0 {
		return -1, -1
	}
	return int64(low), int64(high)
}

// Close leaves the group and ends the reading. It may wait for a coordinator that is gone for ever,
// so callers limit it.
func (r *Reader) Close() {
	r.mu.Lock()
	c := r.c
	r.c = nil
	r.mu.Unlock()
	C.rt_reader_close(c)
}
