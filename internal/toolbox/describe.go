package toolbox

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringtail/ringtail/internal/config"
)

// DescribeTopic prints a topic's settings and, for each partition, leader,
// replicas, in-sync replicas, first and next offset, and bytes on the leader's disk.
func DescribeTopic(ctx context.Context, c Cluster, name string, s Streams) error {
	a, err := c.admin()
	if err != nil {
		return err
	}
	defer a.Close()
	t, err := c.topic(a, name)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, requestLimit)
	defer cancel()
	slices.SortFunc(t.Partitions, func(a, b kafka.PartitionMetadata) int { return cmp.Compare(a.ID, b.ID) })
	first, _ := offsets(ctx, a, name, t.Partitions, kafka.EarliestOffsetSpec)
	next, _ := offsets(ctx, a, name, t.Partitions, kafka.LatestOffsetSpec)
	sizes := c.sizes(ctx, name)
	replicas := 0
	for _, p := range t.Partitions {
		replicas = max(replicas, len(p.Replicas))
	}
	_, _ = fmt.Fprintf(s.Out, "topic %s: %d partitions, %d replicas\n", name, len(t.Partitions), replicas)
	for _, setting := range settings(ctx, a, name) {
		_, _ = fmt.Fprintf(s.Out, "config %s\n", setting)
	}
	w := tabwriter.NewWriter(s.Out, 0, 8, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "PARTITION\tLEADER\tREPLICAS\tIN-SYNC\tFIRST\tNEXT\tBYTES")
	for _, p := range t.Partitions {
		leader := "none"
		if p.Leader >= 0 {
			leader = strconv.Itoa(int(p.Leader))
		}
		_, _ = fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%s\n", p.ID, leader, ids(p.Replicas), ids(p.Isrs),
			known(first, p.ID), known(next, p.ID), known(sizes, p.ID))
	}
	return w.Flush()
}

func ids(list []int32) string {
	out := make([]string, len(list))
	for i, id := range list {
		out[i] = strconv.Itoa(int(id))
	}
	return strings.Join(out, ",")
}

// known is a partition's number, "-" where nobody could tell it.
func known(m map[int32]int64, partition int32) string {
	if n, ok := m[partition]; ok {
		return strconv.FormatInt(n, 10)
	}
	return "-"
}

// offsets asks the leaders of those partitions that have one. Those that did not
// answer are missing, and the error says why.
func offsets(ctx context.Context, a *kafka.AdminClient, name string, partitions []kafka.PartitionMetadata, spec kafka.OffsetSpec) (map[int32]int64, error) {
	asked := map[kafka.TopicPartition]kafka.OffsetSpec{}
	for _, p := range partitions {
		if p.Leader >= 0 {
			asked[kafka.TopicPartition{Topic: &name, Partition: p.ID}] = spec
		}
	}
	out := map[int32]int64{}
	if len(asked) == 0 {
		return out, nil
	}
	result, err := a.ListOffsets(ctx, asked, kafka.SetAdminRequestTimeout(requestLimit))
	if err != nil {
		return out, err
	}
	for tp, info := range result.ResultInfos {
		if info.Error.Code() == kafka.ErrNoError {
			out[tp.Partition] = int64(info.Offset)
		} else {
			err = info.Error
		}
	}
	return out, err
}

// settings are the topic's own, those that differ from the brokers' defaults.
func settings(ctx context.Context, a *kafka.AdminClient, name string) []string {
	result, err := a.DescribeConfigs(ctx, []kafka.ConfigResource{{Type: kafka.ResourceTopic, Name: name}},
		kafka.SetAdminRequestTimeout(requestLimit))
	var out []string
	if err != nil || len(result) != 1 {
		return out
	}
	for key, entry := range result[0].Config {
		if entry.Source == kafka.ConfigSourceDynamicTopic {
			out = append(out, key+"="+entry.Value)
		}
	}
	slices.Sort(out)
	return out
}

// sizes are the bytes of each partition on its leader. librdkafka has no request
// for them, so franz-go asks; it is not taught librdkafka's security properties, so
// on a cluster that wants them sizes stay unknown.
func (c Cluster) sizes(ctx context.Context, name string) map[int32]int64 {
	out := map[int32]int64{}
	for k, v := range c.Properties {
		if strings.HasPrefix(k, "sasl.") || strings.HasPrefix(k, "ssl.") || k == "security.protocol" && v != "plaintext" {
			return out
		}
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(c.Brokers, ",")...), kgo.ClientID("ringtail"))
	if err != nil {
		return out
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	topics, err := admin.ListTopics(ctx, name)
	if err != nil {
		return out
	}
	dirs, err := admin.DescribeAllLogDirs(ctx, topics.TopicsSet())
	if err != nil && len(dirs) == 0 {
		return out
	}
	dirs.Each(func(d kadm.DescribedLogDir) {
		d.Topics.Each(func(p kadm.DescribedLogDirPartition) {
			detail := topics[name].Partitions[p.Partition]
			if p.Topic == name && !p.IsFuture && detail.Leader == d.Broker {
				out[p.Partition] = p.Size
			}
		})
	})
	return out
}

// partitionOf checks --partition against what the topic has; −1 is any.
func partitionOf(t *kafka.TopicMetadata, partition int) error {
	if partition >= len(t.Partitions) || partition < -1 {
		return config.Usagef("--partition is %d; topic %s has 0 to %d", partition, t.Topic, len(t.Partitions)-1)
	}
	return nil
}
