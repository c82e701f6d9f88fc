package kafkatools

import (
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/ringtail/ringtail/internal/config"
)

// CreateOptions are the flags of topics create: what topic to make.
type CreateOptions struct {
	Name              string            `arg:"" help:"The topic."`
	Partitions        int               `default:"10" help:"How many partitions."`
	ReplicationFactor int               `default:"1" help:"On how many brokers each partition is kept."`
	Configs           config.Properties `name:"config" placeholder:"K=V" help:"A setting of the topic. Repeatable."`
	IfNotExists       bool              `help:"A topic that exists already is none that is missing: done, and where it is another one than asked for, that is said."`
}

const (
	// adminLimit is for a cluster that is there but has no controller for a while: it
	// is electing one.
	adminLimit       = time.Minute
	metadataInterval = 50 * time.Millisecond
)

// CreateTopic makes a topic and returns once every partition has a leader and every
// live broker knows the topic: whoever writes or reads next finds it, whichever
// broker it asks.
func CreateTopic(ctx context.Context, c Cluster, o CreateOptions, s Streams) error {
	switch {
	case o.Partitions < 1 || o.Partitions > partitionsMax:
		return config.Usagef("--partitions is %d; must be 1 to %d", o.Partitions, partitionsMax)
	case o.ReplicationFactor < 1:
		return config.Usagef("--replication-factor is %d; must be at least 1", o.ReplicationFactor)
	}
	a, err := c.admin()
	if err != nil {
		return err
	}
	defer a.Close()
	md, err := c.metadata(a, "")
	if err != nil {
		return err
	}
	if reached, cause := c.connect(md, nil); cause != nil && reached == 0 {
		return c.explain(cause) // there is no controller to ask
	}
	ctx, cancel := context.WithTimeout(ctx, adminLimit)
	defer cancel()
	begins(ctx)
	e, err := c.answered(ctx, kafka.ErrTopicAlreadyExists, func() ([]kafka.TopicResult, error) {
		return a.CreateTopics(ctx, []kafka.TopicSpecification{{
			Topic: o.Name, NumPartitions: o.Partitions, ReplicationFactor: o.ReplicationFactor, Config: o.Configs,
		}}, kafka.SetAdminRequestTimeout(adminLimit), kafka.SetAdminOperationTimeout(requestLimit))
	})
	if err != nil {
		return err
	}
	switch e.Code() {
	case kafka.ErrNoError:
	case kafka.ErrTopicAlreadyExists:
		if o.IfNotExists {
			return c.existing(ctx, a, o, s)
		}
		return fmt.Errorf("topic %s exists already; `ringtail topics describe %s` shows it", o.Name, o.Name)
	case kafka.ErrInvalidReplicationFactor:
		return config.Usagef("--replication-factor %d: %s", o.ReplicationFactor, e.String())
	case kafka.ErrInvalidConfig:
		return config.Usagef("--config: %s", e.String())
	case kafka.ErrTopicException:
		return config.Usagef("%q is not a name that a topic can have: %s", o.Name, e.String())
	default:
		return fmt.Errorf("topic %s: %w", o.Name, e)
	}
	if err := c.everywhere(ctx, a, o.Name, func(t kafka.TopicMetadata) bool { return led(t) >= o.Partitions }); err != nil {
		return err
	}
	s.done("created topic %s", o.Name)
	return nil
}

// existing waits for a topic that somebody else has made, perhaps a moment ago, and says where it is
// not what was asked for. Its settings are not looked at.
func (c Cluster) existing(ctx context.Context, a *kafka.AdminClient, o CreateOptions, s Streams) error {
	if err := c.everywhere(ctx, a, o.Name, func(t kafka.TopicMetadata) bool { return led(t) > 0 && led(t) == len(t.Partitions) }); err != nil {
		return err
	}
	_, t, err := c.lookup(a, o.Name)
	if err != nil {
		return err
	}
	if has, on := len(t.Partitions), replicas(t.Partitions); has != o.Partitions || on != o.ReplicationFactor {
		s.say("topic %s exists already, with %s and %s, not %d and %d", o.Name, plural(has, "partition"), plural(on, "replica"), o.Partitions, o.ReplicationFactor)
		return nil
	}
	s.done("topic %s exists already", o.Name)
	return nil
}

