package kafkatools

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/ringtail/ringtail/internal/config"
	"github.com/ringtail/ringtail/internal/kafkaclient"
	"github.com/ringtail/ringtail/internal/properties"
	"github.com/ringtail/ringtail/producer/librdkafka"
)

// Cluster is how to reach Kafka, as flags.
type Cluster struct {
	Brokers    string            `placeholder:"HOST:PORT,…" help:"Kafka's brokers (RINGTAIL_BROKERS)."`
	Properties config.Properties `name:"kafka-property" short:"X" placeholder:"K=V" help:"A property of librdkafka; V as @FILE is what FILE holds. Repeatable."`
}

// AfterApply reads the files that hold secrets. Kong calls it when it has parsed the flags.
func (c *Cluster) AfterApply() (err error) {
	c.Properties, err = c.Properties.Read()
	return err
}

// Streams are where results (Out) and progress (Err) go. A terminal gets tables
// that move; anything else gets text that can be read by a program.
type Streams struct {
	In          io.Reader
	Out, Err    io.Writer
	OutTerminal bool
	ErrTerminal bool
	Size        func() (columns, rows int) // of the terminal that Out is; nil: not known
}

// say writes one line of progress, also where an error has several (--expr's point at
// the place).
func (s Streams) say(format string, args ...any) {
	_, _ = fmt.Fprintln(s.Err, "ringtail: "+unfolded(fmt.Sprintf(format, args...)))
}

// done says on a terminal what has been done; a program sees the exit code.
func (s Streams) done(format string, args ...any) {
	if s.ErrTerminal {
		s.say(format, args...)
	}
}

// unfolded is text in one line.
func unfolded(text string) string { return strings.Join(strings.Fields(text), " ") }

// requestLimit is how long one request may take before a broker counts as away.
const requestLimit = 10 * time.Second

func requestMS() int { return int(requestLimit / time.Millisecond) }

// fixedProperties are properties that a verb sets and that its promises rest on: why another value is refused.
var fixedProperties = map[string]string{
	"transactional.id":         "it is the verb's own",
	"group.id":                 "set --group instead",
	"enable.auto.commit":       "what is done is committed, not what was fetched",
	"enable.auto.offset.store": "what is done is committed, not what was fetched",
	"enable.partition.eof":     "without it the end of a partition is not seen",
	"isolation.level":          "what was taken back would be processed",
}

// yielding are properties that a verb sets where nothing speaks against it. They stand in the way of
// some that a user may set: the protocol of groups that knows no session.timeout.ms, acks=1.
var yielding = []string{"enable.idempotence", "message.timeout.ms", "session.timeout.ms", "heartbeat.interval.ms"}

// properties are librdkafka's: ours, then the verb's, then the user's. What is not understood is
// a usage error that names it; nothing has been connected then.
func (c Cluster) properties(verb map[string]string) (map[string]string, error) {
	if err := kafkaclient.CheckSeeds(c.Brokers); err != nil {
		return nil, config.Usagef("%w", err)
	}
	if err := properties.Check(c.Properties); err != nil {
		return nil, config.Usagef("%w", err)
	}
	all := map[string]string{"client.id": "ringtail", "enable.metrics.push": "false", "log_level": "0"}
	maps.Copy(all, verb)
	ours := map[string]string{} // by librdkafka's name
	for name := range all {
		ours[properties.Canonical(name)] = name
	}
	for _, name := range slices.Sorted(maps.Keys(c.Properties)) {
		value, mine := c.Properties[name], ours[properties.Canonical(name)]
		switch why := fixedProperties[mine]; {
		case properties.Canonical(name) == properties.Canonical("bootstrap.servers"):
			return nil, config.Usagef("--kafka-property %s: set --brokers instead", name)
		case why != "" && value != all[mine]:
			return nil, config.Usagef("--kafka-property %s: %s", name, why)
		}
		delete(all, mine) // the user's may have another name
		all[name] = value
	}
	reads := verb["group.id"] != ""
	if librdkafka.CheckClient(all, reads) != nil {
		for _, name := range yielding {
			if _, set := c.Properties[name]; !set {
				delete(all, name)
			}
		}
		if err := librdkafka.CheckClient(all, reads); err != nil {
			if _, key := kafkaclient.SecurityOf(c.Properties); errors.Is(key, kafkaclient.ErrKey) {
				err = fmt.Errorf("--kafka-property %w", key)
			}
			return nil, config.Usagef("%w", err)
		}
	}
	all["bootstrap.servers"] = c.Brokers
	return all, nil
}

