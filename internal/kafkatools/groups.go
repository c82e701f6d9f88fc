package kafkatools

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/ringtail/ringtail/internal/config"
)

// ListGroups prints the groups: name and state; as a table, or as an array of objects.
func ListGroups(ctx context.Context, c Cluster, asJSON bool, s Streams) error {
	cl, err := c.client(nil)
	if err != nil {
		return err
	}
	defer cl.Close()
	if _, err := c.find(ctx, cl); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, requestLimit)
	defer cancel()
	all, err := kadm.NewClient(cl).ListGroups(ctx)
	var some *kadm.ShardErrors
	switch {
	case errors.As(err, &some) && !some.AllFailed: // brokers that did not answer
		for _, e := range some.Errs {
			s.say("not all groups are known: %v", c.whyNot(e.Err))
		}
	case err != nil:
		return c.unreached(err)
	}
	groups := slices.DeleteFunc(all.Sorted(), func(g kadm.ListedGroup) bool { return g.ProtocolType != "" && g.ProtocolType != "consumer" })
	if asJSON {
		type row struct {
			Name  string `json:"name"`
			State string `json:"state"`
		}
		rows := []row{}
		for _, g := range groups {
			rows = append(rows, row{g.Group, stateOf(g.State)})
		}
		return writeJSON(s.Out, rows)
	}
	w := tabwriter.NewWriter(s.Out, 0, 8, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "GROUP\tSTATE")
	for _, g := range groups {
		_, _ = fmt.Fprintf(w, "%s\t%s\n", g.Group, stateOf(g.State))
	}
	return w.Flush()
}

// DescribeGroup prints how a group stands in every topic for which it has committed
// something or has members.
func DescribeGroup(ctx context.Context, c Cluster, group string, asJSON bool, s Streams) error {
	cl, err := c.client(nil)
	if err != nil {
		return err
	}
	defer cl.Close()
	if _, err := c.find(ctx, cl); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, requestLimit)
	defer cancel()
	members, state, err := groupMembers(ctx, cl, group)
	if err != nil {
		return c.groupError(group, err)
	}
	offsets, err := groupOffsets(ctx, cl, group)
	if err != nil {
		return c.groupError(group, err)
	}
	partitions := kadm.TopicsSet{}
	for topic, of := range offsets {
		for id := range of {
			partitions.Add(topic, id)
		}
	}
	for _, m := range members {
		partitions.Merge(m.assigned)
	}
	if state == "dead" && len(partitions) == 0 {
		return config.Usagef("group %s does not exist; `ringtail groups list --brokers %s` names those that do", group, c.Brokers)
	}
	var first, next kadm.ListedOffsets
	if len(partitions) > 0 { // none would be all
		a := kadm.NewClient(cl)
		first, _ = a.ListStartOffsets(ctx, partitions.Topics()...) // what is not known is shown so
		next, _ = a.ListEndOffsets(ctx, partitions.Topics()...)
	}
	rows := []groupRow{}
	for _, t := range partitions.Sorted() {
		v := stateIn(t.Topic, offsets, members, state)
		first, next := offsetsIn(t.Topic)(first, nil), offsetsIn(t.Topic)(next, nil)
		lags := v.lags(next)
		for _, id := range t.Partitions {
			rows = append(rows, groupRow{t.Topic, id, number(first, id), number(next, id), v.json(id, lags), v.reader(id)})
		}
	}
	if asJSON {
		return writeJSON(s.Out, struct {
			groupJSON
			Partitions []groupRow `json:"partitions"`
		}{groupJSON{group, state, len(members)}, rows})
	}
	_, _ = fmt.Fprintf(s.Out, "group %s: %s, %s\n", group, state, plural(len(members), "member"))
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

func (c Cluster) groupError(group string, err error) error {
	if !errors.As(err, new(*kerr.Error)) {
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
	cl, err := c.client(nil)
	if err != nil {
		return err
	}
	defer cl.Close()
	topics, err := c.reach(ctx, cl, o.Topic)
	if err != nil {
		return err
	}
	t := topics[o.Topic]
	if err := checkPartition(o.Topic, len(t.Partitions), o.Partition); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, requestLimit)
	defer cancel()
	v, err := c.group(ctx, cl, o.Group, o.Topic)
	if err != nil {
		return c.groupError(o.Group, err)
	}
	if v.members > 0 {
		return fmt.Errorf("group %s has %s, and members commit their own offsets again; stop them first", o.Group, plural(v.members, "member"))
	}
	a := kadm.NewClient(cl)
	first, next := offsetsIn(o.Topic)(a.ListStartOffsets(ctx, o.Topic)), offsetsIn(o.Topic)(a.ListEndOffsets(ctx, o.Topic))
	young := map[int32]int64{}
	if !to.since.IsZero() {
		young = offsetsIn(o.Topic)(a.ListOffsetsAfterMilli(ctx, max(to.since.UnixMilli(), 0), o.Topic))
	}
	var wanted kadm.Offsets
	for _, id := range t.Partitions.Numbers() {
		if o.Partition >= 0 && int32(o.Partition) != id {
			continue
		}
		if _, ok := next[id]; !ok {
			return fmt.Errorf("topic %s, partition %d: its offsets are not known; `ringtail topics describe %s` shows whether it has a leader", o.Topic, id, o.Topic)
		}
		at, ok := young[id]
		if !ok {
			at = -1
		}
		offset := to.in(first[id], next[id], at)
		if to.isOffset() && to.offset != offset {
			s.say("%s:%d has offsets %d to %d; set to %d instead of %d", o.Topic, id, first[id], next[id], offset, to.offset)
		}
		wanted.AddOffset(o.Topic, id, offset, -1)
	}
	begins(ctx)
	answer, err := a.CommitOffsets(ctx, o.Group, wanted)
	if err != nil {
		return c.groupError(o.Group, err)
	}
	w := tabwriter.NewWriter(s.Out, 0, 8, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "PARTITION\tFROM\tTO")
	for _, p := range answer.Sorted() {
		if p.Err != nil {
			err = cmp.Or(err, fmt.Errorf("group %s, topic %s, partition %d: %w", o.Group, o.Topic, p.Partition, p.Err))
			continue
		}
		_, _ = fmt.Fprintf(w, "%d\t%s\t%d\n", p.Partition, known(v.committed, p.Partition), p.At)
	}
	return cmp.Or(err, w.Flush())
}
