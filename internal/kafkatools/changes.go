package kafkatools

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// describe is what the brokers tell of the topics.
func (r *consumption) describe(ctx context.Context) (kadm.TopicDetails, error) {
	md, err := kadm.NewClient(r.ask).Metadata(kadm.WithAuthorizedOps(ctx), r.o.Topics...) // so that no cache is asked
	return md.Topics, err
}

// look looks now and then whether the topics are what they were. Where one was made again, its
// records are read from the first on. Partitions that were added are read; in a group it is the group
// that deals them out, and --until-end reads what was there when the run began.
func (r *consumption) look(ctx context.Context) error {
	if time.Since(r.looked) < partitionsEvery {
		return nil
	}
	r.looked = time.Now()
	// While no broker answers there is nothing to read either, so waiting a second holds up nothing.
	limited, cancel := context.WithTimeout(ctx, time.Second)
	now, err := r.describe(limited)
	cancel()
	if err != nil {
		return nil //nolint:nilerr // that brokers do not answer is said by those who read
	}
	for _, topic := range r.o.Topics {
		was, is := r.topics[topic], now[topic]
		switch {
		case errors.Is(is.Err, kerr.UnknownTopicOrPartition), is.Err == nil && is.ID != was.id && r.o.UntilEnd: // its ends are not known
			return fmt.Errorf("topic %s %w", topic, errDeleted)
		case is.Err != nil:
		case is.ID != was.id:
			err = r.readAgain(ctx, topic, is)
		case int32(len(is.Partitions)) > was.partitions && r.o.Group == "" && r.o.Partition < 0 && !r.o.UntilEnd:
			err = r.readMore(ctx, topic, int32(len(is.Partitions)))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// readMore reads partitions that were added.
func (r *consumption) readMore(ctx context.Context, topic string, partitions int32) error {
	var ids []partitionID
	var numbers []int32
	for id := r.topics[topic].partitions; id < partitions; id++ {
		ids, numbers = append(ids, partitionID{topic, id}), append(numbers, id)
	}
	r.mu.Lock()
	r.progress.aloud("topic %s has partitions that are new, %v; they are read from their beginning", topic, numbers)
	r.mu.Unlock()
	if err := r.add(ctx, ids); err != nil {
		return err
	}
	r.topics[topic].partitions = partitions // in no group, where nobody else looks
	return nil
}

// readAgain reads a topic that was deleted and made again. franz-go reads it no more: a topic of that
// name is another one.
func (r *consumption) readAgain(ctx context.Context, topic string, is kadm.TopicDetail) error {
	r.mu.Lock()
	var ids []partitionID
	for id, p := range r.standing.parts {
		if id.topic == topic {
			ids = append(ids, id)
			p.first.Store(0)
			r.moved(p, 0)
		}
	}
	r.standing.drop(map[string][]int32{topic: numbersOf(ids)}) // some may not be there any more
	*r.topics[topic] = consumedTopic{id: is.ID, partitions: int32(len(is.Partitions)), again: true}
	r.mu.Unlock()
	r.reader.PurgeTopicsFromConsuming(topic)
	if r.o.Group != "" {
		r.reader.AddConsumeTopics(topic)
		return nil
	}
	if r.o.Partition < 0 {
		ids = nil
		for id := range is.Partitions {
			ids = append(ids, partitionID{topic, id})
		}
	}
	return r.add(ctx, ids)
}

func numbersOf(ids []partitionID) (numbers []int32) {
	for _, id := range ids {
		numbers = append(numbers, id.id)
	}
	return numbers
}
