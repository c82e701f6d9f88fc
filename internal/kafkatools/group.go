package kafkatools

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// given takes the partitions that the group gives, and returns where to begin. The committed offset
// wins; where there is none, --from says where to begin.
func (r *consumption) given(ctx context.Context, committed map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
	at := map[partitionID]int64{}
	for topic, offsets := range committed {
		for id, offset := range offsets {
			at[partitionID{topic, id}] = offset.EpochOffset().Offset // negative: nothing is
		}
	}
	return r.begin(ctx, at)
}

// taken gives back what the group takes, once what has been shown of it is committed.
func (r *consumption) taken(_ context.Context, _ *kgo.Client, partitions map[string][]int32) {
	err := r.commit()
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.progress.aloud("%v", err)
	}
	r.standing.drop(partitions)
}

// lost gives up what the group has given to others already: nothing can be committed of it.
func (r *consumption) lost(_ context.Context, _ *kgo.Client, partitions map[string][]int32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.standing.drop(partitions)
}

// due are the offsets to commit, those that changed or all. What was not shown is not committed.
func (r *consumption) due(all bool) map[string]map[int32]kgo.EpochOffset {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.o.Group == "" || r.out.Flush() != nil {
		return nil
	}
	return r.standing.positions(all)
}

// commitSoon commits what has been shown, in the group's name. The answer is told when it has come.
func (r *consumption) commitSoon() {
	r.committed = time.Now()
	select {
	case err := <-r.answers:
		if err != nil {
			r.progress.aloud("%v", err)
		}
	default:
	}
	if at := r.due(false); len(at) > 0 {
		ctx, cancel := context.WithTimeout(context.Background(), closeLimit)
		r.reader.CommitOffsets(ctx, at, func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, answer *kmsg.OffsetCommitResponse, err error) {
			cancel()
			select {
			case r.answers <- r.committedBy(answer, err):
			default: // one is enough
			}
		})
	}
}

// commit commits what has been shown and waits for the answer: an error says that it is not committed.
func (r *consumption) commit() (err error) {
	at := r.due(true)
	if len(at) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeLimit)
	defer cancel()
	r.reader.CommitOffsetsSync(ctx, at, func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, answer *kmsg.OffsetCommitResponse, cause error) {
		err = r.committedBy(answer, cause)
	})
	return err
}

// committedBy is what is wrong with the answer to a commit.
func (r *consumption) committedBy(answer *kmsg.OffsetCommitResponse, err error) error {
	if err == nil {
		for _, t := range answer.Topics {
			for _, p := range t.Partitions {
				err = cmp.Or(err, kerr.ErrorForCode(p.ErrorCode))
			}
		}
	}
	if err != nil {
		return fmt.Errorf("offsets of group %s are not committed: %w", r.o.Group, err)
	}
	return nil
}

// errDeleted ends a run whose topic is not there any more.
var errDeleted = errors.New("was deleted while it was read")

// commitLast commits what has been shown when the run ends, after an error of reading too. Offsets of
// a topic that was deleted are not committed: brokers drop them with the topic, and in one that was
// made again under its name they would go past records.
func (r *consumption) commitLast(reading error) error {
	if r.o.Group == "" || r.standing.rewound() { // rewound: they are the new topic's
		return r.commit()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	now, err := r.describe(ctx)
	for _, topic := range r.o.Topics {
		if errors.Is(reading, errDeleted) || err == nil && now[topic].ID != r.topics[topic].id {
			return fmt.Errorf("topic %s %w; offsets of group %s are not committed", topic, errDeleted, r.o.Group)
		}
	}
	return r.commit()
}
