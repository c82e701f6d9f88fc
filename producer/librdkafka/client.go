package librdkafka

/*
#cgo CFLAGS: -O2
#cgo noescape rt_produce
#cgo nocallback rt_produce
#cgo noescape rt_produce_with_headers
#cgo nocallback rt_produce_with_headers
#cgo noescape rt_produce_dead_letter
#cgo nocallback rt_produce_dead_letter
#cgo nocallback rd_kafka_poll
#cgo nocallback rd_kafka_queue_yield
#include "client.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	_ "github.com/confluentinc/confluent-kafka-go/v2/kafka" // links librdkafka

	"github.com/ringtail/ringtail/internal/secret"
	"github.com/ringtail/ringtail/producer/backend"
)

// Package backend has no C: its numbers are those of librdkafka and of client.h, or this does not
// compile.
var _ = [...]struct{}{
	[1]struct{}{}[backend.ErrFatal-C.RT_ERR_FATAL],
	[1]struct{}{}[backend.ErrQueueFull-C.RT_ERR_QUEUE_FULL],
	[1]struct{}{}[backend.ErrInvalidRecord-C.RT_ERR_INVALID_RECORD],
	[1]struct{}{}[backend.InvalidMax-C.RT_INVALID_MAX],
	[1]struct{}{}[backend.StreamsMax>>(64-C.RT_NUMBER_BITS)-1],
}

// Traits are those of Client.
var Traits = backend.Traits{Name: "librdkafka", ErrorText: ErrorText, OneThread: true, ReportsByPartition: true}

var _ backend.Client = (*Client)(nil)

// Client is one librdkafka producer for one topic.
type Client struct {
	c             *C.rt_client
	batch         *[backend.BatchMax]C.rd_kafka_message_t // C memory
	hasProducerID bool
	secrets       []string // of the properties: librdkafka may quote them in its log
	topic         string

	insight      *backend.Insight // nil: nobody asks
	before       map[int32]counts
	statisticsAt int64   // of the last statistics
	retries      uint64  // as of them
	share        float64 // see BrokerShare
	shareKnown   bool
}

// New makes a producer with the given librdkafka properties. first has, for each stream, the number
// of the first record that will be handed over. New does not wait for a broker.
func New(properties map[string]string, topic string, first []uint64) (*Client, error) {
	if len(first) > backend.StreamsMax {
		return nil, fmt.Errorf("librdkafka: %d streams, at most %d", len(first), backend.StreamsMax)
	}
	conf, err := newConf(properties)
	if err != nil {
		return nil, err
	}
	text := (*C.char)(C.calloc(1, C.RT_TEXT_MAX))
	defer C.free(unsafe.Pointer(text))
	name := C.CString(topic)
	defer C.free(unsafe.Pointer(name))
	c := C.rt_new(conf, name, C.int(len(first)), text, C.RT_TEXT_MAX-1)
	if c == nil {
		return nil, errors.New(secret.Hide(C.GoString(text), secret.Of(properties)))
	}
	cl := &Client{c: c, secrets: secret.Of(properties), hasProducerID: !on(properties["enable.idempotence"]), topic: topic}
	cl.batch = (*[backend.BatchMax]C.rd_kafka_message_t)(C.calloc(backend.BatchMax, C.sizeof_rd_kafka_message_t))
	for i, n := range first {
		t := cl.progress(i)
		t.acked = C.uint64_t(n)
		t.failed = C.UINT64_MAX
	}
	return cl, nil
}

// on tells whether a boolean property is set, in librdkafka's words.
func on(value string) bool {
	return slices.Contains([]string{"true", "t", "1"}, strings.ToLower(value))
}

func newConf(properties map[string]string) (*C.rd_kafka_conf_t, error) {
	conf := C.rd_kafka_conf_new()
	text := (*C.char)(C.calloc(1, C.RT_TEXT_MAX))
	defer C.free(unsafe.Pointer(text))
	for k, v := range properties {
		ck, cv := C.CString(k), C.CString(v)
		res := C.rd_kafka_conf_set(conf, ck, cv, text, C.RT_TEXT_MAX-1)
		C.free(unsafe.Pointer(ck))
		C.free(unsafe.Pointer(cv))
		if res != 0 {
			C.rd_kafka_conf_destroy(conf)
			return nil, refusal(k, secret.Hide(C.GoString(text), secret.Of(properties)))
		}
	}
	return conf, nil
}

func (c *Client) progress(stream int) *C.rt_progress {
	first := unsafe.Add(unsafe.Pointer(c.c), C.sizeof_rt_client)
	return (*C.rt_progress)(unsafe.Add(first, stream*C.sizeof_rt_progress))
}

// Progress returns the counts of one stream as of the last Poll.
func (c *Client) Progress(stream int) backend.Progress {
	t := c.progress(stream)
	out := backend.Progress{
		Acked: uint64(t.acked), Failed: uint64(t.failed), Err: int(t.err), Reports: uint64(t.reports),
		Maybe: uint64(t.maybe), Beyond: uint64(t.beyond), Different: int(t.different), Invalids: int(t.invalids),
	}
	for i := range min(out.Invalids, C.RT_INVALID_MAX) {
		out.Invalid = append(out.Invalid, uint64(t.invalid[i]))
	}
	return out
}

// Room returns that a call's worth is taken. librdkafka's queue has limits of its own, which only
// Produce meets.
func (c *Client) Room(int) backend.Room {
	return backend.Room{Records: backend.BatchMax, Bytes: math.MaxInt, Empty: true}
}

// Produce hands over up to backend.BatchMax records of one stream, numbered from first, to one
// partition, all with the same headers. It returns how many were taken, and the error code of the
// first that was not.
func (c *Client) Produce(stream int, partition int32, first uint64, records []backend.Record, headers []byte) (int, int) {
	m := c.batch[:len(records)]
	for i := range records {
		c.fill(&m[i], stream, partition, first+uint64(i), &records[i])
	}
	var taken int
	if len(headers) > 0 {
		taken = int(C.rt_produce_with_headers(c.c, &c.batch[0], C.int(len(records)), (*C.uchar)(unsafe.SliceData(headers))))
	} else {
		taken = int(C.rt_produce(c.c, &c.batch[0], C.int(len(records))))
	}
	if taken == len(records) {
		return taken, 0
	}
	for i := range m {
		if m[i].err != 0 {
			// librdkafka takes the records behind one that is over message.max.bytes. The engine
			// never passes one. Should it happen, only those before it count as taken.
			return min(taken, i), int(m[i].err)
		}
	}
	return taken, backend.ErrQueueFull
}

// fill writes a message in C memory. It stores the value's address as a number, since C keeps it
// after the call and it does not point to Go's heap.
func (c *Client) fill(m *C.rd_kafka_message_t, stream int, partition int32, number uint64, r *backend.Record) {
	m.err = 0
	m.partition = C.int32_t(partition)
	*(*uintptr)(unsafe.Pointer(&m.payload)) = uintptr(unsafe.Pointer(unsafe.SliceData(r.Value)))
	m.len = C.size_t(len(r.Value))
	*(*uintptr)(unsafe.Pointer(&m.key)) = uintptr(unsafe.Pointer(unsafe.SliceData(r.Key)))
	m.key_len = C.size_t(len(r.Key))
	*(*uint64)(unsafe.Pointer(&m._private)) = uint64(stream)<<C.RT_NUMBER_BITS | number
}

// ProduceDeadLetter hands over one dead letter. It returns 0 or an error code.
func (c *Client) ProduceDeadLetter(stream int, partition int32, number uint64, value []byte, l backend.DeadLetter) int {
	m := &c.batch[0]
	c.fill(m, stream, partition, number, &backend.Record{Value: value})
	var size []byte
	if l.Truncated > 0 {
		size = strconv.AppendInt(nil, int64(l.Truncated), 10)
	}
	str := func(b []byte) (*C.char, C.size_t) {
		if len(b) == 0 {
			b = []byte{0}
			return (*C.char)(unsafe.Pointer(&b[0])), 0
		}
		return (*C.char)(unsafe.Pointer(&b[0])), C.size_t(len(b))
	}
	reason, reasonLen := str([]byte(l.Reason))
	remote, remoteLen := str([]byte(l.Remote))
	truncated, truncatedLen := str(size)
	return int(C.rt_produce_dead_letter(c.c, m, reason, reasonLen, remote, remoteLen, truncated, truncatedLen))
}

// Poll serves reports, errors, logs and statistics for at most timeout milliseconds. It returns
// early once it has served something, and on Wake.
func (c *Client) Poll(timeout int) { C.rd_kafka_poll(c.c.rk, C.int(timeout)) }

// Wake makes the current Poll, or the next one, return at once. Any goroutine may call it.
func (c *Client) Wake() { C.rd_kafka_queue_yield(c.c.q) }

// Purge drops what is in librdkafka's queues. With inflight it also gives up the requests under
// way. Each record that it drops gets a report. It does not wait for librdkafka's threads, since
// one of them may look up a name for long.
func (c *Client) Purge(inflight bool) {
	flags := C.int(C.RT_PURGE_QUEUE | C.RT_PURGE_NON_BLOCKING)
	if inflight {
		flags |= C.RT_PURGE_INFLIGHT
	}
	C.rd_kafka_purge(c.c.rk, flags)
}

// Fatal returns the code of librdkafka's fatal error, 0 while there is none.
func (c *Client) Fatal() int { return int(c.c.fatal) }

// idAssigned is the end of the log line by which librdkafka, with debug=eos, says that it has its
// producer id. It writes nothing before that, and says it in no other way.
const idAssigned = "-> Assigned"

// warning is syslog's level.
const warning = 4

// Ready returns nil once librdkafka has its producer id, as of the last Events. It needs none without
// idempotence.
func (c *Client) Ready() error {
	if c.hasProducerID {
		return nil
	}
	return errNoProducerID
}

var errNoProducerID = errors.New("librdkafka has no producer id yet")

// Trouble returns "": librdkafka tells of brokers, not of partitions.
func (c *Client) Trouble(int) string { return "" }

// Events returns the log lines and errors since the last call, and how many more found no room.
func (c *Client) Events() ([]backend.Event, int) {
	n, lost := int(c.c.events), int(c.c.events_lost)
	if n == 0 && lost == 0 {
		return nil, 0
	}
	out := make([]backend.Event, 0, n)
	for i := range n {
		e := &c.c.event[i]
		ev := backend.Event{Code: int(e.code), Level: int(e.level), Text: C.GoString(&e.text[0])}
		if ev.Code == 0 && strings.HasSuffix(ev.Text, idAssigned) {
			c.hasProducerID = true
			continue
		}
		ev.Text = secret.Hide(ev.Text, c.secrets)
		if ev.Code != 0 || ev.Level <= warning {
			c.tellBroker(ev.Text)
		}
		out = append(out, ev)
	}
	c.c.events, c.c.events_lost = 0, 0
	return out, lost
}

// Send does nothing: librdkafka sends what Produce took.
func (c *Client) Send() {}

// Destroy ends the producer. It may block. Do not use c afterwards.
func (c *Client) Destroy() {
	C.rt_destroy(c.c)
	C.free(unsafe.Pointer(c.batch))
}

// Relief returns to the kernel the memory that C's malloc has free.
func (c *Client) Relief() { C.rt_give_back_memory() }

// InjectFatal raises a fatal error, as a broker's refusal would do. For tests.
func (c *Client) InjectFatal(code int, text string) {
	t := C.CString(text)
	defer C.free(unsafe.Pointer(t))
	C.rd_kafka_test_fatal_error(c.c.rk, C.int(code), t)
}

// ok counts an ok report. For tests.
func (c *Client) ok(stream int, number uint64) { C.rt_ok(c.progress(stream), C.uint64_t(number)) }

// ErrorText returns librdkafka's name and text of an error code.
func ErrorText(code int) string {
	return C.GoString(C.rd_kafka_err2name(C.int(code))) + ": " + C.GoString(C.rd_kafka_err2str(C.int(code)))
}
