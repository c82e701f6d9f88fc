package soak

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// brokerPatience is how long one broker may take to say who leads. A frozen one does not.
const brokerPatience = 2 * time.Second

// Ends asks Kafka for the end of each partition. It fails while one has no leader that answers.
//
// A broker that was frozen and goes on believes for a moment that it leads what others lead now,
// and would name an end of long ago. So most brokers are asked who leads, the newest epoch counts,
// and the leader is asked as the one of that epoch: whoever is not refuses.
func (r *Reader) Ends(ctx context.Context) (map[int32]int64, error) {
	leaders, err := r.leaders(ctx)
	if err != nil {
		return nil, err
	}
	asked := map[int32]*kmsg.ListOffsetsRequest{} // by broker
	for p, l := range leaders {
		q := asked[l.Leader]
		if q == nil {
			q = kmsg.NewPtrListOffsetsRequest()
			topic := kmsg.NewListOffsetsRequestTopic()
			topic.Topic = r.topic
			q.Topics = append(q.Topics, topic)
			asked[l.Leader] = q
		}
		part := kmsg.NewListOffsetsRequestTopicPartition()
		part.Partition, part.CurrentLeaderEpoch, part.Timestamp = p, l.LeaderEpoch, -1
		q.Topics[0].Partitions = append(q.Topics[0].Partitions, part)
	}
	ends := make(map[int32]int64)
	for broker, q := range asked {
		answer, err := r.client.Broker(int(broker)).Request(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, t := range answer.(*kmsg.ListOffsetsResponse).Topics {
			for _, p := range t.Partitions {
				if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
					return nil, fmt.Errorf("partition %d: %w", p.Partition, err)
				}
				ends[p.Partition] = p.Offset
			}
		}
	}
	if len(ends) != len(r.at) {
		return nil, fmt.Errorf("%d partitions of %d have an end", len(ends), len(r.at))
	}
	return ends, nil
}

// leaders returns, by partition, what the newest of most brokers' metadata says.
func (r *Reader) leaders(ctx context.Context) (map[int32]kmsg.MetadataResponseTopicPartition, error) {
	ctx, cancel := context.WithTimeout(ctx, brokerPatience)
	defer cancel()
	brokers := r.client.DiscoveredBrokers()
	if len(brokers) == 0 {
		if _, err := question(r.topic).RequestWith(ctx, r.client); err != nil {
			return nil, err
		}
		brokers = r.client.DiscoveredBrokers()
	}
	answers := make([]*kmsg.MetadataResponse, len(brokers))
	var all sync.WaitGroup
	for i, b := range brokers {
		all.Go(func() { answers[i] = metadata(ctx, b, r.topic) })
	}
	all.Wait()
	leaders, told := map[int32]kmsg.MetadataResponseTopicPartition{}, 0
	for _, a := range answers {
		if a == nil {
			continue
		}
		told++
		for _, t := range a.Topics {
			for _, p := range t.Partitions {
				if old, ok := leaders[p.Partition]; !ok || p.LeaderEpoch > old.LeaderEpoch {
					leaders[p.Partition] = p
				}
			}
		}
	}
	if told <= len(brokers)/2 {
		return nil, fmt.Errorf("%d of %d brokers say who leads", told, len(brokers))
	}
	return leaders, nil
}

// metadata is what a broker says of a topic; nil: nothing in time.
func metadata(ctx context.Context, b *kgo.Broker, topic string) *kmsg.MetadataResponse {
	answer, err := b.Request(ctx, question(topic))
	if err != nil {
		return nil
	}
	return answer.(*kmsg.MetadataResponse)
}

func question(topic string) *kmsg.MetadataRequest {
	q := kmsg.NewPtrMetadataRequest()
	t := kmsg.NewMetadataRequestTopic()
	t.Topic = kmsg.StringPtr(topic)
	q.Topics = append(q.Topics, t)
	return q
}
