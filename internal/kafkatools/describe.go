package kafkatools

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"text/tabwriter"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringtail/ringtail/internal/config"
	"github.com/ringtail/ringtail/internal/kafkaclient"
)

// DescribeOptions are the flags of topics describe: what to show.
type DescribeOptions struct {
	Name  string `arg:"" help:"The topic."`
	Group string `help:"Show this group too: committed offsets, lag, and which member reads what."`
	JSON  bool   `name:"json" help:"Print one JSON object; what is not known is null."`
}

// DescribeTopic prints a topic's settings and, for each partition, leader,
// replicas, in-sync replicas, first and next offset, and bytes on the leader's disk;
// with a group, how far that has got, how far it is behind, and which member reads.
func DescribeTopic(ctx context.Context, c Cluster, o DescribeOptions, s Streams) error {
	a, err := c.admin()
	if err != nil {
		return err
	}
	defer a.Close()
	md, t, err := c.lookup(a, o.Name)
	if err != nil {
		return err
	}
	_, cause := c.connect(md, t)
	if cause != nil {
		s.say("not everything can be told: %v", cause)
	}
	slices.SortFunc(t.Partitions, func(a, b kafka.PartitionMetadata) int { return cmp.Compare(a.ID, b.ID) })
	d := c.askAll(ctx, a, t, o.Group)
	if d.sizesErr != nil && cause == nil && len(d.sizes) < led(*t) { // a broker that is gone leads nothing, and is not missed
		s.say("sizes are not all known: %v", d.sizesErr)
	}
	if o.Group != "" && d.groupErr != nil {
		s.say("group %s is not known: %v", o.Group, d.groupErr)
	}
	if o.JSON {
		return writeJSON(s.Out, d.json(o))
	}
	return d.print(o, s.Out)
}

// print writes a table of partitions, with what is about all of them above it.
func (d *description) print(o DescribeOptions, out io.Writer) error {
	_, _ = fmt.Fprintf(out, "topic %s: %s, %s\n", o.Name, plural(len(d.partitions), "partition"), plural(replicas(d.partitions), "replica"))
	for _, name := range slices.Sorted(maps.Keys(d.settings)) {
		_, _ = fmt.Fprintf(out, "config %s=%s\n", name, d.settings[name])
	}
	header := "PARTITION\tLEADER\tREPLICAS\tIN-SYNC\tFIRST\tNEXT\tBYTES"
	var lags map[int32]int64
	if o.Group != "" {
		header += "\tCOMMITTED\tLAG\tMEMBER"
		if d.groupErr == nil {
			lags = d.group.lags(d.next)
			_, _ = fmt.Fprintln(out, d.group.summary(o.Group, len(d.partitions), lags))
		}
	}
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, header)
	for _, p := range d.partitions {
		leader := "none"
		if p.Leader >= 0 {
			leader = strconv.Itoa(int(p.Leader))
		}
		_, _ = fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%s", p.ID, leader, ids(p.Replicas), ids(p.Isrs),
			known(d.first, p.ID), known(d.next, p.ID), known(d.sizes, p.ID))
		if o.Group != "" {
			_, _ = fmt.Fprintf(w, "\t%s\t%s\t%s", known(d.group.committed, p.ID), known(lags, p.ID), d.group.reader(p.ID))
		}
		_, _ = fmt.Fprintln(w)
	}
	return w.Flush()
}

// topicJSON is what topics describe --json prints. What nobody could tell is null.
type topicJSON struct {
	Name       string            `json:"name"`
	Replicas   int               `json:"replicas"`
	Config     map[string]string `json:"config"` // those of its own
	Group      *groupJSON        `json:"group,omitempty"`
	Partitions []partitionJSON   `json:"partitions"`
}

type partitionJSON struct {
	Partition int32   `json:"partition"`
	Leader    *int32  `json:"leader"`
	Replicas  []int32 `json:"replicas"`
	InSync    []int32 `json:"in_sync"`
	First     *int64  `json:"first"`
	Next      *int64  `json:"next"`
	Bytes     *int64  `json:"bytes"`
	*positionJSON
}

func (d *description) json(o DescribeOptions) topicJSON {
	t := topicJSON{Name: o.Name, Replicas: replicas(d.partitions), Config: d.settings, Partitions: []partitionJSON{}}
	withGroup := o.Group != "" && d.groupErr == nil
	lags := d.group.lags(d.next)
	if withGroup {
		t.Group = &groupJSON{Name: o.Group, State: d.group.state, Members: d.group.members}
	}
	for _, p := range d.partitions {
		row := partitionJSON{
			Partition: p.ID, Replicas: p.Replicas, InSync: p.Isrs,
			First: number(d.first, p.ID), Next: number(d.next, p.ID), Bytes: number(d.sizes, p.ID),
		}
		if p.Leader >= 0 {
			row.Leader = &p.Leader
		}
		if withGroup {
			row.positionJSON = d.group.json(p.ID, lags)
		}
		t.Partitions = append(t.Partitions, row)
	}
	return t
}

