package kafkatools

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/ringtail/ringtail/internal/config"
)

// AlterOptions are the flags of topics alter: what is to change.
type AlterOptions struct {
	Name       string            `arg:"" help:"The topic."`
	Partitions int               `placeholder:"N" help:"How many partitions it is to have; they can only become more."`
	Configs    config.Properties `name:"config" placeholder:"K=V" help:"A setting of the topic; K= gives it the brokers' default again. Repeatable."`
}

// partitionsMax is far beyond what a topic has; brokers have bounds of their own.
const partitionsMax = 100_000

// AlterTopic changes a topic: all of what is asked, or, where Kafka refuses some of it, nothing. It
// returns once every live broker knows new partitions.
func AlterTopic(ctx context.Context, c Cluster, o AlterOptions, s Streams) error {
	switch {
	case o.Partitions < 0 || o.Partitions > partitionsMax:
		return config.Usagef("--partitions is %d; must be 1 to %d", o.Partitions, partitionsMax)
	case o.Partitions == 0 && len(o.Configs) == 0:
		return config.Usagef("nothing is to change; give --partitions N or --config K=V")
	}
	cl, err := c.client(nil)
	if err != nil {
		return err
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(ctx, adminLimit)
	defer cancel()
	md, err := c.find(ctx, cl, o.Name)
	if err == nil {
		err = c.controlled(ctx, cl)
	}
	if err != nil {
		return err
	}
	now := len(md.Topics[o.Name].Partitions)
	switch {
	case o.Partitions == now:
		s.say("topic %s has %s already", o.Name, plural(now, "partition"))
	case o.Partitions > 0 && o.Partitions < now:
		return config.Usagef("--partitions is %d; topic %s has %d, and partitions can only become more", o.Partitions, o.Name, now)
	}
	more := o.Partitions > now
	if more { // whether it will be taken, before anything has changed
		if err := c.addPartitions(ctx, cl, o, true); err != nil {
			return err
		}
	}
	begins(ctx)
	if err := c.alterConfigs(ctx, cl, o); err != nil {
		return err
	}
	if more {
		if err := c.addPartitions(ctx, cl, o, false); err != nil {
			return err
		}
		if err := c.everywhere(ctx, cl, o.Name, func(t kadm.TopicDetail) bool { return led(t) >= o.Partitions }); err != nil {
			return err
		}
	}
	s.done("altered topic %s", o.Name)
	return nil
}

func (c Cluster) addPartitions(ctx context.Context, cl *kgo.Client, o AlterOptions, validate bool) error {
	done := kerr.InvalidPartitions // it was validated, so it is invalid once it is done
	if validate {
		done = nil
	}
	q, t := kmsg.NewPtrCreatePartitionsRequest(), kmsg.NewCreatePartitionsRequestTopic()
	t.Topic, t.Count = o.Name, int32(o.Partitions)
	q.Topics, q.ValidateOnly, q.TimeoutMillis = append(q.Topics, t), validate, requestMS
	said, err := c.change(ctx, cl, q, done)
	if err == nil && said.err() != nil {
		err = fmt.Errorf("topic %s, --partitions %d: %w", o.Name, o.Partitions, said.err())
	}
	return err
}

// alterConfigs sets the settings that have a value, and gives the others the brokers' default.
func (c Cluster) alterConfigs(ctx context.Context, cl *kgo.Client, o AlterOptions) error {
	if len(o.Configs) == 0 {
		return nil
	}
	var changes []kadm.AlterConfig
	for _, name := range slices.Sorted(maps.Keys(o.Configs)) {
		change := kadm.AlterConfig{Op: kadm.SetConfig, Name: name, Value: kmsg.StringPtr(o.Configs[name])}
		if o.Configs[name] == "" {
			change.Op, change.Value = kadm.DeleteConfig, nil
		}
		changes = append(changes, change)
	}
	all, err := kadm.NewClient(cl).AlterTopicConfigs(ctx, changes, o.Name)
	if err != nil {
		return c.unreached(err)
	}
	for _, r := range all {
		said := answer{message: &r.ErrMessage}
		if e := (*kerr.Error)(nil); errors.As(r.Err, &e) {
			said.code = e.Code
		}
		switch {
		case said.is(kerr.InvalidConfig), said.is(kerr.InvalidRequest):
			return config.Usagef("--config: %w", said.err())
		case r.Err != nil:
			return fmt.Errorf("topic %s, --config: %w", o.Name, cmp.Or(said.err(), r.Err))
		}
	}
	return nil
}
