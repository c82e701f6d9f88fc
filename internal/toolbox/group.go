package toolbox

import (
	"maps"
	"slices"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/ringtail/ringtail/internal/toolbox/rdc"
)

// event takes one thing from the group's consumer: a record, an end, trouble. It
// returns how many it took, 0 or 1.
func (r *consumption) event(wait int) (int, error) {
	switch e := r.consumer.Poll(wait).(type) {
	case nil:
		return 0, nil
	case *kafka.Message:
		if err := e.TopicPartition.Error; err != nil {
			return 1, r.failed(e.TopicPartition.Partition, err)
		}
		return 1, r.record(&rdc.Record{
			Partition: e.TopicPartition.Partition, Offset: int64(e.TopicPartition.Offset), Timestamp: e.Timestamp.UnixMilli(),
			Key: e.Key, Value: e.Value, Headers: e.Headers,
		})
	case kafka.PartitionEOF:
		return 1, r.record(&rdc.Record{Err: kafka.ErrPartitionEOF, Partition: e.Partition, Offset: int64(e.Offset)})
	case kafka.Error:
		return 1, r.trouble(e)
	}
	return 1, nil
}

// rebalance is called when the group gives or takes partitions. The committed
// offset wins; where there is none, --from says where to begin.
func (r *consumption) rebalance(_ *kafka.Consumer, event kafka.Event) error {
	switch e := event.(type) {
	case kafka.AssignedPartitions:
		partitions := e.Partitions
		if len(partitions) > 0 {
			committed, err := r.consumer.Committed(partitions, requestMS())
			if err != nil {
				return err
			}
			partitions = committed
		}
		var ids []int32
		for i := range partitions {
			if partitions[i].Offset < 0 {
				partitions[i].Offset = r.start
			}
			ids = append(ids, partitions[i].Partition)
		}
		r.take(ids)
		if r.consumer.GetRebalanceProtocol() == "COOPERATIVE" {
			return r.consumer.IncrementalAssign(partitions)
		}
		return r.consumer.Assign(partitions)
	case kafka.RevokedPartitions:
		if !r.consumer.AssignmentLost() {
			r.commit()
		}
		for _, p := range e.Partitions {
			delete(r.reading, p.Partition)
			delete(r.next, p.Partition)
		}
		if r.consumer.GetRebalanceProtocol() == "COOPERATIVE" {
			return r.consumer.IncrementalUnassign(e.Partitions)
		}
		return r.consumer.Unassign()
	}
	return nil
}

// store tells librdkafka what may be committed for the group.
func (r *consumption) store() {
	r.stored = time.Now()
	if len(r.next) == 0 {
		return
	}
	offsets := make([]kafka.TopicPartition, 0, len(r.next))
	for _, p := range slices.Sorted(maps.Keys(r.next)) {
		offsets = append(offsets, kafka.TopicPartition{Topic: &r.o.Topic, Partition: p, Offset: r.next[p]})
	}
	_, _ = r.consumer.StoreOffsets(offsets) // partitions taken from us meanwhile are refused, rightly
	clear(r.next)
}

// commit commits what has been shown, in the group's name.
func (r *consumption) commit() {
	if r.o.Group == "" {
		return
	}
	_ = r.out.Flush()
	r.store()
	var err error
	done := within(closeLimit, func() { _, err = r.consumer.Commit() })
	switch {
	case !done:
		r.s.say("offsets of group %s are not committed: no answer within %v", r.o.Group, closeLimit)
	case err != nil && !isCode(err, kafka.ErrNoOffset):
		r.s.say("offsets of group %s are not committed: %v", r.o.Group, err)
	}
}
