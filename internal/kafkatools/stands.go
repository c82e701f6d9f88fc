package kafkatools

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// stand is how a group stands in a partition.
type stand struct {
	committed  int64 // negative: nothing
	metadata   string
	first, end int64 // of the partition; what is in open transactions is behind its end
}

// standsOf asks for it, where the partitions begin and end if that is asked, or something is not
// committed. What a transaction may still commit is waited for: until then it is an error.
func standsOf(ctx context.Context, cl *kgo.Client, group, topic string, partitions []int32, ranges bool) (map[int32]stand, error) {
	ctx, cancel := context.WithTimeout(ctx, requestLimit)
	defer cancel()
	// Named one by one: of all that a group has, brokers leave out what nothing but an open
	// transaction has.
	t := kmsg.NewOffsetFetchRequestGroupTopic()
	t.Topic, t.Partitions = topic, partitions
	g := kmsg.NewOffsetFetchRequestGroup()
	g.Group, g.Topics = group, []kmsg.OffsetFetchRequestGroupTopic{t}
	q := kmsg.NewPtrOffsetFetchRequest()
	q.Groups, q.RequireStable = []kmsg.OffsetFetchRequestGroup{g}, true
	answer, err := q.RequestWith(ctx, cl)
	if err != nil {
		return nil, err
	}
	stands := map[int32]stand{}
	for _, id := range partitions {
		stands[id] = stand{committed: -1}
	}
	for _, g := range answer.Groups {
		if err := kerr.ErrorForCode(g.ErrorCode); err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
			return nil, fmt.Errorf("group %s: %w", group, err)
		}
		for _, t := range g.Topics {
			for _, p := range t.Partitions {
				if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
					return nil, fmt.Errorf("group %s, topic %s, partition %d: %w", group, topic, p.Partition, err)
				}
				s := stands[p.Partition]
				if s.committed = p.Offset; p.Metadata != nil {
					s.metadata = *p.Metadata
				}
				stands[p.Partition] = s
			}
		}
	}
	for _, s := range stands {
		ranges = ranges || s.committed < 0
	}
	if ranges {
		admin := kadm.NewClient(cl)
		first, err := admin.ListStartOffsets(ctx, topic)
		if err != nil {
			return nil, err
		}
		end, err := admin.ListCommittedOffsets(ctx, topic)
		if err != nil {
			return nil, err
		}
		for id, s := range stands {
			from, _ := first.Lookup(topic, id)
			to, _ := end.Lookup(topic, id)
			if err := cmp.Or(from.Err, to.Err); err != nil {
				return nil, fmt.Errorf("topic %s, partition %d: %w", topic, id, err)
			}
			s.first, s.end = from.Offset, to.Offset
			stands[id] = s
		}
	}
	return stands, nil
}

// awaitStands asks for them until they are told, ctx ends, or that is hopeless.
func awaitStands(ctx context.Context, say *progress, cl *kgo.Client, group, topic string, partitions []int32, ranges bool) (map[int32]stand, error) {
	for {
		stands, err := standsOf(ctx, cl, group, topic, partitions, ranges)
		if err == nil || ctx.Err() != nil || isHopeless(err) {
			return stands, err
		}
		if !errors.Is(err, kerr.UnstableOffsetCommit) {
			say.trouble(err)
		}
		time.Sleep(metadataInterval)
	}
}

// failures says what of a poll failed and may pass, and returns what is for good; ours is told first,
// and returns whether an error is its own business.
func (p *progress) failures(topic string, fetches kgo.Fetches, b *brokers, ours func(error) bool) error {
	for _, e := range fetches.Errors() {
		switch {
		case ours(e.Err) || errors.Is(e.Err, context.DeadlineExceeded) || errors.Is(e.Err, context.Canceled):
		case isHopeless(e.Err):
			return fmt.Errorf("topic %s: %w", topic, e.Err)
		default:
			p.trouble(e.Err)
		}
	}
	if err := b.hopeless(); err != nil {
		return err
	}
	if err := b.trouble(); err != nil {
		p.trouble(err)
	}
	return nil
}
