package librdkafka

// #include "ceiling.h"
import "C"

import (
	"errors"
	"fmt"
	"unsafe"
)

// Ceiling is librdkafka alone, for benchmarks: a loop in C hands over records by the batch, with
// copies, and counts their reports.
type Ceiling struct {
	c     *C.rt_ceiling
	data  []byte
	begin []C.int64_t // of each record in data, and the end of the last
	first []C.int64_t // record of each partition, and the end of the last's
}

// NewCeiling makes a producer with the given librdkafka properties, and sends one record, so that
// it has its producer id. It copies the records of each partition.
func NewCeiling(properties map[string]string, topic string, byPartition [][][]byte) (*Ceiling, error) {
	if len(byPartition) == 0 || len(byPartition) > C.RT_CEILING_PARTITIONS_MAX {
		return nil, fmt.Errorf("librdkafka: %d partitions, at least 1 and at most %d", len(byPartition), C.RT_CEILING_PARTITIONS_MAX)
	}
	ce := &Ceiling{}
	for p, records := range byPartition {
		if len(records) == 0 {
			return nil, fmt.Errorf("librdkafka: no records for partition %d", p)
		}
		ce.first = append(ce.first, C.int64_t(len(ce.begin)))
		for _, record := range records {
			ce.begin = append(ce.begin, C.int64_t(len(ce.data)))
			ce.data = append(ce.data, record...)
		}
	}
	ce.first = append(ce.first, C.int64_t(len(ce.begin)))
	ce.begin = append(ce.begin, C.int64_t(len(ce.data)))
	conf, err := newConf(properties)
	if err != nil {
		return nil, err
	}
	text := (*C.char)(C.calloc(1, C.RT_TEXT_MAX))
	defer C.free(unsafe.Pointer(text))
	name := C.CString(topic)
	defer C.free(unsafe.Pointer(name))
	if ce.c = C.rt_ceiling_new(conf, name, text, C.RT_TEXT_MAX-1); ce.c == nil {
		return nil, errors.New("librdkafka: " + C.GoString(text))
	}
	C.rt_ceiling_warm_up(ce.c)
	return ce, nil
}

// Run produces that many records at that rate a second (0: as fast as possible), waits for all
// reports, and returns how many failed. took, if not nil, gets the seconds from produce to report,
// and has room for all of them.
func (ce *Ceiling) Run(records int, rate float64, took []float64) (failed int) {
	C.rt_ceiling_run(ce.c, C.int(len(ce.first)-1), &ce.first[0], (*C.char)(unsafe.Pointer(unsafe.SliceData(ce.data))), &ce.begin[0],
		C.uint64_t(records), C.double(rate), (*C.double)(unsafe.SliceData(took)))
	return int(ce.c.failed)
}

// Destroy ends the producer.
func (ce *Ceiling) Destroy() { C.rt_ceiling_destroy(ce.c) }
