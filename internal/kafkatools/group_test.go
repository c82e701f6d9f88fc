package kafkatools

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/ringtail/ringtail/internal/config"
)

// TestNotCommitted: a consumer whose last commit is refused ends with an error, since
// the next one of its group shows the same records again.
func TestNotCommitted(t *testing.T) {
	for name, refused := range map[string]bool{"refused": true, "control": false} {
		t.Run(name, func(t *testing.T) {
			cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "t"))
			if err != nil {
				t.Fatal(err)
			}
			defer cluster.Close()
			client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.DefaultProduceTopic("t"))
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			if err := client.ProduceSync(context.Background(), kgo.StringRecord("a"), kgo.StringRecord("b")).FirstErr(); err != nil {
				t.Fatal(err)
			}
			if refused {
				cluster.ControlKey(int16(kmsg.OffsetCommit), func(q kmsg.Request) (kmsg.Response, error, bool) {
					cluster.KeepControl()
					return refuseCommit(q.(*kmsg.OffsetCommitRequest)), nil, true
				})
			}
			err = Consume(context.Background(), Cluster{Brokers: cluster.ListenAddrs()[0]}, ConsumeOptions{
				Topics: config.List{"t"}, Group: "g", From: "beginning", Partition: -1, Count: 2, Format: "value",
			}, Streams{Out: io.Discard, Err: io.Discard})
			if !refused && err != nil {
				t.Error(err)
			}
			if refused && (err == nil || !strings.Contains(err.Error(), "offsets of group g are not committed: ")) {
				t.Errorf("the commit was refused, and consume says: %v", err)
			}
		})
	}
}

func refuseCommit(q *kmsg.OffsetCommitRequest) kmsg.Response {
	answer := q.ResponseKind().(*kmsg.OffsetCommitResponse)
	for _, topic := range q.Topics {
		at := kmsg.OffsetCommitResponseTopic{Topic: topic.Topic, TopicID: topic.TopicID}
		for _, p := range topic.Partitions {
			at.Partitions = append(at.Partitions, kmsg.OffsetCommitResponseTopicPartition{
				Partition: p.Partition, ErrorCode: kerr.GroupAuthorizationFailed.Code,
			})
		}
		answer.Topics = append(answer.Topics, at)
	}
	return answer
}
