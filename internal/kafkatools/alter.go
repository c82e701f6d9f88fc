package kafkatools

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/ringtail/ringtail/internal/config"
)

// AlterOptions are the flags of topics alter: what is to change.
type AlterOptions struct {
	Name       string            `arg:"" help:"The topic."`
	Partitions int               `placeholder:"N" help:"How many partitions it is to have; they can only become more."`
	Configs    config.Properties `name:"config" placeholder:"K=V" help:"A setting of the topic; K= gives it the brokers' default again. Repeatable."`
}

// partitionsMax is librdkafka's bound.
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
	a, err := c.admin()
	if err != nil {
		return err
	}
	defer a.Close()
	ctx, cancel := context.WithTimeout(ctx, adminLimit)
	defer cancel()
	md, t, err := c.lookup(a, o.Name)
	if err != nil {
		return err
	}
	if reached, cause := c.connect(md, nil); cause != nil && reached == 0 {
		return c.explain(cause)
	}
	now := len(t.Partitions)
	switch {
	case o.Partitions == now:
		s.say("topic %s has %s already", o.Name, plural(now, "partition"))
	case o.Partitions > 0 && o.Partitions < now:
		return config.Usagef("--partitions is %d; topic %s has %d, and partitions can only become more", o.Partitions, o.Name, now)
	}
	more := o.Partitions > now
	if more { // whether it will be taken, before anything has changed
		if err := c.addPartitions(ctx, a, o, true); err != nil {
			return err
		}
	}
	begins(ctx)
	if err := c.alterConfigs(ctx, a, o); err != nil {
		return err
	}
	if more {
		if err := c.addPartitions(ctx, a, o, false); err != nil {
			return err
		}
		if err := c.everywhere(ctx, a, o.Name, func(t kafka.TopicMetadata) bool { return led(t) >= o.Partitions }); err != nil {
			return err
		}
	}
	s.done("altered topic %s", o.Name)
	return nil
}

func (c Cluster) addPartitions(ctx context.Context, a *kafka.AdminClient, o AlterOptions, validate bool) error {
	results, err := a.CreatePartitions(ctx, []kafka.PartitionsSpecification{{Topic: o.Name, IncreaseTo: o.Partitions}},
		kafka.SetAdminValidateOnly(validate), kafka.SetAdminRequestTimeout(adminLimit), kafka.SetAdminOperationTimeout(requestLimit))
	if err != nil {
		return c.unreached(err)
	}
	if e := results[0].Error; e.Code() != kafka.ErrNoError {
		return fmt.Errorf("topic %s, --partitions %d: %w", o.Name, o.Partitions, e)
	}
	return nil
}

// alterConfigs sets the settings that have a value, and gives the others the brokers' default.
func (c Cluster) alterConfigs(ctx context.Context, a *kafka.AdminClient, o AlterOptions) error {
	if len(o.Configs) == 0 {
		return nil
	}
	resource := kafka.ConfigResource{Type: kafka.ResourceTopic, Name: o.Name}
	for _, name := range slices.Sorted(maps.Keys(o.Configs)) {
		entry := kafka.ConfigEntry{Name: name, Value: o.Configs[name], IncrementalOperation: kafka.AlterConfigOpTypeSet}
		if entry.Value == "" {
			entry.IncrementalOperation = kafka.AlterConfigOpTypeDelete
		}
		resource.Config = append(resource.Config, entry)
	}
	results, err := a.IncrementalAlterConfigs(ctx, []kafka.ConfigResource{resource}, kafka.SetAdminRequestTimeout(adminLimit))
	if err != nil {
		return c.unreached(err)
	}
	switch e := results[0].Error; e.Code() {
	case kafka.ErrNoError:
		return nil
	case kafka.ErrInvalidConfig, kafka.ErrInvalidRequest:
		return config.Usagef("--config: %s", e.String())
	default:
		return fmt.Errorf("topic %s, --config: %w", o.Name, e)
	}
}
