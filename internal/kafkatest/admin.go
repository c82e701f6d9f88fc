package kafkatest

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/plain"
)

// User is the account that a cluster with ACLs knows besides the super user.
// Its password is its name. It may do nothing until it is granted something.
const User = "ringtail"

func (c *Cluster) login(user string) []kgo.Opt {
	var o []kgo.Opt
	if c.tls {
		o = append(o, kgo.DialTLSConfig(&tls.Config{InsecureSkipVerify: true})) // whoever it says it is
	}
	if c.sasl {
		o = append(o, kgo.SASL(plain.Auth{User: user, Pass: user}.AsMechanism()))
	}
	return o
}

// Client returns a franz-go client for the cluster, closed when tb ends. With
// ACLs it is the super user's.
func (c *Cluster) Client(tb TB, opts ...kgo.Opt) *kgo.Client {
	tb.Helper()
	return c.clientAs(tb, "admin", opts...)
}

// ClientOptions are what a franz-go client of the cluster's super user needs.
func (c *Cluster) ClientOptions() []kgo.Opt { return c.optionsAs("admin") }

func (c *Cluster) optionsAs(user string) []kgo.Opt {
	return append([]kgo.Opt{
		kgo.SeedBrokers(c.addresses()...),
		kgo.MetadataMinAge(50 * time.Millisecond),
	}, c.login(user)...)
}

func (c *Cluster) clientAs(tb TB, user string, opts ...kgo.Opt) *kgo.Client {
	tb.Helper()
	client, err := kgo.NewClient(append(c.optionsAs(user), opts...)...)
	must(tb, err)
	tb.Cleanup(client.Close)
	return client
}

func (c *Cluster) addresses() []string {
	addresses := make([]string, len(c.brokers))
	for i, b := range c.brokers {
		addresses[i] = b.address
		if len(c.links) > 0 {
			addresses[i] = c.links[i].address
		}
	}
	return addresses
}

// ClientProperties are librdkafka's properties for the account called User;
// nil for a cluster without SASL. They are for one without TLS.
func (c *Cluster) ClientProperties() map[string]string {
	if !c.sasl {
		return nil
	}
	return map[string]string{
		"security.protocol": "sasl_plaintext", "sasl.mechanism": "PLAIN",
		"sasl.username": User, "sasl.password": User,
	}
}

// admin runs one admin request, or fails the test.
func (c *Cluster) admin(what string, f func(ctx context.Context, admin *kadm.Client) error) {
	c.tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := f(ctx, kadm.NewClient(c.client)); err != nil {
		c.tb.Fatalf("kafkatest: %s: %v", what, err)
	}
}

// CreateTopic creates a topic and returns once every live broker names a
// leader for each of its partitions.
func (c *Cluster) CreateTopic(name string, partitions, replicas int, configs map[string]string) {
	c.tb.Helper()
	c.admin("create "+name, func(ctx context.Context, admin *kadm.Client) error {
		created, err := admin.CreateTopic(ctx, int32(partitions), int16(replicas), pointers(configs), name)
		return cmp.Or(err, created.Err)
	})
	c.awaitTopic(name, partitions)
}

// CreateTopicOn creates a topic with one replica of each partition: partition i
// on broker leaders[i].
func (c *Cluster) CreateTopicOn(name string, leaders []int) {
	c.tb.Helper()
	replicas := make([][]int32, len(leaders))
	for i, leader := range leaders {
		replicas[i] = []int32{int32(leader)}
	}
	c.CreateTopicAcross(name, 1, replicas)
}

// CreateTopicAcross creates a topic with its min.insync.replicas, and the replicas of each partition on
// these brokers, the leader first.
func (c *Cluster) CreateTopicAcross(name string, minInSync int, replicas [][]int32) {
	c.tb.Helper()
	c.admin("create "+name, func(ctx context.Context, _ *kadm.Client) error {
		wanted := kmsg.NewCreateTopicsRequestTopic()
		wanted.Topic, wanted.NumPartitions, wanted.ReplicationFactor = name, -1, -1
		for partition, brokers := range replicas {
			assignment := kmsg.NewCreateTopicsRequestTopicReplicaAssignment()
			assignment.Partition, assignment.Replicas = int32(partition), brokers
			wanted.ReplicaAssignment = append(wanted.ReplicaAssignment, assignment)
		}
		minISR := kmsg.NewCreateTopicsRequestTopicConfig()
		minISR.Name, minISR.Value = "min.insync.replicas", kmsg.StringPtr(fmt.Sprint(minInSync))
		wanted.Configs = append(wanted.Configs, minISR)
		request := kmsg.NewPtrCreateTopicsRequest()
		request.Topics = append(request.Topics, wanted)
		answer, err := request.RequestWith(ctx, c.client)
		if err != nil {
			return err
		}
		return kerr.ErrorForCode(answer.Topics[0].ErrorCode)
	})
	c.awaitTopic(name, len(replicas))
}

