package kafkatools

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
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
func (c Cluster) group(ctx context.Context, cl *kgo.Client, group, topic string) (groupState, error) {
	offsets, err := groupOffsets(ctx, cl, group)
	if err != nil {
		return groupState{}, err
	}
	members, state, err := groupMembers(ctx, cl, group)
	return stateIn(topic, offsets, members, state), err
}

// stateIn is what a group's offsets, members and state say of one topic.
func stateIn(topic string, offsets kadm.OffsetResponses, members []groupMember, state string) groupState {
	v := groupState{committed: map[int32]int64{}, readers: map[int32]member{}, state: state, members: len(members)}
	for id, o := range offsets[topic] {
		v.committed[id] = o.At
	}
	for _, m := range members {
		for id := range m.assigned[topic] {
			v.readers[id] = m.member
		}
	}
	return v
}

// groupOffsets asks for a group's offsets, those that there are, in all topics.
func groupOffsets(ctx context.Context, cl *kgo.Client, group string) (kadm.OffsetResponses, error) {
	all, err := kadm.NewClient(cl).FetchOffsets(ctx, group)
	if errors.Is(err, kerr.GroupIDNotFound) { // some brokers say so of a group that is not there
		return nil, nil
	}
	all.DeleteFunc(func(o kadm.OffsetResponse) bool { return o.Err != nil || o.At < 0 })
	return all, err
}

// groupMember is one of a group, and what it reads.
type groupMember struct {
	member
	assigned kadm.TopicsSet
}

// groupMembers asks for a group's members, and its state in a word; dead: there is no such
// group.
func groupMembers(ctx context.Context, cl *kgo.Client, group string) (members []groupMember, state string, err error) {
	a := kadm.NewClient(cl)
	classic, err := a.DescribeGroups(ctx, group)
	if err != nil {
		return nil, "", err
	}
	d := classic[group]
	if d.Err != nil && !errors.Is(d.Err, kerr.GroupIDNotFound) {
		return nil, "", d.Err
	}
	for _, m := range d.Members {
		one := groupMember{member: memberOf(m.MemberID, m.ClientHost)}
		if assignment, ok := m.Assigned.AsConsumer(); ok {
			for _, t := range assignment.Topics {
				one.assigned.Add(t.Topic, t.Partitions...)
			}
		}
		members = append(members, one)
	}
	if state = stateOf(d.State); d.Err != nil {
		state = "dead"
	}
	if len(members) > 0 {
		return members, state, nil
	}
	newer, err := a.DescribeConsumerGroups(ctx, group) // one of group.protocol=consumer shows no members to the older request
	n, known := newer[group]
	if err != nil || !known || n.Err != nil {
		return nil, state, nil //nolint:nilerr // older brokers have no such request
	}
	for _, m := range n.Members {
		members = append(members, groupMember{memberOf(m.MemberID, m.ClientHost), m.Assignment})
	}
	return members, stateOf(n.State), nil
}

func memberOf(id, host string) member { return member{id, strings.TrimPrefix(host, "/")} }

func stateOf(s string) string {
	state := strings.ToLower(s)
	switch {
	case state == "": // of brokers before 2.6, in a list
		return "unknown"
	case strings.HasSuffix(state, "rebalance"): // preparing, completing: it deals out partitions
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