// refuseRole refuses a property that only clients of that role look at, for a verb that has none.
func (c Cluster) refuseRole(other properties.Role) error {
	if err := cmp.Or(properties.Check(c.Properties), properties.CheckRole(c.Properties, other)); err != nil {
		return config.Usagef("%w", err)
	}
	return nil
}

// config is properties as confluent-kafka-go takes them.
func (c Cluster) config(verb map[string]string) (*kafka.ConfigMap, error) {
	all, err := c.properties(verb)
	if err != nil {
		return nil, err
	}
	cm := kafka.ConfigMap{}
	for k, v := range all {
		cm[k] = v
	}
	return &cm, nil
}

// admin makes an admin client; close it.
func (c Cluster) admin() (*kafka.AdminClient, error) {
	cm, err := c.config(nil)
	if err != nil {
		return nil, err
	}
	a, err := kafka.NewAdminClient(cm)
	if err != nil {
		return nil, config.Usagef("--kafka-property: %w", err)
	}
	return a, nil
}

// asker is what can be asked about topics: an admin client, a producer, a consumer.
type asker interface {
	GetMetadata(topic *string, allTopics bool, timeoutMs int) (*kafka.Metadata, error)
}

// metadataSoon is when a broker that has not answered is looked for.
const metadataSoon = 2 * time.Second

// metadata asks about a topic, or about all for "". Where no broker answers, the error says why.
func (c Cluster) metadata(a asker, name string) (*kafka.Metadata, error) {
	if name == "" {
		return c.request(a, nil, true)
	}
	return c.request(a, &name, false)
}

// answers returns why no broker does, within seconds: librdkafka's requests about groups take their
// whole time until then.
func (c Cluster) answers(a asker) error {
	_, err := c.request(a, nil, false)
	return err
}

func (c Cluster) request(a asker, topic *string, all bool) (*kafka.Metadata, error) {
	security, _ := kafkaclient.SecurityOf(c.Properties)
	var md *kafka.Metadata
	err := kafkaclient.Ask(context.Background(), kafkaclient.Seeds(c.Brokers), security, metadataSoon, requestLimit, func(limit time.Duration) (err error) {
		md, err = a.GetMetadata(topic, all, int(limit/time.Millisecond))
		return err
	})
	if err != nil {
		return nil, c.explain(err)
	}
	return md, nil
}

// lookup asks about one topic. A topic that is not there is a usage error.
func (c Cluster) lookup(a asker, name string) (*kafka.Metadata, *kafka.TopicMetadata, error) {
	if name == "" {
		return nil, nil, config.Usagef("--topic is missing; name one of `ringtail topics list`")
	}
	md, err := c.metadata(a, name)
	if err != nil {
		return nil, nil, err
	}
	t := md.Topics[name]
	switch code := t.Error.Code(); {
	case code == kafka.ErrUnknownTopicOrPart || code == kafka.ErrUnknownTopic || code == kafka.ErrNoError && len(t.Partitions) == 0:
		return nil, nil, config.Usagef("topic %s does not exist; `ringtail topics list --brokers %s` names those that do", name, c.Brokers)
	case code == kafka.ErrTopicException:
		return nil, nil, config.Usagef("%q is not a name that a topic can have", name)
	case code != kafka.ErrNoError:
		return nil, nil, fmt.Errorf("topic %s: %w", name, t.Error)
	}
	return md, &t, nil
}

// topic is lookup for who is going to read or write it: at least one of its leaders takes a connection.
func (c Cluster) topic(a asker, name string) (*kafka.TopicMetadata, error) {
	for deadline := time.Now().Add(requestLimit); ; time.Sleep(metadataInterval) {
		md, t, err := c.lookup(a, name)
		if err != nil {
			return nil, err
		}
		reached, cause := c.connect(md, t)
		if cause == nil || reached > 0 {
			return t, nil
		}
		if time.Now().After(deadline) || !mayPass(cause) {
			return nil, c.explain(fmt.Errorf("topic %s cannot be read or written: %w", name, cause))
		}
	}
}

