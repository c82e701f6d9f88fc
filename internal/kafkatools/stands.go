package kafkatools

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
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

// standsOf asks for it. What a transaction may still commit is waited for: until then it is an error.
func standsOf(ctx context.Context, cl *kgo.Client, group, topic string, partitions []int32) (map[int32]stand, error) {
	if len(partitions) == 0 {
		return nil, nil
	}
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
	admin := kadm.NewClient(cl)
	first, err := admin.ListStartOffsets(ctx, topic)
	if err != nil {
		return nil, err
	}
	end, err := admin.ListCommittedOffsets(ctx, topic)
	if err != nil {
		return nil, err
	}
	stands := map[int32]stand{}
	for _, id := range partitions {
		from, _ := first.Lookup(topic, id)
		to, _ := end.Lookup(topic, id)
		if err := cmp.Or(from.Err, to.Err); err != nil {
			return nil, fmt.Errorf("topic %s, partition %d: %w", topic, id, err)
		}
		stands[id] = stand{committed: -1, first: from.Offset, end: to.Offset}
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
	return stands, nil
}

// awaitStands asks until it is told or ctx ends.
func awaitStands(ctx context.Context, say *progress, ask func() (map[int32]stand, error)) (map[int32]stand, error) {
	for {
		stands, err := ask()
		if err == nil || ctx.Err() != nil || isHopeless(err) {
			return stands, err
		}
		if !errors.Is(err, kerr.UnstableOffsetCommit) {
			say.trouble(err)
		}
		time.Sleep(metadataInterval)
	}
}

// dialing has the last error of a connection: franz-go tries on without a word.
type dialing struct{ err atomic.Pointer[error] }

// OnBrokerConnect is for franz-go.
func (d *dialing) OnBrokerConnect(_ kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
	if err != nil {
		d.err.Store(&err)
	}
}

// last returns it once, nil if there was none since.
func (d *dialing) last() error {
	if err := d.err.Swap(nil); err != nil {
		return *err
	}
	return nil
}

// behind is why something took too long, where a connection says so.
func (d *dialing) behind(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return cmp.Or(d.last(), err)
	}
	return err
}
