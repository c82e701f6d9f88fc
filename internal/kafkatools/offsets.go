package kafkatools

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// noOffset says that there is none.
const noOffset = -1

// rangeLimit is how long is waited for partitions without a leader, which never answer.
const rangeLimit = 5 * time.Second

// uncommitted is the isolation that sees what transactions have not committed.
const uncommitted int8 = 0

// isolation is the one that is read with, as Kafka's protocol has it.
func (r *consumption) isolation() int8 { return r.ask.OptValue(kgo.FetchIsolationLevel).(int8) }

// offsetsAt asks for the offsets of partitions at a time, in ms since 1970, or atBeginning or atEnd:
// −1 where there is none. What is told is returned beside an error, too.
func (r *consumption) offsetsAt(ctx context.Context, isolation int8, partitions []partitionID, ms int64) (at map[partitionID]int64, err error) {
	if len(partitions) == 0 {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, rangeLimit)
	defer cancel()
	q := kmsg.NewPtrListOffsetsRequest()
	q.ReplicaID, q.IsolationLevel = -1, isolation
	for _, id := range partitions {
		p := kmsg.NewListOffsetsRequestTopicPartition()
		p.Partition, p.Timestamp = id.id, ms
		i := slices.IndexFunc(q.Topics, func(t kmsg.ListOffsetsRequestTopic) bool { return t.Topic == id.topic })
		if i < 0 {
			i, q.Topics = len(q.Topics), append(q.Topics, kmsg.ListOffsetsRequestTopic{Topic: id.topic})
		}
		q.Topics[i].Partitions = append(q.Topics[i].Partitions, p)
	}
	at = map[partitionID]int64{}
	for _, shard := range r.ask.RequestSharded(ctx, q) {
		if shard.Err != nil {
			err = cmp.Or(err, shard.Err)
			continue
		}
		for _, t := range shard.Resp.(*kmsg.ListOffsetsResponse).Topics {
			for _, p := range t.Partitions {
				if code := kerr.ErrorForCode(p.ErrorCode); code != nil {
					err = cmp.Or(err, code)
				} else {
					at[partitionID{t.Topic, p.Partition}] = p.Offset
				}
			}
		}
	}
	return at, err
}

// followEnds asks every second where our partitions end, until the returned function is called: what is
// read tells it, too, but behind a full pipe nothing is read, and whoever scrapes sees a lag that grows.
func (r *consumption) followEnds() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var following sync.WaitGroup
	following.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-time.After(endsEvery):
			}
			ends, _ := r.offsetsAt(ctx, uncommitted, r.standing.ours(), atEnd) // errors are said by those who read
			r.standing.grown(ends)
		}
	})
	return func() { cancel(); following.Wait() }
}

const endsEvery = time.Second

// skipped goes past what nobody hands out, in partitions whose end is wanted and of which nothing
// comes: records of a transaction that was taken back, or offsets that compaction has left.
func (r *consumption) skipped(ctx context.Context) {
	r.mu.Lock()
	waiting := map[partitionID]int64{}
	for id, p := range r.standing.parts {
		if next := p.next.Load(); !p.done && next >= 0 {
			waiting[id] = next
		}
	}
	r.mu.Unlock()
	for id, at := range waiting {
		next := r.behind(ctx, id, at)
		r.mu.Lock()
		if p := r.standing.parts[id]; p != nil && p.next.Load() == at {
			r.standing.passed(p, max(at, next))
		}
		r.mu.Unlock()
	}
}

// behind returns the first offset from one on that may have a record to show.
func (r *consumption) behind(ctx context.Context, id partitionID, at int64) int64 {
	leader, _, err := r.reader.PartitionLeader(id.topic, id.id)
	if err != nil {
		return at
	}
	p := kmsg.NewFetchRequestTopicPartition()
	p.Partition, p.FetchOffset, p.PartitionMaxBytes = id.id, at, bufferBytes
	t := kmsg.NewFetchRequestTopic()
	t.Topic, t.TopicID, t.Partitions = id.topic, r.topics[id.topic].id, []kmsg.FetchRequestTopicPartition{p}
	q := kmsg.NewPtrFetchRequest()
	q.MaxBytes, q.IsolationLevel, q.Topics = bufferBytes, r.isolation(), []kmsg.FetchRequestTopic{t}
	level := kgo.ReadUncommitted()
	if q.IsolationLevel != uncommitted {
		level = kgo.ReadCommitted()
	}
	answer, err := r.reader.Broker(int(leader)).RetriableRequest(ctx, q)
	if err != nil {
		return at
	}
	for _, t := range answer.(*kmsg.FetchResponse).Topics {
		for _, p := range t.Partitions {
			o := kgo.ProcessFetchPartitionOpts{Offset: at, IsolationLevel: level, Topic: id.topic, Partition: id.id}
			come, next := kgo.ProcessFetchPartition(o, &p, kgo.DefaultDecompressor(), nil)
			switch {
			case come.Err != nil || len(come.Records) > 0: // that is for the reader
			case len(p.RecordBatches) > 0:
				return next
			case q.IsolationLevel == uncommitted:
				return p.HighWatermark
			default:
				return p.LastStableOffset
			}
		}
	}
	return at
}