// connect goes to the leaders of a topic, or to all brokers where there is none: how many of them take
// a connection, and why others do not. librdkafka would wait for them without a word.
func (c Cluster) connect(md *kafka.Metadata, t *kafka.TopicMetadata) (reached int, cause error) {
	var endpoints []kafkaclient.Endpoint
	for _, b := range md.Brokers {
		if t == nil || slices.ContainsFunc(t.Partitions, func(p kafka.PartitionMetadata) bool { return p.Leader == b.ID }) {
			endpoints = append(endpoints, kafkaclient.EndpointOf(b.ID, net.JoinHostPort(b.Host, strconv.Itoa(b.Port)), "", kafkaclient.Seeds(c.Brokers)))
		}
	}
	security, _ := kafkaclient.SecurityOf(c.Properties)
	return kafkaclient.Connect(context.Background(), endpoints, security)
}

// mayPass tells whether a leader may be there soon, or another one: it is being started, or elected.
func mayPass(cause error) bool {
	var dns *net.DNSError
	return !errors.As(cause, &dns)
}

// unreached says why brokers did not answer, or, where nothing is found, what librdkafka says.
func (c Cluster) unreached(err error) error {
	if cause := c.diagnose(); cause != nil {
		err = cause
	}
	return c.explain(err)
}

// diagnose returns what is in the way to Kafka, nil where nothing is found.
func (c Cluster) diagnose() error {
	security, _ := kafkaclient.SecurityOf(c.Properties)
	return kafkaclient.Diagnose(context.Background(), kafkaclient.Seeds(c.Brokers), security)
}

// because adds to an answer that did not come in time why it did not, where that is found.
func (c Cluster) because(err error) error {
	if !isCode(err, kafka.ErrTimedOut) && !isCode(err, kafka.ErrTransport) && !isCode(err, kafka.ErrLeaderNotAvailable) {
		return err
	}
	if cause := c.diagnose(); cause != nil {
		return fmt.Errorf("%w: %w", err, cause)
	}
	return err
}

func (c Cluster) explain(err error) error {
	return fmt.Errorf("--brokers %s: not reached: %w", c.Brokers, err)
}

// within runs f, but does not wait for it beyond limit: some of librdkafka's calls
// wait for brokers that may be gone. Nobody else uses what f closes, before or after.
func within(limit time.Duration, f func()) {
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-time.After(limit):
	}
}

// await waits until all that was handed to a producer has been reported, for so long at the most,
// and returns how much has not. The producer's own Flush may return while a goroutine that it began
// is still in C, and Close frees under that what it uses.
func await(p *kafka.Producer, limit time.Duration) (left int) {
	for deadline := time.Now().Add(limit); ; time.Sleep(time.Millisecond) {
		if left = p.Len(); left == 0 || time.Now().After(deadline) {
			return left
		}
	}
}

// isCode tells whether an error is librdkafka's of that code.
func isCode(err error, code kafka.ErrorCode) bool {
	var e kafka.Error
	return errors.As(err, &e) && e.Code() == code
}

// committed asks for a group's offsets, those that there are. Stable ones are none of a transaction
// that may still be taken back.
func committed(ctx context.Context, a *kafka.AdminClient, group string, partitions []kafka.TopicPartition, stable bool) ([]kafka.TopicPartition, error) {
	answer, err := a.ListConsumerGroupOffsets(ctx, []kafka.ConsumerGroupTopicPartitions{{Group: group, Partitions: partitions}},
		kafka.SetAdminRequestTimeout(requestLimit), kafka.SetAdminRequireStableOffsets(stable))
	if isCode(err, kafka.ErrGroupIDNotFound) { // some brokers say so of a group that is not there
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	all := answer.ConsumerGroupsTopicPartitions[0].Partitions
	for _, p := range all {
		if stable && p.Error != nil { // to take it for one without offset would do things twice
			return nil, p.Error
		}
	}
	return slices.DeleteFunc(all, func(p kafka.TopicPartition) bool { return p.Error != nil || p.Offset < 0 }), nil
}

// partitionOf checks --partition against what the topic has; −1 is any.
func partitionOf(t *kafka.TopicMetadata, partition int) error {
	if partition >= len(t.Partitions) || partition < -1 {
		return config.Usagef("--partition is %d; topic %s has 0 to %d", partition, t.Topic, len(t.Partitions)-1)
	}
	return nil
}
