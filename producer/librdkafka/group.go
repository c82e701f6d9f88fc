package librdkafka

// #include "reader.h"
import "C"

import (
	"time"
	"unsafe"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// Position is a partition and an offset in it, which may be one of
// kafka.OffsetBeginning and kafka.OffsetEnd.
type Position struct {
	Partition Partition
	Offset    int64
}

// Subscribe joins the group that group.id names. From then on Fetch returns changes of the group
// among the messages: Err is ErrAssignPartitions or ErrRevokePartitions, and Partitions says which.
// The group waits for our call of Assign or Unassign. Until then no record of these partitions
// comes; those that came before were ours to read.
func (r *Reader) Subscribe() error {
	all := make([]Position, len(r.topics))
	for i := range all {
		all[i].Partition = Partition{int32(i), kafka.PartitionAny}
	}
	list := r.list(all)
	defer C.rd_kafka_topic_partition_list_destroy(list)
	return codeError(C.rd_kafka_subscribe(r.c.rk, list))
}

// Assign begins to read at these positions. They replace those before, or are added to them where
// the group's protocol is cooperative.
func (r *Reader) Assign(at []Position) error {
	list := r.list(at)
	defer C.rd_kafka_topic_partition_list_destroy(list)
	r.c.unanswered = 0
	if r.cooperative() {
		return errorOf(C.rd_kafka_incremental_assign(r.c.rk, list))
	}
	return codeError(C.rd_kafka_assign(r.c.rk, list))
}

// Add begins to read partitions besides those that Assign named. It is not for groups.
func (r *Reader) Add(at []Position) error {
	list := r.list(at)
	defer C.rd_kafka_topic_partition_list_destroy(list)
	return errorOf(C.rd_kafka_incremental_assign(r.c.rk, list))
}

// Unassign ends the reading of partitions that the group takes, or of all partitions where its
// protocol is not cooperative.
func (r *Reader) Unassign(partitions []Partition) error {
	r.c.unanswered = 0
	if !r.cooperative() {
		return codeError(C.rd_kafka_assign(r.c.rk, nil))
	}
	list := r.list(at(partitions, 0))
	defer C.rd_kafka_topic_partition_list_destroy(list)
	return errorOf(C.rd_kafka_incremental_unassign(r.c.rk, list))
}

func (r *Reader) cooperative() bool {
	return C.GoString(C.rd_kafka_rebalance_protocol(r.c.rk)) == "COOPERATIVE"
}

// Lost reports whether the group has already given the partitions that it takes to another member.
// Then nothing can be committed for them any more.
func (r *Reader) Lost() bool { return C.rd_kafka_assignment_lost(r.c.rk) != 0 }

// Committed returns the group's offsets, negative where a partition has none.
func (r *Reader) Committed(partitions []Partition, timeoutMS int) ([]Position, error) {
	list := r.list(at(partitions, 0))
	defer C.rd_kafka_topic_partition_list_destroy(list)
	return r.filled(list, C.rd_kafka_committed(r.c.rk, list, C.int(timeoutMS)))
}

// Range returns the first offset of each partition, and the one that its next record gets. It fails
// where a partition has no leader.
func (r *Reader) Range(partitions []Partition, timeoutMS int) (first, next []Position, err error) {
	if first, err = r.offsetsAt(partitions, int64(kafka.OffsetBeginning), timeoutMS); err == nil {
		next, err = r.offsetsAt(partitions, int64(kafka.OffsetEnd), timeoutMS)
	}
	return first, next, err
}

// Since returns the offset of each partition's first record from time t on, negative where there is
// none.
func (r *Reader) Since(partitions []Partition, t time.Time, timeoutMS int) ([]Position, error) {
	return r.offsetsAt(partitions, max(t.UnixMilli(), 0), timeoutMS)
}

// offsetsAt returns the offsets at a time in ms since 1970, or at one of kafka's two ends.
func (r *Reader) offsetsAt(partitions []Partition, ms int64, timeoutMS int) ([]Position, error) {
	list := r.list(at(partitions, ms))
	defer C.rd_kafka_topic_partition_list_destroy(list)
	return r.filled(list, C.rd_kafka_offsets_for_times(r.c.rk, list, C.int(timeoutMS)))
}

// Commit commits offsets for the group, each the one after the last record that is done. It waits
// that many ms for the response. With 0 it does not wait.
func (r *Reader) Commit(at []Position, timeoutMS int) error {
	list := r.list(at)
	defer C.rd_kafka_topic_partition_list_destroy(list)
	if timeoutMS == 0 {
		return codeError(C.rd_kafka_commit(r.c.rk, list, 1))
	}
	queue := C.rd_kafka_queue_new(r.c.rk)
	defer C.rd_kafka_queue_destroy(queue)
	if err := codeError(C.rd_kafka_commit_queue(r.c.rk, list, queue, nil, nil)); err != nil {
		return err
	}
	event := C.rd_kafka_queue_poll(queue, C.int(timeoutMS))
	if event == nil {
		return kafka.NewError(kafka.ErrTimedOut, "", false)
	}
	defer C.rd_kafka_event_destroy(event)
	return codeError(C.rd_kafka_event_error(event))
}

func at(partitions []Partition, offset int64) []Position {
	positions := make([]Position, len(partitions))
	for i, p := range partitions {
		positions[i] = Position{p, offset}
	}
	return positions
}

// list returns positions in librdkafka's form.
func (r *Reader) list(at []Position) *C.rd_kafka_topic_partition_list_t {
	list := C.rd_kafka_topic_partition_list_new(C.int(len(at)))
	for _, p := range at {
		C.rd_kafka_topic_partition_list_add(list, r.names[p.Partition.Topic], C.int32_t(p.Partition.ID)).offset = C.int64_t(p.Offset)
	}
	return list
}

func elements(list *C.rd_kafka_topic_partition_list_t) []C.rd_kafka_topic_partition_t {
	return unsafe.Slice(list.elems, int(list.cnt))
}

// filled returns the positions that librdkafka put into a list, or the first error in it.
func (r *Reader) filled(list *C.rd_kafka_topic_partition_list_t, code C.int) ([]Position, error) {
	at := make([]Position, 0, list.cnt)
	for _, p := range elements(list) {
		if code == 0 {
			code = p.err
		}
		at = append(at, Position{Partition{r.index(p.topic), int32(p.partition)}, int64(p.offset)})
	}
	if err := codeError(code); err != nil {
		return nil, err
	}
	return at, nil
}

// codeError returns the error of a code, nil for 0.
func codeError(code C.int) error {
	if code == 0 {
		return nil
	}
	return kafka.NewError(kafka.ErrorCode(code), "", false)
}

// errorOf returns the error that some functions of librdkafka return instead of a code, and frees
// it.
func errorOf(err *C.rd_kafka_error_t) error {
	if err == nil {
		return nil
	}
	defer C.rd_kafka_error_destroy(err)
	return codeError(C.rd_kafka_error_code(err))
}