func (c *Cluster) awaitTopic(name string, partitions int) {
	c.tb.Helper()
	c.Wait(fmt.Sprintf("every broker knows %d partitions of %s", partitions, name), func(ctx context.Context) bool {
		return !slices.ContainsFunc(c.brokers, func(b *broker) bool { return b.alive() && c.leaders(ctx, b.id, name) != partitions })
	})
}

// awaitTopics waits until broker i knows the topics of which it has partitions.
func (c *Cluster) awaitTopics(i int) {
	c.tb.Helper()
	partitions, err := filepath.Glob(filepath.Join(c.broker(i).dir, "data", "*-0"))
	must(c.tb, err)
	for _, partition := range partitions {
		name := strings.TrimSuffix(filepath.Base(partition), "-0")
		c.Wait(fmt.Sprintf("broker %d knows %s", i, name), func(ctx context.Context) bool { return c.leaders(ctx, i, name) > 0 })
	}
}

// DeleteTopic deletes a topic and returns once no live broker knows it, and it can be made again:
// ZooKeeper keeps it for longer than brokers do.
func (c *Cluster) DeleteTopic(name string) {
	c.tb.Helper()
	c.admin("delete "+name, func(ctx context.Context, admin *kadm.Client) error {
		deleted, err := admin.DeleteTopic(ctx, name)
		return cmp.Or(err, deleted.Err)
	})
	c.Wait(name+" can be made again", func(ctx context.Context) bool {
		made, err := kadm.NewClient(c.client).ValidateCreateTopics(ctx, 1, 1, nil, name)
		return err == nil && made.Error() == nil
	})
	c.awaitTopic(name, 0)
}

// leaders is how many of the topic's partitions have a leader as broker i
// knows it; -1 where it did not answer.
func (c *Cluster) leaders(ctx context.Context, i int, topic string) int {
	request := kmsg.NewPtrMetadataRequest()
	wanted := kmsg.NewMetadataRequestTopic()
	wanted.Topic = kmsg.StringPtr(topic)
	request.Topics = append(request.Topics, wanted)
	answer, err := c.client.Broker(i).Request(ctx, request)
	if err != nil {
		return -1
	}
	n := 0
	for _, t := range answer.(*kmsg.MetadataResponse).Topics {
		for _, p := range t.Partitions {
			if p.ErrorCode == 0 && p.Leader >= 0 {
				n++
			}
		}
	}
	return n
}

// AlterTopic sets one of the topic's configs.
func (c *Cluster) AlterTopic(name, key, value string) {
	c.tb.Helper()
	c.admin("alter "+name, func(ctx context.Context, admin *kadm.Client) error {
		answers, err := admin.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Name: key, Value: &value}}, name)
		if err != nil {
			return err
		}
		return answers[0].Err
	})
}

// Leader is the broker that leads a partition; 0 while nobody does.
func (c *Cluster) Leader(topic string, partition int) int {
	c.tb.Helper()
	leader := 0
	c.admin("find a leader", func(ctx context.Context, admin *kadm.Client) error {
		topics, err := admin.ListTopics(ctx, topic)
		leader = max(0, int(topics[topic].Partitions[int32(partition)].Leader))
		return cmp.Or(err, topics[topic].Err)
	})
	return leader
}

// Ends is the topic's number of records: the sum of its partitions' end
// offsets.
func (c *Cluster) Ends(topic string) int64 {
	c.tb.Helper()
	var sum int64
	c.admin("list ends", func(ctx context.Context, admin *kadm.Client) error {
		ends, err := admin.ListEndOffsets(ctx, topic)
		ends.Each(func(o kadm.ListedOffset) { sum += o.Offset })
		return cmp.Or(err, ends.Error())
	})
	return sum
}

// SetProduceQuota limits what every client together may write to one broker;
// 0 takes the limit away.
func (c *Cluster) SetProduceQuota(bytesPerSecond int) {
	c.tb.Helper()
	c.setQuota(nil, bytesPerSecond)
}

// SetProduceQuotaOf limits the clients that have this client.id.
func (c *Cluster) SetProduceQuotaOf(clientID string, bytesPerSecond int) {
	c.tb.Helper()
	c.setQuota(&clientID, bytesPerSecond)
}