// DeleteTopic deletes a topic and returns once no live broker knows it.
func DeleteTopic(ctx context.Context, c Cluster, name string, s Streams) error {
	a, err := c.admin()
	if err != nil {
		return err
	}
	defer a.Close()
	ctx, cancel := context.WithTimeout(ctx, adminLimit)
	defer cancel()
	md, _, err := c.lookup(a, name)
	if err != nil {
		return err
	}
	if reached, cause := c.connect(md, nil); cause != nil && reached == 0 {
		return c.explain(cause)
	}
	begins(ctx)
	e, err := c.answered(ctx, kafka.ErrUnknownTopicOrPart, func() ([]kafka.TopicResult, error) {
		return a.DeleteTopics(ctx, []string{name}, kafka.SetAdminRequestTimeout(adminLimit), kafka.SetAdminOperationTimeout(requestLimit))
	})
	if err != nil {
		return err
	}
	if e.Code() != kafka.ErrNoError {
		return fmt.Errorf("topic %s: %w", name, e)
	}
	if err := c.everywhere(ctx, a, name, func(t kafka.TopicMetadata) bool { return len(t.Partitions) == 0 }); err != nil {
		return err
	}
	s.done("deleted topic %s", name)
	return nil
}

// led is how many partitions have a leader.
func led(t kafka.TopicMetadata) int {
	n := 0
	for _, p := range t.Partitions {
		if p.Error.Code() == kafka.ErrNoError && p.Leader >= 0 {
			n++
		}
	}
	return n
}

// everywhere waits until every live broker, asked by itself, says so of a topic.
func (c Cluster) everywhere(ctx context.Context, a *kafka.AdminClient, name string, so func(kafka.TopicMetadata) bool) error {
	md, err := c.metadata(a, "")
	if err != nil {
		return err
	}
	for _, b := range md.Brokers {
		if err := c.askOne(ctx, a, b, name, so); err != nil {
			return err
		}
	}
	return nil
}

// askOne asks one broker until it says so, or the others do not count it in any more. A
// client that was told only that broker's address asks it, mostly; the answer says
// who gave it.
func (c Cluster) askOne(ctx context.Context, others *kafka.AdminClient, b kafka.BrokerMetadata, name string, so func(kafka.TopicMetadata) bool) error {
	one := c
	one.Brokers = net.JoinHostPort(b.Host, strconv.Itoa(b.Port))
	for {
		a, err := one.admin()
		if err != nil {
			return err
		}
		md, err := a.GetMetadata(&name, false, 2000)
		a.Close()
		if err == nil && md.OriginatingBroker.ID == b.ID && so(md.Topics[name]) {
			return nil
		}
		if err != nil {
			md, err = others.GetMetadata(&name, false, requestMS())
		}
		if err == nil && !slices.ContainsFunc(md.Brokers, func(x kafka.BrokerMetadata) bool { return x.ID == b.ID }) {
			return nil // it has died: not a live broker
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("topic %s: broker %d at %s has not caught up within %v", name, b.ID, one.Brokers, adminLimit)
		case <-time.After(metadataInterval):
		}
	}
}

// answered makes a request about one topic until a broker answers it. One that goes away
// meanwhile (it is being stopped, say) leaves open whether it did what was asked: then
// done is the answer of the next one.
func (c Cluster) answered(ctx context.Context, done kafka.ErrorCode, request func() ([]kafka.TopicResult, error)) (kafka.Error, error) {
	for open := false; ; open = true {
		results, err := request()
		if err == nil {
			if e := results[0].Error; !open || e.Code() != done {
				return e, nil
			}
			return kafka.Error{}, nil
		}
		switch {
		case isCode(err, kafka.ErrTransport):
		case ctx.Err() != nil || isCode(err, kafka.ErrTimedOut) || isCode(err, kafka.ErrTimedOutQueue):
			return kafka.Error{}, c.unreached(err)
		default:
			return kafka.Error{}, err
		}
		select {
		case <-ctx.Done():
			return kafka.Error{}, c.unreached(err)
		case <-time.After(metadataInterval):
		}
	}
}

// ListTopics prints every topic: name, partitions, replicas; as a table, or as an array of objects.
func ListTopics(c Cluster, asJSON bool, s Streams) error {
	a, err := c.admin()
	if err != nil {
		return err
	}
	defer a.Close()
	md, err := c.metadata(a, "")
	if err != nil {
		return err
	}
	type row struct {
		Name       string `json:"name"`
		Partitions int    `json:"partitions"`
		Replicas   int    `json:"replicas"`
	}
	rows := []row{}
	for _, name := range slices.Sorted(maps.Keys(md.Topics)) {
		partitions := md.Topics[name].Partitions
		rows = append(rows, row{name, len(partitions), replicas(partitions)})
	}
	if asJSON {
		return writeJSON(s.Out, rows)
	}
	w := tabwriter.NewWriter(s.Out, 0, 8, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "TOPIC\tPARTITIONS\tREPLICAS")
	for _, r := range rows {
		_, _ = fmt.Fprintf(w, "%s\t%d\t%d\n", r.Name, r.Partitions, r.Replicas)
	}
	return w.Flush()
}

// replicas is how many the partition with the most has.
func replicas(partitions []kafka.PartitionMetadata) (most int) {
	for _, p := range partitions {
		most = max(most, len(p.Replicas))
	}
	return most
}
