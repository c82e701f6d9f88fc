//go:build cgo

package producer

import (
	"context"
	"errors"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/ringtail/ringtail/producer/backend"
	"github.com/ringtail/ringtail/producer/librdkafka"
)

// This file is all that links librdkafka; without C there is librdkafka_none.go in its place.

// HasLibrdkafka tells whether this build can write by librdkafka.
const HasLibrdkafka = true

var librdkafkaTraits = librdkafka.Traits

// LibrdkafkaVersion returns the linked librdkafka's.
func LibrdkafkaVersion() string {
	_, version := kafka.LibraryVersion()
	return version
}

// openLibrdkafka makes a client of librdkafka, which tells insight what it sees; nil: nobody.
func openLibrdkafka(properties map[string]string, topic string, first []uint64, insight *backend.Insight) (backend.Client, error) {
	c, err := librdkafka.New(properties, topic, first)
	if err != nil {
		return nil, err
	}
	if insight != nil {
		c.Tell(insight)
	}
	return c, nil
}

// librdkafkaAsker asks by librdkafka. A question is a call into C. Most cannot be interrupted while
// no broker answers, and the process dies if the client is freed during one.
type librdkafkaAsker struct{ client *kafka.AdminClient }

func newLibrdkafkaAsker(o *Options) (asker, error) {
	properties := kafka.ConfigMap{}
	for k, v := range o.common() {
		properties[k] = v
	}
	properties["log_level"] = 0 // its log would go to stderr as it is; errors say the same
	client, err := kafka.NewAdminClient(&properties)
	return librdkafkaAsker{client}, err
}

func (a librdkafkaAsker) close() { a.client.Close() }

func (a librdkafkaAsker) metadata(_ context.Context, topic string, limit time.Duration) (md *backend.Metadata, against, err error) {
	r, err := a.client.GetMetadata(&topic, false, int(limit/time.Millisecond))
	if err != nil {
		return nil, nil, err
	}
	t := r.Topics[topic]
	md = newMetadata(len(t.Partitions))
	for _, b := range r.Brokers {
		md.Brokers[b.ID] = net.JoinHostPort(b.Host, strconv.Itoa(b.Port))
	}
	for _, p := range t.Partitions {
		setPartition(md, p.ID, p.Leader, p.Replicas, len(p.Isrs))
	}
	switch code := t.Error.Code(); {
	case code == kafka.ErrUnknownTopicOrPart || code == kafka.ErrUnknownTopic || code == kafka.ErrNoError && len(t.Partitions) == 0:
		against = errMissing
	case code != kafka.ErrNoError:
		against = t.Error
	}
	return md, against, nil
}

func (a librdkafkaAsker) settings(ctx context.Context, topic string) (map[string]string, error) {
	r, err := a.client.DescribeConfigs(ctx, []kafka.ConfigResource{{Type: kafka.ResourceTopic, Name: topic}}, kafka.SetAdminRequestTimeout(left(ctx)))
	if err != nil {
		return nil, err
	}
	if len(r) != 1 {
		return nil, errors.New("brokers say nothing of topic " + topic)
	}
	if r[0].Error.Code() != kafka.ErrNoError {
		return nil, r[0].Error
	}
	values := map[string]string{}
	for k, v := range r[0].Config {
		values[k] = v.Value
	}
	return values, nil
}

func (a librdkafkaAsker) forbidden(ctx context.Context, topic string) (bool, error) {
	r, err := a.client.DescribeTopics(ctx, kafka.NewTopicCollectionOfTopicNames([]string{topic}),
		kafka.SetAdminOptionIncludeAuthorizedOperations(true), kafka.SetAdminRequestTimeout(left(ctx)))
	if err != nil || len(r.TopicDescriptions) != 1 {
		return false, err
	}
	may := r.TopicDescriptions[0].AuthorizedOperations
	return len(may) > 0 && !slices.Contains(may, kafka.ACLOperationWrite) && !slices.Contains(may, kafka.ACLOperationAll), nil
}

// left returns how much of a question's time is left.
func left(ctx context.Context) time.Duration {
	end, _ := ctx.Deadline()
	return max(time.Until(end), time.Millisecond)
}

func (a librdkafkaAsker) clusterID(ctx context.Context) (string, error) {
	return a.client.ClusterID(ctx)
}
