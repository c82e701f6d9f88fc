package kafkatools

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"text/tabwriter"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
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
	cl, err := c.client(nil)
	if err != nil {
		return err
	}
	defer cl.Close()
	md, err := c.find(ctx, cl, o.Name)
	if err != nil {
		return err
	}
	t := md.Topics[o.Name]
	_, cause := c.knock(ctx, md, o.Name)
	if cause != nil {
		s.say("not everything can be told: %v", cause)
	}
	d := c.askAll(ctx, cl, t, o.Group)
	if d.sizesErr != nil && cause == nil && len(d.sizes) < led(t) { // a broker that is gone leads nothing, and is not missed
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
	_, _ = fmt.Fprintf(out, "topic %s: %s, %s\n", o.Name, plural(len(d.topic.Partitions), "partition"), plural(replicas(d.topic), "replica"))
	for _, name := range slices.Sorted(maps.Keys(d.settings)) {
		_, _ = fmt.Fprintf(out, "config %s=%s\n", name, d.settings[name])
	}
	header := "PARTITION\tLEADER\tREPLICAS\tIN-SYNC\tFIRST\tNEXT\tBYTES"
	var lags map[int32]int64
	if o.Group != "" {
		header += "\tCOMMITTED\tLAG\tMEMBER"
		if d.groupErr == nil {
			lags = d.group.lags(d.next)
			_, _ = fmt.Fprintln(out, d.group.summary(o.Group, len(d.topic.Partitions), lags))
		}
	}
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, header)
	for _, p := range d.topic.Partitions.Sorted() {
		leader := "none"
		if p.Leader >= 0 {
			leader = strconv.Itoa(int(p.Leader))
		}
		_, _ = fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%s", p.Partition, leader, ids(p.Replicas), ids(p.ISR),
			known(d.first, p.Partition), known(d.next, p.Partition), known(d.sizes, p.Partition))
		if o.Group != "" {
			_, _ = fmt.Fprintf(w, "\t%s\t%s\t%s", known(d.group.committed, p.Partition), known(lags, p.Partition), d.group.reader(p.Partition))
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
	t := topicJSON{Name: o.Name, Replicas: replicas(d.topic), Config: d.settings, Partitions: []partitionJSON{}}
	withGroup := o.Group != "" && d.groupErr == nil
	lags := d.group.lags(d.next)
	if withGroup {
		t.Group = &groupJSON{Name: o.Group, State: d.group.state, Members: d.group.members}
	}
	for _, p := range d.topic.Partitions.Sorted() {
		row := partitionJSON{
			Partition: p.Partition, Replicas: p.Replicas, InSync: p.ISR,
			First: number(d.first, p.Partition), Next: number(d.next, p.Partition), Bytes: number(d.sizes, p.Partition),
		}
		if p.Leader >= 0 {
			row.Leader = &p.Leader
		}
		if withGroup {
			row.positionJSON = d.group.json(p.Partition, lags)
		}
		t.Partitions = append(t.Partitions, row)
	}
	return t
}

// description is what the brokers tell about a topic beside its metadata.
type description struct {
	topic              kadm.TopicDetail
	first, next, sizes map[int32]int64
	sizesErr           error // why some are missing
	settings           map[string]string
	group              groupState
	groupErr           error
}

// askAll asks for all of it at once: a broker that does not answer costs its limit of
// time once, and what the others tell is there.
func (c Cluster) askAll(ctx context.Context, cl *kgo.Client, t kadm.TopicDetail, group string) *description {
	ctx, cancel := context.WithTimeout(ctx, requestLimit)
	defer cancel()
	d, a := &description{topic: t}, kadm.NewClient(cl)
	var wg sync.WaitGroup
	wg.Go(func() { d.first = offsetsIn(t.Topic)(a.ListStartOffsets(ctx, t.Topic)) })
	wg.Go(func() { d.next = offsetsIn(t.Topic)(a.ListEndOffsets(ctx, t.Topic)) })
	wg.Go(func() { d.sizes, d.sizesErr = sizes(ctx, a, t) })
	wg.Go(func() { d.settings = settingsOf(ctx, a, t.Topic) })
	if group != "" {
		wg.Go(func() { d.group, d.groupErr = c.group(ctx, cl, group, t.Topic) })
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

// offsetsIn are those of one topic in brokers' answers, of the partitions whose leader has answered.
func offsetsIn(topic string) func(kadm.ListedOffsets, error) map[int32]int64 {
	return func(listed kadm.ListedOffsets, _ error) map[int32]int64 {
		out := map[int32]int64{}
		for id, o := range listed[topic] {
			if o.Err == nil {
				out[id] = o.Offset
			}
		}
		return out
	}
}

// settingsOf are the topic's own, those that differ from the brokers' defaults.
func settingsOf(ctx context.Context, a *kadm.Client, name string) map[string]string {
	out := map[string]string{}
	all, _ := a.DescribeTopicConfigs(ctx, name) // what is not known is not shown
	for _, r := range all {
		for _, s := range r.Configs {
			if s.Source == kmsg.ConfigSourceDynamicTopicConfig {
				out[s.Key] = s.MaybeValue()
			}
		}
	}
	return out
}

// sizes are the bytes of each partition on its leader, as far as the brokers tell, and
// why some are missing.
func sizes(ctx context.Context, a *kadm.Client, t kadm.TopicDetail) (map[int32]int64, error) {
	out := map[int32]int64{}
	dirs, err := a.DescribeAllLogDirs(ctx, kadm.TopicDetails{t.Topic: t}.TopicsSet())
	dirs.Each(func(d kadm.DescribedLogDir) {
		if d.Err != nil {
			err = d.Err
		}
		d.Topics.Each(func(p kadm.DescribedLogDirPartition) {
			if p.Topic == t.Topic && !p.IsFuture && t.Partitions[p.Partition].Leader == d.Broker {
				out[p.Partition] = p.Size
			}
		})
	})
	return out, err
}
