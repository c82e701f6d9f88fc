package kafkatools

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"net"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

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
	case o.ReplicationFactor < 1 || o.ReplicationFactor > math.MaxInt16:
		return config.Usagef("--replication-factor is %d; must be at least 1", o.ReplicationFactor)
	}
	cl, err := c.client(nil)
	if err != nil {
		return err
	}
	defer cl.Close()
	if err := c.controlled(ctx, cl); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, adminLimit)
	defer cancel()
	begins(ctx)
	q, t := kmsg.NewPtrCreateTopicsRequest(), kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = o.Name, int32(o.Partitions), int16(o.ReplicationFactor)
	for _, name := range slices.Sorted(maps.Keys(o.Configs)) {
		t.Configs = append(t.Configs, kmsg.CreateTopicsRequestTopicConfig{Name: name, Value: kmsg.StringPtr(o.Configs[name])})
	}
	q.Topics, q.TimeoutMillis = append(q.Topics, t), requestMS
	said, err := c.change(ctx, cl, q, kerr.TopicAlreadyExists)
	switch {
	case err != nil:
		return err
	case said.is(kerr.TopicAlreadyExists) && o.IfNotExists:
		return c.existing(ctx, cl, o, s)
	case said.is(kerr.TopicAlreadyExists):
		return fmt.Errorf("topic %s exists already; `ringtail topics describe %s` shows it", o.Name, o.Name)
	case said.is(kerr.InvalidReplicationFactor):
		return config.Usagef("--replication-factor %d: %w", o.ReplicationFactor, said.err())
	case said.is(kerr.InvalidConfig):
		return config.Usagef("--config: %w", said.err())
	case said.is(kerr.InvalidTopicException):
		return config.Usagef("%q is not a name that a topic can have: %w", o.Name, said.err())
	case said.err() != nil:
		return fmt.Errorf("topic %s: %w", o.Name, said.err())
	}
	if err := c.everywhere(ctx, cl, o.Name, func(t kadm.TopicDetail) bool { return led(t) >= o.Partitions }); err != nil {
		return err
	}
	s.done("created topic %s", o.Name)
	return nil
}

// controlled returns why there is no broker to ask for a change.
func (c Cluster) controlled(ctx context.Context, cl *kgo.Client) error {
	md, err := c.find(ctx, cl)
	if err != nil {
		return err
	}
	if reached, cause := c.knock(ctx, md, ""); cause != nil && reached == 0 {
		return c.explain(cause)
	}
	return nil
}

// existing waits for a topic that somebody else has made, perhaps a moment ago, and says where it is
// not what was asked for. Its settings are not looked at.
func (c Cluster) existing(ctx context.Context, cl *kgo.Client, o CreateOptions, s Streams) error {
	if err := c.everywhere(ctx, cl, o.Name, func(t kadm.TopicDetail) bool { return led(t) > 0 && led(t) == len(t.Partitions) }); err != nil {
		return err
	}
	md, err := c.find(ctx, cl, o.Name)
	if err != nil {
		return err
	}
	t := md.Topics[o.Name]
	if has, on := len(t.Partitions), replicas(t); has != o.Partitions || on != o.ReplicationFactor {
		s.say("topic %s exists already, with %s and %s, not %d and %d", o.Name, plural(has, "partition"), plural(on, "replica"), o.Partitions, o.ReplicationFactor)
		return nil
	}
	s.done("topic %s exists already", o.Name)
	return nil
}