// description is what the brokers tell about a topic beside its metadata.
type description struct {
	partitions         []kafka.PartitionMetadata
	first, next, sizes map[int32]int64
	sizesErr           error // why some are missing
	settings           map[string]string
	group              groupState
	groupErr           error
}

// askAll asks for all of it at once: a broker that does not answer costs its limit of
// time once, and what the others tell is there.
func (c Cluster) askAll(ctx context.Context, a *kafka.AdminClient, t *kafka.TopicMetadata, group string) *description {
	ctx, cancel := context.WithTimeout(ctx, requestLimit)
	defer cancel()
	d := &description{partitions: t.Partitions}
	var wg sync.WaitGroup
	wg.Go(func() { d.first = offsets(ctx, a, t.Topic, t.Partitions, kafka.EarliestOffsetSpec) })
	wg.Go(func() { d.next = offsets(ctx, a, t.Topic, t.Partitions, kafka.LatestOffsetSpec) })
	wg.Go(func() { d.sizes, d.sizesErr = c.sizes(ctx, t.Topic) })
	wg.Go(func() { d.settings = settingsOf(ctx, a, t.Topic) })
	if group != "" {
		wg.Go(func() { d.group, d.groupErr = c.group(ctx, a, group, t.Topic, t.Partitions) })
	}
	wg.Wait()
	return d
}

func ids(list []int32) string {
	if len(list) == 0 {
		return "-"
	}
	out := make([]string, len(list))
	for i, id := range list {
		out[i] = strconv.Itoa(int(id))
	}
	return strings.Join(out, ",")
}

// known is a partition's number, "-" where nobody could tell it.
func known(m map[int32]int64, partition int32) string { return textOf(number(m, partition)) }

func textOf(n *int64) string {
	if n == nil {
		return "-"
	}
	return strconv.FormatInt(*n, 10)
}

// offsets asks the leaders of those partitions that have one.
func offsets(ctx context.Context, a *kafka.AdminClient, name string, partitions []kafka.PartitionMetadata, spec kafka.OffsetSpec) map[int32]int64 {
	asked := map[kafka.TopicPartition]kafka.OffsetSpec{}
	for _, p := range partitions {
		if p.Leader >= 0 {
			asked[kafka.TopicPartition{Topic: &name, Partition: p.ID}] = spec
		}
	}
	out := map[int32]int64{}
	if len(asked) == 0 {
		return out
	}
	result, err := a.ListOffsets(ctx, asked, kafka.SetAdminRequestTimeout(requestLimit))
	if err != nil {
		return out
	}
	for tp, info := range result.ResultInfos {
		if info.Error.Code() == kafka.ErrNoError {
			out[tp.Partition] = int64(info.Offset)
		}
	}
	return out
}

// settingsOf are the topic's own, those that differ from the brokers' defaults.
func settingsOf(ctx context.Context, a *kafka.AdminClient, name string) map[string]string {
	result, err := a.DescribeConfigs(ctx, []kafka.ConfigResource{{Type: kafka.ResourceTopic, Name: name}},
		kafka.SetAdminRequestTimeout(requestLimit))
	out := map[string]string{}
	if err != nil || len(result) != 1 {
		return out
	}
	for key, entry := range result[0].Config {
		if entry.Source == kafka.ConfigSourceDynamicTopic {
			out[key] = entry.Value
		}
	}
	return out
}

// sizes are the bytes of each partition on its leader, as far as the brokers tell, and
// why some are missing. librdkafka has no request for them, so franz-go asks.
func (c Cluster) sizes(ctx context.Context, name string) (map[int32]int64, error) {
	out := map[int32]int64{}
	security, err := kafkaclient.SecurityOf(c.Properties)
	if err != nil {
		return out, err
	}
	client, err := kgo.NewClient(append(security.Options(), kgo.SeedBrokers(kafkaclient.Seeds(c.Brokers)...), kgo.ClientID("ringtail"))...)
	if err != nil {
		return out, err
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	topics, err := admin.ListTopics(ctx, name)
	if err != nil {
		return out, err
	}
	dirs, err := admin.DescribeAllLogDirs(ctx, topics.TopicsSet())
	dirs.Each(func(d kadm.DescribedLogDir) {
		if d.Err != nil {
			err = d.Err
		}
		d.Topics.Each(func(p kadm.DescribedLogDirPartition) {
			detail := topics[name].Partitions[p.Partition]
			if p.Topic == name && !p.IsFuture && detail.Leader == d.Broker {
				out[p.Partition] = p.Size
			}
		})
	})
	return out, err
}

// partitionOf checks --partition against what the topic has; −1 is any.
func partitionOf(t *kafka.TopicMetadata, partition int) error {
	if partition >= len(t.Partitions) || partition < -1 {
		return config.Usagef("--partition is %d; topic %s has 0 to %d", partition, t.Topic, len(t.Partitions)-1)
	}
	return nil
}
