package producer

import (
	"context"
	"errors"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/ringtail/ringtail/internal/kafkaclient"
	"github.com/ringtail/ringtail/producer/backend"
)

// asker asks brokers what is to be known before and beside writing. There is one by franz-go, for
// the native writer, and one by librdkafka, whose security may be one that only it knows. Several
// goroutines may ask at a time. Errors are of the question, and say that nothing was found out.
type asker interface {
	// metadata returns who the brokers are, the topic's partitions, and what brokers say against
	// the topic: errMissing where there is none. It takes limit at most.
	metadata(ctx context.Context, topic string, limit time.Duration) (md *backend.Metadata, against, err error)
	// settings returns the topic's settings by their names.
	settings(ctx context.Context, topic string) (map[string]string, error)
	// forbidden returns whether brokers say that our account may not write to the topic.
	forbidden(ctx context.Context, topic string) (bool, error)
	// clusterID returns "" where brokers do not tell it.
	clusterID(ctx context.Context) (string, error)
	// close ends it. Nobody may ask then.
	close()
}

// errMissing is what brokers say against a topic that does not exist.
var errMissing = errors.New("it is missing")

// nativeAsker asks by franz-go.
type nativeAsker struct{ client *kgo.Client }

// answerLimit is how long one broker has for an answer: it may be frozen, and the next one is asked.
const answerLimit = 2 * time.Second

func newNativeAsker(o *Options) (asker, error) {
	security, err := kafkaclient.SecurityOf(o.Properties)
	if err != nil {
		return nil, err
	}
	client, err := kgo.NewClient(append(security.Options(), kgo.SeedBrokers(kafkaclient.Seeds(o.Brokers)...), kgo.ClientID(o.property("client.id")),
		kgo.DisableClientMetrics(), kgo.RequestTimeoutOverhead(answerLimit), kgo.ConnIdleTimeout(2*refreshEvery))...)
	return nativeAsker{client}, err
}

func (a nativeAsker) close() { a.client.Close() }

// ask asks for the metadata of topic, "": of none.
func (a nativeAsker) ask(ctx context.Context, topic string) (*kmsg.MetadataResponse, error) {
	q := kmsg.NewPtrMetadataRequest()
	q.Topics, q.IncludeTopicAuthorizedOperations = []kmsg.MetadataRequestTopic{}, true
	if topic != "" {
		t := kmsg.NewMetadataRequestTopic()
		t.Topic = &topic
		q.Topics = append(q.Topics, t)
	}
	r, err := q.RequestWith(ctx, a.client)
	if err == nil && len(r.Topics) != len(q.Topics) {
		err = errors.New("brokers say nothing of topic " + topic)
	}
	return r, err
}

func (a nativeAsker) metadata(ctx context.Context, topic string, limit time.Duration) (md *backend.Metadata, against, err error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	r, err := a.ask(ctx, topic)
	if err != nil {
		return nil, nil, err
	}
	t := r.Topics[0]
	md = newMetadata(len(t.Partitions))
	for _, b := range r.Brokers {
		md.Brokers[b.NodeID] = net.JoinHostPort(b.Host, strconv.Itoa(int(b.Port)))
	}
	for _, p := range t.Partitions {
		setPartition(md, p.Partition, p.Leader, p.Replicas, len(p.ISR))
	}
	switch against = kerr.ErrorForCode(t.ErrorCode); {
	case errors.Is(against, kerr.UnknownTopicOrPartition), against == nil && len(t.Partitions) == 0:
		against = errMissing
	}
	return md, against, nil
}

// newMetadata is metadata of a topic with so many partitions, whose leaders nobody knows yet.
func newMetadata(partitions int) *backend.Metadata {
	md := &backend.Metadata{At: time.Now(), Brokers: map[int32]string{}, Partitions: make([]backend.Partition, partitions)}
	for i := range md.Partitions {
		md.Partitions[i].Leader = -1
	}
	return md
}

func setPartition(md *backend.Metadata, id, leader int32, replicas []int32, inSync int) {
	if id >= 0 && int(id) < len(md.Partitions) {
		md.Partitions[id] = backend.Partition{Leader: leader, Replicas: replicas, InSync: inSync}
	}
}

func (a nativeAsker) settings(ctx context.Context, topic string) (map[string]string, error) {
	all, err := kadm.NewClient(a.client).DescribeTopicConfigs(ctx, topic)
	if err != nil {
		return nil, err
	}
	one, err := all.On(topic, nil)
	if err == nil {
		err = one.Err
	}
	values := map[string]string{}
	for _, c := range one.Configs {
		values[c.Key] = c.MaybeValue()
	}
	return values, err
}

func (a nativeAsker) forbidden(ctx context.Context, topic string) (bool, error) {
	r, err := a.ask(ctx, topic)
	if err != nil {
		return false, err
	}
	may := kadm.DecodeACLOperations(r.Topics[0].AuthorizedOperations)
	return len(may) > 0 && !slices.Contains(may, kmsg.ACLOperationWrite) && !slices.Contains(may, kmsg.ACLOperationAll), nil
}

func (a nativeAsker) clusterID(ctx context.Context) (string, error) {
	r, err := a.ask(ctx, "")
	if err != nil || r.ClusterID == nil {
		return "", err
	}
	return *r.ClusterID, nil
}
