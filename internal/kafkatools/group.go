package kafkatools

import (
	"context"
	"fmt"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/ringtail/ringtail/producer/librdkafka"
)

// given takes the partitions that the group gives. The committed offset wins; where
// there is none, --from says where to begin.
func (r *consumption) given(ctx context.Context, partitions []librdkafka.Partition) error {
	at, err := r.reader.Committed(partitions, requestMS())
	for err != nil {
		if err := r.trouble(err); err != nil || ctx.Err() != nil {
			return err
		}
		at, err = r.reader.Committed(partitions, requestMS())
	}
	return r.begin(at, r.reader.Assign)
}

// taken gives back what the group takes, once what has been shown of it is committed.
func (r *consumption) taken(partitions []librdkafka.Partition) error {
	if !r.reader.Lost() {
		if err := r.commit(closeLimit); err != nil {
			r.progress.aloud("%v", err)
		}
	}
	r.standing.drop(partitions)
	return r.reader.Unassign(partitions)
}

// commit commits what has been shown, in the group's name: with a limit it waits for
// the answer, and an error says that it is not committed.
func (r *consumption) commit(limit time.Duration) error {
	r.committed = time.Now()
	if r.o.Group == "" || r.out.Flush() != nil {
		return nil //nolint:nilerr // what was not shown is not committed, and the writer has its error
	}
	at := r.standing.positions(limit > 0)
	if len(at) == 0 {
		return nil
	}
	if err := r.reader.Commit(at, int(limit/time.Millisecond)); err != nil {
		return fmt.Errorf("offsets of group %s are not committed: %w", r.o.Group, err)
	}
	return nil
}

// commitLast commits what has been shown when the run ends, after an error of reading too.
// Offsets of a topic that was deleted are not committed: brokers drop them with the topic,
// and in one that was made again under its name they would go past records.
func (r *consumption) commitLast(reading error) error {
	if r.o.Group == "" || r.standing.rewound() { // rewound: they are the new topic's
		return r.commit(closeLimit)
	}
	for i, topic := range r.o.Topics {
		id, known := topicID(r.admin, topic)
		if isCode(reading, kafka.ErrUnknownTopicOrPart) || known && id != r.ids[i] {
			return fmt.Errorf("topic %s was deleted while it was read; offsets of group %s are not committed", topic, r.o.Group)
		}
	}
	return r.commit(closeLimit)
}

// topicID is the id that a topic has as long as it lives; known is false where brokers do
// not tell within moments.
func topicID(a *kafka.AdminClient, topic string) (id kafka.UUID, known bool) {
	answer, err := a.DescribeTopics(context.Background(), kafka.NewTopicCollectionOfTopicNames([]string{topic}), kafka.SetAdminRequestTimeout(2*time.Second))
	if err != nil || len(answer.TopicDescriptions) != 1 || answer.TopicDescriptions[0].Error.Code() != kafka.ErrNoError {
		return id, false
	}
	return answer.TopicDescriptions[0].TopicID, true
}
