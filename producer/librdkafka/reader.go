package librdkafka

/*
#cgo noescape rt_reader_take
#cgo nocallback rt_reader_take
#cgo noescape rd_kafka_topic_name
#cgo nocallback rd_kafka_topic_name
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
	"slices"
	"sync"
	"unsafe"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/ringtail/ringtail/internal/secret"
)

// Message is a record, or something else that comes among the records: see Err. It and the bytes
// that it points to are valid until the next Fetch.
type Message struct {
	Err        kafka.ErrorCode // ErrNoError; ErrPartitionEOF: Offset is the end; a change of the group
	Partition  Partition
	Offset     int64
	Key        []byte      // nil: none
	Value      []byte      // nil: none; the text of an error
	Partitions []Partition // of a change of the group

	c *C.rd_kafka_message_t
}

// Partition is one of a topic: Topic is the topic's index among those of its Reader.
type Partition struct{ Topic, ID int32 }

// Reader reads partitions of topics: those that Assign names, or those that the group gives after
// Subscribe.
type Reader struct {
	c       *C.rt_reader
	topics  []string
	names   []*C.char // of topics
	message Message

	lastTopic *C.rd_kafka_topic_t // of the message before, in one Fetch
	lastIndex int32

	mu sync.RWMutex // read-locked by Ends while it is in C; Close locks it
}

// NewReader makes a reader of topics with the given librdkafka properties.
func NewReader(properties map[string]string, topics ...string) (*Reader, error) {
	conf, err := newConf(properties)
	if err != nil {
		return nil, err
	}
	text := (*C.char)(C.calloc(1, C.RT_TEXT_MAX))
	defer C.free(unsafe.Pointer(text))
	c := C.rt_reader_new(conf, text, C.RT_TEXT_MAX-1)
	if c == nil {
		return nil, errors.New("--kafka-property: " + secret.Hide(C.GoString(text), secret.Of(properties)))
	}
	r := &Reader{c: c, topics: topics}
	for _, topic := range topics {
		r.names = append(r.names, C.CString(topic))
	}
	return r, nil
}

// index returns the index of a topic.
func (r *Reader) index(name *C.char) int32 { return int32(slices.Index(r.topics, C.GoString(name))) }

// Fetch calls f for each message that is there, a thousand at most, and then for changes of the
// group. If there is nothing, it waits that many ms for one message. It returns how many there
// were.
func (r *Reader) Fetch(timeoutMS int, f func(*Message) error) (n int, err error) {
	C.rt_reader_take(r.c, C.int(timeoutMS))
	m := &r.message
	r.lastTopic = nil
	if r.c.trouble != 0 {
		*m = Message{Err: kafka.ErrorCode(r.c.trouble), Partition: Partition{0, -1}, Offset: -1, Value: []byte(C.GoString(&r.c.reason[0]))}
		r.c.trouble = 0
		if err := f(m); err != nil {
			return n, err
		}
		n++
	}
	for _, c := range r.c.taken[:r.c.count] {
		m.set(c)
		m.Partition.Topic = r.topicOf(c.rkt)
		if err := f(m); err != nil {
			return n, err
		}
		n++
	}
	for r.c.changes != nil { // these came after the messages
		*m = Message{Err: kafka.ErrorCode(r.c.changes.err), Partition: Partition{0, -1}, Offset: -1}
		for _, p := range elements(r.c.changes.partitions) {
			m.Partitions = append(m.Partitions, Partition{r.index(p.topic), int32(p.partition)})
		}
		C.rt_reader_drop_change(r.c)
		if err := f(m); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// topicOf returns the index of a message's topic. Those of one Fetch are there until the next.
func (r *Reader) topicOf(topic *C.rd_kafka_topic_t) int32 {
	if len(r.topics) > 1 && topic != nil && topic != r.lastTopic {
		r.lastTopic, r.lastIndex = topic, r.index(C.rd_kafka_topic_name(topic))
	}
	return r.lastIndex
}

// set points m to librdkafka's message. It does not copy the bytes.
func (m *Message) set(c *C.rd_kafka_message_t) {
	*m = Message{Err: kafka.ErrorCode(c.err), Partition: Partition{ID: int32(c.partition)}, Offset: int64(c.offset), c: c}
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
func (r *Reader) Ends(partition Partition) (first, next int64) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var low, high C.int64_t
	if r.c == nil || C.rd_kafka_get_watermark_offsets(r.c.rk, r.names[partition.Topic], C.int32_t(partition.ID), &low, &high) != 0 {
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
	for _, name := range r.names {
		C.free(unsafe.Pointer(name))
	}
}
