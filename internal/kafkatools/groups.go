package kafkatools

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/ringtail/ringtail/internal/config"
)

// ListGroups prints the groups: name and state; as a table, or as an array of objects.
func ListGroups(ctx context.Context, c Cluster, asJSON bool, s Streams) error {
	a, err := c.admin()
	if err != nil {
		return err
	}
	defer a.Close()
	if err := c.answers(a); err != nil {
		return err
	}
	answer, err := a.ListConsumerGroups(ctx, kafka.SetAdminRequestTimeout(requestLimit))
	if err != nil {
		return c.unreached(err)
	}
	for _, err := range answer.Errors { // of brokers that did not answer
		if err = c.because(err); len(answer.Valid) == 0 {
			return c.explain(err)
		}
		s.say("not all groups are known: %v", err)
	}
	slices.SortFunc(answer.Valid, func(a, b kafka.ConsumerGroupListing) int { return strings.Compare(a.GroupID, b.GroupID) })
	if asJSON {
		type row struct {
			Name  string `json:"name"`
			State string `json:"state"`
		}
		rows := []row{}
		for _, g := range answer.Valid {
			rows = append(rows, row{g.GroupID, stateOf(g.State)})
		}
		return writeJSON(s.Out, rows)
	}
	w := tabwriter.NewWriter(s.Out, 0, 8, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "GROUP\tSTATE")
	for _, g := range answer.Valid {
		_, _ = fmt.Fprintf(w, "%s\t%s\n", g.GroupID, stateOf(g.State))
	}
	return w.Flush()
}

// DescribeGroup prints how a group stands in every topic for which it has committed
// something or has members.
func DescribeGroup(ctx context.Context, c Cluster, group string, asJSON bool, s Streams) error {
	a, err := c.admin()
	if err != nil {
		return err
	}
	defer a.Close()
	if err := c.answers(a); err != nil {
		return err
	}
	d, state, err := describeGroup(ctx, a, group)
	if err != nil {
		return c.groupError(group, err)
	}
	offsets, err := committed(ctx, a, group, nil, false)
	if err != nil {
		return c.groupError(group, err)
	}
	partitions := map[string]map[int32]bool{}
	note := func(tp kafka.TopicPartition) {
		if partitions[*tp.Topic] == nil {
			partitions[*tp.Topic] = map[int32]bool{}
		}
		partitions[*tp.Topic][tp.Partition] = true
	}
	for _, tp := range offsets {
		note(tp)
	}
	for _, m := range d.Members {
		for _, tp := range m.Assignment.TopicPartitions {
			note(tp)
		}
	}
	if state == "dead" && len(partitions) == 0 {
		return config.Usagef("group %s does not exist; `ringtail groups list --brokers %s` names those that do", group, c.Brokers)
	}
	rows := []groupRow{}
	for _, topic := range slices.Sorted(maps.Keys(partitions)) {
		var of []kafka.PartitionMetadata
		for _, id := range slices.Sorted(maps.Keys(partitions[topic])) {
			of = append(of, kafka.PartitionMetadata{ID: id})
		}
		v := stateIn(topic, offsets, d, state)
		first, next := ends(ctx, a, topic, of)
		lags := v.lags(next)
		for _, p := range of {
			rows = append(rows, groupRow{topic, p.ID, number(first, p.ID), number(next, p.ID), v.json(p.ID, lags), v.reader(p.ID)})
		}
	}
	if asJSON {
		return writeJSON(s.Out, struct {
			groupJSON
			Partitions []groupRow `json:"partitions"`
		}{groupJSON{group, state, len(d.Members)}, rows})
	}
	_, _ = fmt.Fprintf(s.Out, "group %s: %s, %s\n", group, state, plural(len(d.Members), "member"))
	w := tabwriter.NewWriter(s.Out, 0, 8, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "TOPIC\tPARTITION\tCOMMITTED\tFIRST\tNEXT\tLAG\tMEMBER")
	for _, r := range rows {
		_, _ = fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\t%s\t%s\n", r.Topic, r.Partition, textOf(r.Committed), textOf(r.First), textOf(r.Next), textOf(r.Lag), r.reader)
	}
	return w.Flush()
}

// groupRow is how a group stands in one partition.
type groupRow struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	First     *int64 `json:"first"`
	Next      *int64 `json:"next"`
	*positionJSON
	reader string
}

