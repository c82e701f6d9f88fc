package kafkatools

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringtail/ringtail/internal/config"
)

// findPartitions finds the topics' partitions, those that are wanted.
func (r *consumption) findPartitions(ctx context.Context) (wanted []partitionID, err error) {
	r.looked, r.topics = time.Now(), map[string]*consumedTopic{}
	found, err := r.cluster.reach(ctx, r.ask, r.o.Topics...)
	if err != nil {
		return nil, err
	}
	for _, topic := range r.o.Topics {
		t := found[topic]
		r.topics[topic] = &consumedTopic{id: t.ID, partitions: int32(len(t.Partitions))}
		if err := checkPartition(topic, len(t.Partitions), r.o.Partition); err != nil {
			return nil, err
		}
		for _, p := range t.Partitions.Sorted() {
			if r.o.Partition >= 0 && int32(r.o.Partition) != p.Partition {
				continue
			}
			if r.o.UntilEnd && p.Leader < 0 {
				return nil, fmt.Errorf("topic %s, partition %d: it has no leader, so its end is not known; `ringtail topics describe %s` shows it", topic, p.Partition, topic)
			}
			wanted = append(wanted, partitionID{topic, p.Partition})
		}
	}
	return wanted, nil
}

// findEnds notes where the partitions end now. A transaction that is still open ends a
// partition before its records: they may never become readable.
func (r *consumption) findEnds(ctx context.Context, partitions []partitionID) (err error) {
	if !r.o.UntilEnd {
		return nil
	}
	if r.standing.ends, err = r.offsetsAt(ctx, r.isolation(), partitions, atEnd); err != nil {
		return fmt.Errorf("topic %s: the ends of its partitions are not known: %w", r.names(), err)
	}
	return nil
}

// join takes the partitions: those that the group will give us; without a group, all
// or one.
func (r *consumption) join(ctx context.Context, partitions []partitionID) (err error) {
	r.brokers = newBrokers(r.cluster)
	opts := []kgo.Opt{
		kgo.WithHooks(r.brokers), kgo.KeepControlRecords(), kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()), kgo.ConsumeResetOffset(kgo.NoResetOffset()),
	}
	if r.o.Group != "" {
		opts = append(opts, kgo.ConsumeTopics(r.o.Topics...), kgo.BlockRebalanceOnPoll(),
			kgo.AdjustFetchOffsetsFn(r.given), kgo.OnPartitionsRevoked(r.taken), kgo.OnPartitionsLost(r.lost))
		r.mu.Lock() // until the reader is there
		defer r.mu.Unlock()
		r.reader, err = r.cluster.client(r.properties(), opts...)
		return err
	}
	if r.reader, err = r.cluster.client(r.properties(), append(opts, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{}))...); err != nil {
		return err
	}
	return r.add(ctx, partitions)
}

// add begins to read partitions, in no group.
func (r *consumption) add(ctx context.Context, partitions []partitionID) error {
	at := map[partitionID]int64{}
	for _, id := range partitions {
		at[id] = noOffset
	}
	begin, err := r.begin(ctx, at)
	if err == nil {
		r.reader.AddConsumePartitions(begin)
	}
	return err
}

// begin returns where to read partitions of which the group has committed these offsets; where there
// is none, --from says where.
func (r *consumption) begin(ctx context.Context, at map[partitionID]int64) (map[string]map[int32]kgo.Offset, error) {
	var ids []partitionID
	for id := range at {
		ids = append(ids, id)
	}
	// As numbers they can be committed before anything is read: then the group goes on
	// from there, whatever happens. Where brokers do not tell, franz-go will find out.
	first, _ := r.offsetsAt(ctx, uncommitted, ids, atBeginning)
	next, _ := r.offsetsAt(ctx, r.isolation(), ids, atEnd)
	var young map[partitionID]int64
	if !r.start.since.IsZero() {
		var err error
		if young, err = r.offsetsAt(ctx, uncommitted, ids, max(r.start.since.UnixMilli(), 0)); err != nil && len(next) == len(ids) {
			return nil, fmt.Errorf("topic %s: the offsets at --from %s are not known: %w", r.names(), r.o.From, err)
		}
	}
	// Who read what was not committed may have got behind it.
	ahead := slices.DeleteFunc(slices.Clone(ids), func(id partitionID) bool { return at[id] <= next[id] })
	if further, err := r.offsetsAt(ctx, uncommitted, ahead, atEnd); err == nil {
		maps.Copy(next, further)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.assigned = true
	begin := map[string]map[int32]kgo.Offset{}
	for id, committed := range at {
		if r.topics[id.topic].again {
			committed = noOffset // it was the topic's before
		}
		offset := kgo.NewOffset().At(committed)
		low, known := first[id]
		high, ends := next[id]
		p := r.standing.take(id, committed)
		switch {
		case known && ends:
			p.span(low, high)
			r.standing.passed(p, r.startIn(p, committed, young[id]))
			offset = kgo.NewOffset().At(p.next.Load())
		case committed < 0:
			offset = r.from(id).unseen()
		}
		if begin[id.topic] == nil {
			begin[id.topic] = map[int32]kgo.Offset{}
		}
		begin[id.topic][id.id] = offset
	}
	return begin, nil
}

// from is --from for a partition. All of what is in one that was added since the run
// began came since then, and is read.
func (r *consumption) from(id partitionID) moment {
	if t := r.topics[id.topic]; t.again || id.id >= t.partitions {
		return moment{offset: atBeginning}
	}
	return r.start
}

// startIn is where reading begins in a partition: at the committed offset, or where --from is. An
// offset that the partition does not have is said.
func (r *consumption) startIn(p *part, committed, young int64) int64 {
	first, next := p.first.Load(), p.end.Load()
	if committed >= 0 {
		switch {
		case committed > next:
			r.moved(p, first)
			return first
		case committed < first:
			r.moved(p, first)
		}
		return max(committed, first)
	}
	from := r.from(partitionID{p.topic.name, p.id})
	start := from.in(first, next, young)
	switch {
	case !from.isOffset():
	case from.offset > start:
		r.progress.aloud("%s:%d: --from %d is behind the partition's end; reading begins there, at %d", p.topic.name, p.id, from.offset, start)
	case from.offset < start:
		p.next.Store(from.offset)
		r.moved(p, start)
	}
	return start
}

// checkPartition refuses a partition that a topic does not have; −1 is all.
func checkPartition(topic string, partitions, partition int) error {
	if partition >= partitions || partition < -1 {
		return config.Usagef("--partition is %d; topic %s has 0 to %d", partition, topic, partitions-1)
	}
	return nil
}

// unseen is the moment as franz-go finds it out by itself, where brokers have not told the offsets.
func (m moment) unseen() kgo.Offset {
	switch {
	case m.last > 0:
		return kgo.NewOffset().AtEnd().Relative(-m.last)
	case !m.since.IsZero():
		return kgo.NewOffset().AfterMilli(max(m.since.UnixMilli(), 0))
	case m.offset == atEnd:
		return kgo.NewOffset().AtEnd()
	case m.offset == atBeginning:
		return kgo.NewOffset().AtStart()
	}
	return kgo.NewOffset().At(m.offset)
}
