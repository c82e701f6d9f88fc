package kafkatools

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// groupState is how a group stands in a topic.
type groupState struct {
	committed map[int32]int64  // where there is one
	readers   map[int32]string // the member that has the partition
	members   int              // of the whole group
	state     string
}

// group asks for it.
func (c Cluster) group(ctx context.Context, a *kafka.AdminClient, group, topic string, partitions []kafka.PartitionMetadata) (groupState, error) {
	var wanted []kafka.TopicPartition
	for _, p := range partitions {
		wanted = append(wanted, kafka.TopicPartition{Topic: &topic, Partition: p.ID})
	}
	offsets, err := committed(ctx, a, group, wanted)
	if err != nil {
		return groupState{}, err
	}
	d, state, err := describeGroup(ctx, a, group)
	return stateIn(topic, offsets, d, state), err
}

// stateIn is what a group's offsets, description and state say of one topic.
func stateIn(topic string, offsets []kafka.TopicPartition, d kafka.ConsumerGroupDescription, state string) groupState {
	v := groupState{committed: map[int32]int64{}, readers: map[int32]string{}, state: state, members: len(d.Members)}
	for _, p := range offsets {
		if *p.Topic == topic {
			v.committed[p.Partition] = int64(p.Offset)
		}
	}
	for _, m := range d.Members {
		for _, p := range m.Assignment.TopicPartitions {
			if p.Topic != nil && *p.Topic == topic {
				v.readers[p.Partition] = m.ConsumerID + " on " + strings.TrimPrefix(m.Host, "/")
			}
		}
	}
	return v
}

// committed asks for a group's offsets, those that there are; without partitions, in all
// topics.
func committed(ctx context.Context, a *kafka.AdminClient, group string, partitions []kafka.TopicPartition) ([]kafka.TopicPartition, error) {
	answer, err := a.ListConsumerGroupOffsets(ctx, []kafka.ConsumerGroupTopicPartitions{{Group: group, Partitions: partitions}}, kafka.SetAdminRequestTimeout(requestLimit))
	if isCode(err, kafka.ErrGroupIDNotFound) { // some brokers say so of a group that is not there
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(answer.ConsumerGroupsTopicPartitions[0].Partitions, func(p kafka.TopicPartition) bool {
		return p.Error != nil || p.Offset < 0
	}), nil
}

// describeGroup asks for a group's members, and its state in a word; dead: there is no such
// group.
func describeGroup(ctx context.Context, a *kafka.AdminClient, group string) (d kafka.ConsumerGroupDescription, state string, err error) {
	groups, err := a.DescribeConsumerGroups(ctx, []string{group}, kafka.SetAdminRequestTimeout(requestLimit))
	if err != nil {
		return d, "", err
	}
	switch d = groups.ConsumerGroupDescriptions[0]; d.Error.Code() {
	case kafka.ErrNoError:
		return d, stateOf(d.State), nil
	case kafka.ErrGroupIDNotFound: // newer brokers say so of a group that is not there
		return d, "dead", nil
	}
	return d, "", d.Error
}

func stateOf(s kafka.ConsumerGroupState) string {
	state := strings.ToLower(s.String())
	if strings.HasSuffix(state, "rebalance") { // preparing, completing: it deals out partitions
		return "rebalancing"
	}
	return state
}

// lags are the records between what is committed and the partitions' ends, where both
// are known.
func (v *groupState) lags(next map[int32]int64) map[int32]int64 {
	lags := map[int32]int64{}
	for p, committed := range v.committed {
		if end, ok := next[p]; ok {
			lags[p] = max(0, end-committed)
		}
	}
	return lags
}

// summary is one line.
func (v *groupState) summary(group string, partitions int, lags map[int32]int64) string {
	if v.members == 0 && len(v.committed) == 0 {
		return fmt.Sprintf("group %s: has no members and has committed nothing here", group)
	}
	var sum int64
	for _, lag := range lags {
		sum += lag
	}
	text := fmt.Sprintf("group %s: %s, %d members, lag %d", group, v.state, v.members, sum)
	if without := partitions - len(v.committed); without > 0 {
		text += fmt.Sprintf(", nothing committed in %d partitions", without)
	}
	return text
}