func (c *Cluster) setQuota(clientID *string, bytesPerSecond int) {
	c.tb.Helper()
	c.admin("set a quota", func(ctx context.Context, admin *kadm.Client) error {
		answers, err := admin.AlterClientQuotas(ctx, []kadm.AlterClientQuotaEntry{{
			Entity: kadm.ClientQuotaEntity{{Type: "client-id", Name: clientID}},
			Ops: []kadm.AlterClientQuotaOp{{
				Key: "producer_byte_rate", Value: float64(bytesPerSecond), Remove: bytesPerSecond == 0,
			}},
		}})
		for _, answer := range answers {
			if answer.Err != nil {
				err = fmt.Errorf("%w: %s", answer.Err, answer.ErrMessage)
			}
		}
		return err
	})
}

// TakeUpFeatures is an upgrade's last step: from here on brokers use among themselves what the
// new version brought, and none can be of the old one again. It returns the level of their
// metadata before and after.
func (c *Cluster) TakeUpFeatures() (from, to int16) {
	c.tb.Helper()
	c.admin("take up features", func(ctx context.Context, admin *kadm.Client) error {
		versions, err := kmsg.NewPtrApiVersionsRequest().RequestWith(ctx, c.client)
		if err != nil {
			return err
		}
		levels := map[string]int16{}
		for _, feature := range versions.FinalizedFeatures {
			levels[feature.Name] = feature.MaxVersionLevel
		}
		var updates []kadm.FeatureUpdate
		for _, feature := range versions.SupportedFeatures {
			switch level := levels[feature.Name]; {
			case feature.MaxVersion <= level:
			case feature.Name == "metadata.version":
				from, to = level, feature.MaxVersion
				fallthrough
			case feature.Name == "transaction.version":
				updates = append(updates, kadm.FeatureUpdate{Feature: feature.Name, MaxVersionLevel: feature.MaxVersion, UpgradeType: 1})
			}
		}
		answers, err := admin.UpdateFeatures(ctx, false, updates...)
		return cmp.Or(err, answers.Error())
	})
	return from, to
}

// Grant lets User see the topic and its configs, produce idempotently, and write to the topic.
func (c *Cluster) Grant(topic string) {
	c.tb.Helper()
	c.grant(topic, kadm.OpDescribe, kadm.OpDescribeConfigs, kadm.OpWrite)
}

// GrantBlind is Grant without a sight of the topic's configs.
func (c *Cluster) GrantBlind(topic string) {
	c.tb.Helper()
	c.grant(topic, kadm.OpDescribe, kadm.OpWrite)
}

// GrantSight is Grant without the permission to write.
func (c *Cluster) GrantSight(topic string) {
	c.tb.Helper()
	c.grant(topic, kadm.OpDescribe, kadm.OpDescribeConfigs)
}

func (c *Cluster) grant(topic string, operations ...kadm.ACLOperation) {
	c.tb.Helper()
	c.allow(kadm.NewACLs().Topics(topic).Operations(operations...))
	c.allow(kadm.NewACLs().Clusters().Operations(kadm.OpIdempotentWrite))
}

// allow lets User do what the builder describes.
func (c *Cluster) allow(builder *kadm.ACLBuilder) {
	c.tb.Helper()
	c.admin("grant", func(ctx context.Context, admin *kadm.Client) error {
		results, err := admin.CreateACLs(ctx, ofUser(builder))
		for _, result := range results {
			err = cmp.Or(err, result.Err)
		}
		return err
	})
}

// ofUser makes what a builder describes User's, from every host.
func ofUser(builder *kadm.ACLBuilder) *kadm.ACLBuilder {
	return builder.ResourcePatternType(kadm.ACLPatternLiteral).Allow("User:" + User).AllowHosts("*")
}

// RevokeWrite takes the permission to write to the topic from User.
func (c *Cluster) RevokeWrite(topic string) {
	c.tb.Helper()
	c.admin("revoke", func(ctx context.Context, admin *kadm.Client) error {
		results, err := admin.DeleteACLs(ctx, ofUser(kadm.NewACLs().Topics(topic).Operations(kadm.OpWrite)))
		deleted := 0
		for _, result := range results {
			err = cmp.Or(err, result.Err)
			deleted += len(result.Deleted)
		}
		if deleted == 0 {
			err = cmp.Or(err, fmt.Errorf("%s had no permission to write to %s", User, topic))
		}
		return err
	})
}

// Wait asks until done says yes, or fails the test after patience.
func (c *Cluster) Wait(what string, done func(ctx context.Context) bool) {
	c.tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for !done(ctx) {
		select {
		case <-ctx.Done():
			c.tb.Fatalf("kafkatest: still not true after %v: %s", patience, what)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func pointers(configs map[string]string) map[string]*string {
	out := make(map[string]*string, len(configs))
	for key, value := range configs {
		out[key] = &value
	}
	return out
}