// DeleteTopic deletes a topic and returns once no live broker knows it.
func DeleteTopic(ctx context.Context, c Cluster, name string, s Streams) error {
	cl, err := c.client(nil)
	if err != nil {
		return err
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(ctx, adminLimit)
	defer cancel()
	if _, err := c.find(ctx, cl, name); err != nil {
		return err
	}
	if err := c.controlled(ctx, cl); err != nil {
		return err
	}
	begins(ctx)
	q, t := kmsg.NewPtrDeleteTopicsRequest(), kmsg.NewDeleteTopicsRequestTopic()
	t.Topic = &name
	q.Topics, q.TopicNames, q.TimeoutMillis = append(q.Topics, t), []string{name}, requestMS // by version
	said, err := c.change(ctx, cl, q, kerr.UnknownTopicOrPartition)
	if err == nil && said.err() != nil {
		err = fmt.Errorf("topic %s: %w", name, said.err())
	}
	if err == nil {
		err = c.everywhere(ctx, cl, name, func(t kadm.TopicDetail) bool { return len(t.Partitions) == 0 })
	}
	if err == nil {
		s.done("deleted topic %s", name)
	}
	return err
}

// led is how many partitions have a leader.
func led(t kadm.TopicDetail) int {
	n := 0
	for _, p := range t.Partitions {
		if p.Err == nil && p.Leader >= 0 {
			n++
		}
	}
	return n
}

// everywhere waits until every live broker, asked by itself, says so of a topic.
func (c Cluster) everywhere(ctx context.Context, cl *kgo.Client, name string, so func(kadm.TopicDetail) bool) error {
	md, err := c.find(ctx, cl)
	if err != nil {
		return err
	}
	for _, b := range md.Brokers {
		for !c.saysSo(ctx, cl, b.NodeID, name, so) {
			select {
			case <-ctx.Done():
				return fmt.Errorf("topic %s: broker %d at %s has not caught up within %v", name, b.NodeID, net.JoinHostPort(b.Host, strconv.Itoa(int(b.Port))), adminLimit)
			case <-time.After(metadataInterval):
			}
		}
	}
	return nil
}

// saysSo asks one broker. One that the others do not count in any more has died: it is no live broker.
func (c Cluster) saysSo(ctx context.Context, cl *kgo.Client, broker int32, name string, so func(kadm.TopicDetail) bool) bool {
	limit, cancel := context.WithTimeout(ctx, metadataSoon)
	defer cancel()
	q := kmsg.NewPtrMetadataRequest()
	q.Topics = []kmsg.MetadataRequestTopic{{Topic: &name}}
	r, err := q.RequestWith(limit, cl.Broker(int(broker)))
	if err == nil {
		t := kadm.TopicDetail{Partitions: kadm.PartitionDetails{}}
		for _, p := range r.Topics[0].Partitions {
			t.Partitions[p.Partition] = kadm.PartitionDetail{Leader: p.Leader, Err: kerr.ErrorForCode(p.ErrorCode)}
		}
		return so(t)
	}
	md, err := c.find(ctx, cl)
	return err == nil && !slices.ContainsFunc(md.Brokers, func(b kadm.BrokerDetail) bool { return b.NodeID == broker })
}

// answer is what Kafka says of a change.
type answer struct {
	code    int16
	message *string // a broker's own words, nil where it has none
}

func (a answer) is(e *kerr.Error) bool { return e != nil && a.code == e.Code }

// err is nil where it is done.
func (a answer) err() error {
	err := kerr.ErrorForCode(a.code)
	if err != nil && a.message != nil && *a.message != "" {
		return errors.New(*a.message)
	}
	return err
}

// change asks the controller for a change of one topic.
func (c Cluster) change(ctx context.Context, cl *kgo.Client, q kmsg.Request, done *kerr.Error) (answer, error) {
	return c.answered(ctx, done, func() (answer, error) {
		md, err := kadm.NewClient(cl).Metadata(kadm.WithAuthorizedOps(ctx))
		if err != nil || md.Controller < 0 {
			return answer{code: kerr.NotController.Code}, err
		}
		r, err := cl.Broker(int(md.Controller)).Request(ctx, q) // once: who repeats it has to know that it was asked before
		switch r := r.(type) {
		case *kmsg.CreateTopicsResponse:
			return answer{r.Topics[0].ErrorCode, r.Topics[0].ErrorMessage}, err
		case *kmsg.CreatePartitionsResponse:
			return answer{r.Topics[0].ErrorCode, r.Topics[0].ErrorMessage}, err
		case *kmsg.DeleteTopicsResponse:
			return answer{r.Topics[0].ErrorCode, r.Topics[0].ErrorMessage}, err
		}
		return answer{}, err
	})
}

// answered makes a request about one topic until a broker answers it. One that goes away
// meanwhile (it is being stopped, say) leaves open whether it did what was asked: then
// done is the answer of the next one.
func (c Cluster) answered(ctx context.Context, done *kerr.Error, request func() (answer, error)) (answer, error) {
	for open := false; ; {
		said, err := request()
		switch {
		case err == nil && said.is(kerr.NotController): // not any more, or not yet
			err = kerr.NotController
		case err == nil && open && said.is(done):
			return answer{}, nil
		case err == nil:
			return said, nil
		case !transient(err) && ctx.Err() == nil:
			return answer{}, err
		default:
			open = true
		}
		select {
		case <-ctx.Done():
			return answer{}, c.unreached(err)
		case <-time.After(metadataInterval):
		}
	}
}

// ListTopics prints every topic: name, partitions, replicas; as a table, or as an array of objects.
func ListTopics(c Cluster, asJSON bool, s Streams) error {
	cl, err := c.client(nil)
	if err != nil {
		return err
	}
	defer cl.Close()
	md, err := c.find(context.Background(), cl)
	if err != nil {
		return err
	}
	type row struct {
		Name       string `json:"name"`
		Partitions int    `json:"partitions"`
		Replicas   int    `json:"replicas"`
	}
	rows := []row{}
	for _, t := range md.Topics.Sorted() {
		rows = append(rows, row{t.Topic, len(t.Partitions), replicas(t)})
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
func replicas(t kadm.TopicDetail) (most int) {
	for _, p := range t.Partitions {
		most = max(most, len(p.Replicas))
	}
	return most
}
