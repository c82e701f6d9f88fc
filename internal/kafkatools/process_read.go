package kafkatools

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// place is where a processing stands in a partition.
type place struct {
	next      int64 // the offset that is due; negative: the partition's beginning
	committed int64 // next, as it was last committed
	told      int64 // up to where gaps have been told: a batch that is read again crosses them again
}

// rebalance takes partitions, and gives them up. Where the group's protocol is cooperative the others
// stay, and with them what has been read and not been processed: nobody will read it again.
func (p *processing) rebalance(ctx context.Context, event kafka.Event) error {
	cooperative := p.consumer.GetRebalanceProtocol() == "COOPERATIVE"
	if !cooperative || p.places == nil {
		p.forget()
		p.places = map[int32]*place{}
	}
	switch e := event.(type) {
	case kafka.AssignedPartitions:
		at, err := p.committed(ctx, e.Partitions)
		if err != nil {
			return err
		}
		p.stand(at)
		if cooperative {
			return p.consumer.IncrementalAssign(at)
		}
		return p.consumer.Assign(at)
	case kafka.RevokedPartitions:
		if cooperative {
			p.batch = without(p.batch, e.Partitions)
			for _, tp := range e.Partitions {
				delete(p.places, tp.Partition)
			}
			return p.consumer.IncrementalUnassign(e.Partitions)
		}
		return p.consumer.Unassign()
	}
	return nil
}

// without is a batch without the records of these partitions.
func without(batch []*kafka.Message, partitions []kafka.TopicPartition) []*kafka.Message {
	return slices.DeleteFunc(batch, func(m *kafka.Message) bool {
		return slices.ContainsFunc(partitions, func(p kafka.TopicPartition) bool { return p.Partition == m.TopicPartition.Partition })
	})
}

// forget drops what has been read and not been processed.
func (p *processing) forget() {
	p.batch, p.crossed = p.batch[:0], false
	p.bad, p.suspects = map[position]*failure{}, map[position]bool{}
}

// committed asks for the group's offsets, until they are told or ctx ends. It waits for
// open transactions to end.
func (p *processing) committed(ctx context.Context, partitions []kafka.TopicPartition) ([]kafka.TopicPartition, error) {
	for {
		at, err := p.consumer.Committed(partitions, int(txLimit/time.Millisecond))
		if err == nil || ctx.Err() != nil {
			return at, err
		}
		p.progress.trouble(err)
	}
}

// stand takes up positions as they are committed, and gives those that have none the
// partition's beginning.
func (p *processing) stand(at []kafka.TopicPartition) {
	for i := range at {
		pl := p.places[at[i].Partition]
		if pl == nil {
			pl = &place{told: -1}
			p.places[at[i].Partition] = pl
		}
		if at[i].Offset < 0 {
			at[i].Offset = kafka.OffsetBeginning
		}
		pl.next, pl.committed = int64(at[i].Offset), int64(at[i].Offset)
	}
}

// arrive notes a record, or the end of a partition, at an offset; next is the one that is
// due then.
func (p *processing) arrive(at kafka.TopicPartition, next int64) {
	pl, offset := p.places[at.Partition], int64(at.Offset)
	if pl == nil {
		return // not ours any more
	}
	if pl.next >= 0 && pl.next != offset && pl.told < offset {
		first, _, _ := p.consumer.GetWatermarkOffsets(p.o.From, at.Partition)
		if text := p.losses.crossed(p.o.From, at.Partition, pl.next, offset, first); text != "" {
			p.progress.aloud("%s", text)
			pl.told, p.crossed = offset, true
		}
	}
	pl.next = next
}

// read takes what is there, and waits a little if that is nothing.
func (p *processing) read(ctx context.Context) error {
	wait := pollMS
	if len(p.batch) > 0 {
		wait = 0
	}
	for left := room(p.batch); left > 0 && len(p.batch) < batchRecords && ctx.Err() == nil; {
		switch e := p.consumer.Poll(wait).(type) {
		case nil:
			return nil
		case *kafka.Message:
			if e.TopicPartition.Error != nil {
				return fmt.Errorf("topic %s: %w", p.o.From, e.TopicPartition.Error)
			}
			p.arrive(e.TopicPartition, int64(e.TopicPartition.Offset)+1)
			p.batch = append(p.batch, e)
			left -= len(e.Key) + len(e.Value)
			wait = 0
		case kafka.PartitionEOF:
			p.arrive(kafka.TopicPartition(e), int64(e.Offset))
		case kafka.Error:
			if e.IsFatal() || isOneOf(e, hopeless) {
				return fmt.Errorf("topic %s: %w", p.o.From, e)
			}
			p.progress.trouble(e)
		}
	}
	return nil
}

// room is how many bytes more a batch may have.
func room(batch []*kafka.Message) int {
	left := batchBytes
	for _, m := range batch {
		left -= len(m.Key) + len(m.Value)
	}
	return left
}

// due is, for each partition, the offset behind the first n records of the batch.
func (p *processing) due(n int) map[int32]int64 {
	next := map[int32]int64{}
	for partition, pl := range p.places {
		next[partition] = pl.next
	}
	for _, m := range slices.Backward(p.batch[n:]) {
		next[m.TopicPartition.Partition] = int64(m.TopicPartition.Offset)
	}
	return next
}

// offsets are those to commit when the first n records of the batch are done.
func (p *processing) offsets(n int) []kafka.TopicPartition {
	var out []kafka.TopicPartition
	for partition, next := range p.due(n) {
		if next >= 0 && next != p.places[partition].committed {
			out = append(out, kafka.TopicPartition{Topic: &p.o.From, Partition: partition, Offset: kafka.Offset(next)})
		}
	}
	return out
}

// noteCommitted notes that they have been committed.
func (p *processing) noteCommitted(n int) {
	for partition, next := range p.due(n) {
		p.places[partition].committed = next
	}
	for _, m := range p.batch[:n] {
		delete(p.bad, positionOf(m))
		delete(p.suspects, positionOf(m))
	}
	p.batch, p.crossed = append(p.batch[:0], p.batch[n:]...), false
}

// rewind goes back to where the group has committed. That is the first record of the
// batch, or, where a commit succeeded and its answer was lost, the one behind it:
// only the group's offsets tell.
func (p *processing) rewind(ctx context.Context) error {
	p.batch, p.crossed = p.batch[:0], false
	mine, err := p.consumer.Assignment()
	if err != nil || len(mine) == 0 {
		return err // what was taken from us is somebody else's to read
	}
	committed, err := p.committed(ctx, mine)
	if err != nil {
		return nil //nolint:nilerr // stopped; nothing of the batch is visible, or all of it
	}
	p.stand(committed)
	results, err := p.consumer.SeekPartitions(committed)
	if err != nil {
		return err
	}
	for _, r := range results {
		if r.Error != nil {
			return fmt.Errorf("topic %s, partition %d: going back to %v: %w", p.o.From, r.Partition, r.Offset, r.Error)
		}
	}
	return nil
}
