package kafkatools

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Bounds of message.max.bytes, and its default.
const (
	messageMaxLeast   = 1000
	messageMaxMost    = 1_000_000_000
	messageMaxDefault = 1_000_000
)

// limit is how large a record may be that goes to a topic.
type limit struct {
	topic string
	bytes int  // the topic's max.message.bytes; 0: not known, brokers tell it to those who may describe configurations
	user  int  // -X message.max.bytes; 0: not given
	loose bool // records are compressed, and it is the compressed size that the topic limits
}

// most is how many bytes a record's key and value may have; what is more is refused before
// it is sent.
func (l limit) most() int {
	switch {
	case l.user > 0:
		return l.user
	case l.loose:
		return messageMaxMost
	case l.bytes > 0:
		return l.bytes
	}
	return messageMaxDefault
}

// tooLarge says which limit a record of so many bytes is over.
func (l limit) tooLarge(bytes int) error {
	switch {
	case l.user > 0 && bytes > l.user:
		return fmt.Errorf("its %d bytes are over -X message.max.bytes=%d", bytes, l.user)
	case l.bytes > 0:
		return fmt.Errorf("its %d bytes, with what a batch adds to them, are over max.message.bytes=%d of topic %s; raise that", bytes, l.bytes, l.topic)
	}
	return fmt.Errorf("its %d bytes are over what topic %s takes; raise the topic's max.message.bytes, or message.max.bytes of the brokers, and give -X message.max.bytes", bytes, l.topic)
}

// limitFor asks for a topic's limit.
func (c Cluster) limitFor(ctx context.Context, cl *kgo.Client, topic string) limit {
	l := limit{topic: topic}
	l.user, _ = strconv.Atoi(c.Properties[c.given("message.max.bytes")])
	codec := c.Properties[c.given("compression.codec")]
	l.loose = codec != "" && codec != "none"
	ctx, cancel := context.WithTimeout(ctx, requestLimit)
	defer cancel()
	answer, err := kadm.NewClient(cl).DescribeTopicConfigs(ctx, topic)
	if err != nil || len(answer) != 1 {
		return l
	}
	for _, s := range answer[0].Configs {
		if s.Key == "max.message.bytes" {
			l.bytes, _ = strconv.Atoi(s.MaybeValue())
		}
	}
	return l
}

// batch is how large a batch of records may be, before it is compressed. franz-go splits none that
// Kafka refuses, and takes no record that is larger than a batch.
func (l limit) batch() int {
	return min(max(cmp.Or(l.user, l.bytes, messageMaxDefault), messageMaxLeast), requestMost)
}

// batches are those of a producer to topics with these limits.
func batches(limits ...limit) kgo.Opt {
	return kgo.ProducerBatchMaxBytesFn(func(topic string) int32 {
		for _, l := range limits {
			if l.topic == topic {
				return int32(l.batch())
			}
		}
		return messageMaxDefault
	})
}

// hopelessCodes are of whoever asks, or of the topic; refusalCodes of a record, or of the batch that
// it is in. No repetition makes them better.
var (
	hopelessCodes = []*kerr.Error{
		kerr.SaslAuthenticationFailed, kerr.TopicAuthorizationFailed, kerr.GroupAuthorizationFailed, kerr.ClusterAuthorizationFailed,
		kerr.TransactionalIDAuthorizationFailed, kerr.UnknownTopicOrPartition, kerr.UnsupportedVersion, kerr.UnsupportedCompressionType,
	}
	refusalCodes = []*kerr.Error{
		kerr.MessageTooLarge, kerr.InvalidFetchSize, kerr.RecordListTooLarge, kerr.InvalidRecord, kerr.InvalidTimestamp, kerr.PolicyViolation,
		kerr.UnsupportedForMessageFormat,
	}
)

// isAny tells whether an error is Kafka's of one of these codes.
func isAny(err error, codes []*kerr.Error) bool {
	return slices.ContainsFunc(codes, func(code *kerr.Error) bool { return errors.Is(err, code) })
}

// refused is why a topic refuses a record of so many bytes, as Kafka said it.
func (l limit) refused(err error, bytes int) error {
	if isAny(err, []*kerr.Error{kerr.MessageTooLarge, kerr.InvalidFetchSize, kerr.RecordListTooLarge}) {
		return l.tooLarge(bytes)
	}
	return fmt.Errorf("topic %s refuses it: %w", l.topic, err)
}
