package rdc

// #include "rdc.h"
// #include <stdlib.h>
import "C"

import (
	"encoding/binary"
	"fmt"
	"slices"
	"unsafe"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// Position is a partition and an offset in it, which may be one of
// kafka.OffsetBeginning and kafka.OffsetEnd.
type Position struct {
	Partition int32
	Offset    int64
}

// Subscribe joins the group named by group.id. From then on Fetch hands out changes
// among the records: Err is ErrAssignPartitions or ErrRevokePartitions, Partitions
// says which. The group waits until Assign or Unassign answers; until then no record
// of its partitions comes, and those that came before were ours to read.
func (r *Reader) Subscribe(topic string) error {
	name := C.CString(topic)
	defer C.free(unsafe.Pointer(name))
	return failure(C.rdc_subscribe(r.c, name))
}

// Assign begins to read at these positions: instead of any before, or besides them
// where the group's protocol is cooperative.
func (r *Reader) Assign(topic string, at []Position) error {
	partitions, offsets := split(at)
	name := C.CString(topic)
	defer C.free(unsafe.Pointer(name))
	return failure(C.rdc_assign(r.c, name, int32s(partitions), int64s(offsets), C.int(len(at))))
}

// Unassign ends the reading of partitions that the group takes.
func (r *Reader) Unassign(topic string, partitions []int32) error {
	name := C.CString(topic)
	defer C.free(unsafe.Pointer(name))
	return failure(C.rdc_unassign(r.c, name, int32s(partitions), C.int(len(partitions))))
}

// Lost tells, of partitions that the group takes, whether it has given them to
// somebody else already: nothing can be committed for them any more.
func (r *Reader) Lost() bool { return C.rd_kafka_assignment_lost(r.c.rk) != 0 }

// Committed asks for the group's offsets; those of partitions that have none are
// negative.
func (r *Reader) Committed(topic string, partitions []int32, timeoutMS int) ([]Position, error) {
	offsets := make([]int64, len(partitions))
	name := C.CString(topic)
	defer C.free(unsafe.Pointer(name))
	if err := failure(C.rdc_committed(r.c, name, int32s(partitions), int64s(offsets), C.int(len(partitions)), C.int(timeoutMS))); err != nil {
		return nil, err
	}
	at := make([]Position, len(partitions))
	for i := range at {
		at[i] = Position{partitions[i], offsets[i]}
	}
	return at, nil
}

// Range asks for the first offset of each partition and for the one that its next
// record gets. It is an error where one of them has no leader.
func (r *Reader) Range(topic string, partitions []int32, timeoutMS int) (first, next []int64, err error) {
	ask := func(logical kafka.Offset) ([]int64, error) {
		offsets := slices.Repeat([]int64{int64(logical)}, len(partitions))
		name := C.CString(topic)
		defer C.free(unsafe.Pointer(name))
		return offsets, failure(C.rdc_offsets(r.c, name, int32s(partitions), int64s(offsets), C.int(len(partitions)), C.int(timeoutMS)))
	}
	if first, err = ask(kafka.OffsetBeginning); err == nil {
		next, err = ask(kafka.OffsetEnd)
	}
	return first, next, err
}

// Commit commits offsets for the group, each the one behind the last record that is
// done. It waits so many ms for the answer; with 0 it only sends them off.
func (r *Reader) Commit(topic string, at []Position, timeoutMS int) error {
	partitions, offsets := split(at)
	name := C.CString(topic)
	defer C.free(unsafe.Pointer(name))
	return failure(C.rdc_commit(r.c, name, int32s(partitions), int64s(offsets), C.int(len(at)), C.int(timeoutMS)))
}

// Ends are the first offset of a partition and the one that its next record gets, as
// the last answer to a fetch said; negative while there was none. Any goroutine may
// ask until Close.
func (r *Reader) Ends(topic string, partition int32) (first, next int64) {
	name := C.CString(topic)
	defer C.free(unsafe.Pointer(name))
	var low, high C.int64_t
	if C.rd_kafka_get_watermark_offsets(r.c.rk, name, C.int32_t(partition), &low, &high) != 0 {
		return -1, -1
	}
	return int64(low), int64(high)
}

func failure(code C.int) error {
	if code == 0 {
		return nil
	}
	return kafka.NewError(kafka.ErrorCode(code), "", false)
}

func split(at []Position) (partitions []int32, offsets []int64) {
	for _, p := range at {
		partitions = append(partitions, p.Partition)
		offsets = append(offsets, p.Offset)
	}
	return partitions, offsets
}

func int32s(s []int32) *C.int32_t { return (*C.int32_t)(unsafe.Pointer(unsafe.SliceData(s))) }
func int64s(s []int64) *C.int64_t { return (*C.int64_t)(unsafe.Pointer(unsafe.SliceData(s))) }

// changed reads the partitions of a change of the group.
func changed(value []byte) []int32 {
	if len(value)%4 != 0 {
		panic(fmt.Sprintf("rdc: %d bytes of partitions", len(value)))
	}
	partitions := make([]int32, 0, len(value)/4)
	for ; len(value) > 0; value = value[4:] {
		partitions = append(partitions, int32(binary.NativeEndian.Uint32(value)))
	}
	return partitions
}
