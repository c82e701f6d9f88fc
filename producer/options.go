package producer

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ringtail/ringtail/internal/kafkaclient"
	"github.com/ringtail/ringtail/producer/backend"
)

// ShardsMax is the most shards that are written.
const ShardsMax = backend.StreamsMax

// Options of a Writer. Errors about them name the flags of serve.
type Options struct {
	Brokers         string // --brokers, host:port,…
	Topic           string // --topic
	DeadLetterTopic string // --dead-letter-topic; "": none
	Producers       int    // --producers: engines, each with a client; engine i mod Producers writes shard i
	Fold            bool   // --fold-partitions: shard i to partition i mod partitions
	KeyField        string // --key-field; "": records have no key
	MaxRecordBytes  int    // --max-record-bytes
	Properties      map[string]string
	Unsafe          bool   // --unsafe
	Writer          string // --writer: WriterAuto, WriterNative or WriterLibrdkafka; "": WriterLibrdkafka

	native  bool   // the native client writes: what Writer comes to
	why     string // why it does, or does not
	largest int    // bytes of the largest record in ring files, with its key and headers

	WindowRecords int // most records of a shard in flight; 0: 10,000
	WindowBytes   int // most bytes of a shard in flight; 0: 4 MiB or two of the largest records

	// Called on goroutines of the Writer; they must not block.
	OnProgress func()                       // room was freed: Acked of some ring moved
	OnRefused  func(conn, ordinal uint64)   // a record was set aside after it was routed
	RemoteOf   func(conn uint64) string     // the address a connection came from
	OnLimit    func(record, deadLetter int) // most bytes of a record with its key and headers, and of a dead letter
	Die        func(error)                  // the process must end with 1; nil: panic

	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

func (o *Options) windowRecords() int { return cmp.Or(o.WindowRecords, 10_000) }

func (o *Options) windowBytes() int { return cmp.Or(o.WindowBytes, max(4<<20, 2*o.MaxRecordBytes)) }

func (o *Options) validate(shards int) error {
	switch {
	case o.Brokers == "":
		return errors.New("--brokers is missing: host:port,…")
	case shards > ShardsMax:
		return fmt.Errorf("--shards is %d, must be at most %d", shards, ShardsMax)
	}
	if err := cmp.Or(CheckTopics(o.Topic, o.DeadLetterTopic), CheckProducers(o.Producers, shards)); err != nil {
		return err
	}
	if err := CheckProperties(o.Properties, o.Unsafe); err != nil {
		return err
	}
	if err := o.chooseWriter(); err != nil || o.native {
		return err
	}
	// librdkafka refuses some values only when it makes a producer. Without brokers it looks up
	// nothing.
	p := o.properties(topicState{}, shards)
	delete(p, "bootstrap.servers")
	c, err := openLibrdkafka(p, o.Topic, []uint64{0}, nil)
	if _, key := kafkaclient.SecurityOf(o.Properties); err != nil && errors.Is(key, kafkaclient.ErrKey) {
		return fmt.Errorf("--kafka-property %w", key)
	} else if err != nil && strings.HasPrefix(err.Error(), "--") {
		return err // names the property
	} else if err != nil {
		return fmt.Errorf("--kafka-property: %w", err)
	}
	c.Destroy()
	if o.Writer == WriterAuto {
		o.Logger.Info("librdkafka writes to Kafka, as with --writer "+WriterLibrdkafka, "cause", o.why)
	}
	return nil
}

// settleTimeout returns how long a request under way may take to end by itself.
func (o *Options) settleTimeout() time.Duration {
	return o.milliseconds("socket.timeout.ms") + time.Second
}

// CheckTopics tells whether --topic and --dead-letter-topic ("": none) are names that topics can have.
func CheckTopics(topic, deadLetters string) error {
	switch {
	case topic == "":
		return errors.New("--topic is empty; give the topic that records go to")
	case !isTopic(topic):
		return fmt.Errorf("--topic %q is not a name that a topic can have", topic)
	case deadLetters != "" && !isTopic(deadLetters):
		return fmt.Errorf("--dead-letter-topic %q is not a name that a topic can have", deadLetters)
	case topic == deadLetters:
		return fmt.Errorf("--dead-letter-topic is --topic (%s); rejected records need a topic of their own", topic)
	}
	return nil
}

// CheckProducers tells whether --producers fits --shards.
func CheckProducers(producers, shards int) error {
	if producers < 1 || producers > max(shards, 1) {
		return fmt.Errorf("--producers is %d; must be 1 to --shards (%d)", producers, shards)
	}
	return nil
}

// isTopic is Kafka's rule for names (org.apache.kafka.common.internals.Topic).
func isTopic(name string) bool {
	return topicName.MatchString(name) && name != "." && name != ".."
}

var topicName = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`)
