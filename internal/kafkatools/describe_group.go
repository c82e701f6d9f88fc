package kafkatools

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// groupState is how a group stands in a topic.
type groupState struct {
	committed map[int32]int64  // where there is one
	readers   map[int32]member // who has the partition
	members   int              // of the whole group
	state     string
}

// member is one of a group.
type member struct{ id, host string }

// reader is who has a partition, "-" where nobody has.
func (v *groupState) reader(partition int32) string {
	if m, ok := v.readers[partition]; ok {
		return m.id + " on " + m.host
	}
	return "-"
}

// groupJSON is a group in --json.
type groupJSON struct {
	Name    string `json:"name"`
	State   string `json:"state"`
	Members int    `json:"members"`
}

// positionJSON is how a group stands in a partition, in --json; null: nothing committed, nobody.
type positionJSON struct {
	Committed *int64  `json:"committed"`
	Lag       *int64  `json:"lag"`
	Member    *string `json:"member"`
	Host      *string `json:"host"`
}

func (v *groupState) json(partition int32, lags map[int32]int64) *positionJSON {
	p := &positionJSON{Committed: number(v.committed, partition), Lag: number(lags, partition)}
	if m, ok := v.readers[partition]; ok {
		p.Member, p.Host = &m.id, &m.host
	}
	return p
}

// group asks for it.
func (c Cluster) group(ctx context.Context, a *kafka.AdminClient, group, topic string, partitions []kafka.PartitionMetadata) (groupState, error) {
	var wanted []kafka.TopicPartition
	for _, p := range partitions {
		wanted = append(wanted, kafka.TopicPartition{Topic: &topic, Partition: p.ID})
	}
	offsets, err := committed(ctx, a, group, wanted, false)
	if err != nil {
		return groupState{}, err
	}
	d, state, err := describeGroup(ctx, a, group)
	return stateIn(topic, offsets, d, state), err
}

// stateIn is what a group's offsets, description and state say of one topic.
func stateIn(topic string, offsets []kafka.TopicPartition, d kafka.ConsumerGroupDescription, state string) groupState {
	v := groupState{committed: map[int32]int64{}, readers: map[int32]member{}, state: state, members: len(d.Members)}
	for _, p := range offsets {
		if *p.Topic == topic {
			v.committed[p.Partition] = int64(p.Offset)
		}
	}
	for _, m := range d.Members {
		for _, p := range m.Assignment.TopicPartitions {
			if p.Topic != nil && *p.Topic == topic {
				v.readers[p.Partition] = member{m.ConsumerID, strings.TrimPrefix(m.Host, "/")}
			}
		}
	}
	return v
}

// committed asks for a group's offsets, those that there are; without partitions, in all
// topics. Stable ones are none of a transaction that may still be taken back.
func committed(ctx context.Context, a *kafka.AdminClient, group string, partitions []kafka.TopicPartition, stable bool) ([]kafka.TopicPartition, error) {
	answer, err := a.ListConsumerGroupOffsets(ctx, []kafka.ConsumerGroupTopicPartitions{{Group: group, Partitions: partitions}},
		kafka.SetAdminRequestTimeout(requestLimit), kafka.SetAdminRequireStableOffsets(stable))
	if isCode(err, kafka.ErrGroupIDNotFound) { // some brokers say so of a group that is not there
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	all := answer.ConsumerGroupsTopicPartitions[0].Partitions
	for _, p := range all {
		if stable && p.Error != nil { // to take it for one without offset would do things twice
			return nil, p.Error
		}
	}
	return slices.DeleteFunc(all, func(p kafka.TopicPartition) bool { return p.Error != nil || p.Offset < 0 }), nil
}

// describeGroup asks for a group's members, and its state in a word; dead: there is no such
// group.
func describeGroup(ctx context.Context, a *kafka.AdminClient, group string) (d kafka.ConsumerGroupDescription, state string, err error) {
	for deadline := time.Now().Add(requestLimit); ; time.Sleep(metadataInterval) {
		groups, err := a.DescribeConsumerGroups(ctx, []string{group}, kafka.SetAdminRequestTimeout(requestLimit))
		if err != nil {
			return d, "", err
		}
		d = groups.ConsumerGroupDescriptions[0]
		switch code := d.Error.Code(); {
		case code == kafka.ErrNoError:
			return d, stateOf(d.State), nil
		case code == kafka.ErrGroupIDNotFound: // newer brokers say so of a group that is not there
			return d, "dead", nil
		case ctx.Err() != nil || time.Now().After(deadline) || !isOneOf(d.Error, electing):
			return d, "", kafka.NewError(code, code.String(), false) // its own text may be a request's name alone
		}
	}
}

// electing are the answers about a group while the brokers find out which of them knows it, as after
// the first request about any group.
var electing = []kafka.ErrorCode{kafka.ErrCoordinatorLoadInProgress, kafka.ErrCoordinatorNotAvailable, kafka.ErrNotCoordinator}

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
	text := fmt.Sprintf("group %s: %s, %s, lag %d", group, v.state, plural(v.members, "member"), sum)
	if without := partitions - len(v.committed); without > 0 {
		text += ", nothing committed in " + plural(without, "partition")
	}
	return text
}