// ends are the first offset of partitions and the one that comes next.
func ends(ctx context.Context, a *kafka.AdminClient, topic string, of []kafka.PartitionMetadata) (first, next map[int32]int64) {
	return offsets(ctx, a, topic, of, kafka.EarliestOffsetSpec), offsets(ctx, a, topic, of, kafka.LatestOffsetSpec)
}

func (c Cluster) groupError(group string, err error) error {
	if isCode(err, kafka.ErrTransport) || isCode(err, kafka.ErrTimedOut) {
		return c.unreached(err)
	}
	return fmt.Errorf("group %s: %w", group, err)
}

// ResetOptions are the flags of groups reset: where a group is to go on.
type ResetOptions struct {
	Group     string `arg:"" help:"The group."`
	Topic     string `help:"The topic."`
	To        string `required:"" placeholder:"WHERE" help:"beginning, end, an offset, -N (the last N of each partition), or a time (2026-11-26T17:00:00Z, \"2026-11-26 17:00\", 15m ago as 15m)."`
	Partition int    `default:"-1" help:"This partition alone. Default: all."`
}

// ResetGroup sets a group's offsets in a topic, and prints what they were and are. Nobody
// of the group may be running: its members would commit their own again.
func ResetGroup(ctx context.Context, c Cluster, o ResetOptions, s Streams) error {
	to, err := parseMoment("--to", o.To, time.Now())
	if err != nil {
		return err
	}
	a, err := c.admin()
	if err != nil {
		return err
	}
	defer a.Close()
	t, err := c.topic(a, o.Topic)
	if err != nil {
		return err
	}
	if err := partitionOf(t, o.Partition); err != nil {
		return err
	}
	wanted := slices.DeleteFunc(slices.Clone(t.Partitions), func(p kafka.PartitionMetadata) bool {
		return o.Partition >= 0 && int32(o.Partition) != p.ID
	})
	slices.SortFunc(wanted, func(a, b kafka.PartitionMetadata) int { return cmp.Compare(a.ID, b.ID) })
	v, err := c.group(ctx, a, o.Group, o.Topic, wanted)
	if err != nil {
		return c.groupError(o.Group, err)
	}
	if v.members > 0 {
		return fmt.Errorf("group %s has %s, and members commit their own offsets again; stop them first", o.Group, plural(v.members, "member"))
	}
	first, next := ends(ctx, a, o.Topic, wanted)
	young := map[int32]int64{}
	if !to.since.IsZero() {
		young = offsets(ctx, a, o.Topic, wanted, kafka.NewOffsetSpecForTimestamp(max(to.since.UnixMilli(), 0)))
	}
	request := kafka.ConsumerGroupTopicPartitions{Group: o.Group}
	for _, p := range wanted {
		if _, ok := next[p.ID]; !ok {
			return fmt.Errorf("topic %s, partition %d: its offsets are not known; `ringtail topics describe %s` shows whether it has a leader", o.Topic, p.ID, o.Topic)
		}
		at, ok := young[p.ID]
		if !ok {
			at = -1
		}
		offset := to.in(first[p.ID], next[p.ID], at)
		if to.isOffset() && to.offset != offset {
			s.say("%s:%d has offsets %d to %d; set to %d instead of %d", o.Topic, p.ID, first[p.ID], next[p.ID], offset, to.offset)
		}
		request.Partitions = append(request.Partitions, kafka.TopicPartition{Topic: &o.Topic, Partition: p.ID, Offset: kafka.Offset(offset)})
	}
	begins(ctx)
	answer, err := a.AlterConsumerGroupOffsets(ctx, []kafka.ConsumerGroupTopicPartitions{request}, kafka.SetAdminRequestTimeout(requestLimit))
	if err != nil {
		return c.groupError(o.Group, err)
	}
	w := tabwriter.NewWriter(s.Out, 0, 8, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "PARTITION\tFROM\tTO")
	for i, p := range answer.ConsumerGroupsTopicPartitions[0].Partitions {
		if p.Error != nil {
			err = cmp.Or(err, fmt.Errorf("group %s, topic %s, partition %d: %w", o.Group, o.Topic, p.Partition, p.Error))
			continue
		}
		_, _ = fmt.Fprintf(w, "%d\t%s\t%d\n", p.Partition, known(v.committed, p.Partition), int64(request.Partitions[i].Offset))
	}
	return cmp.Or(err, w.Flush())
}
