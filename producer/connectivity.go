package producer

import (
	"context"
	"net"
	"strconv"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/ringtail/ringtail/internal/kafkaclient"
)

// way is how to reach Kafka, asked in Go whoever writes: librdkafka does not tell what is in it.
type connectivity struct {
	seeds    []string
	security kafkaclient.Security
	native   func() bool     // the native writer goes to the leaders by itself, and tells
	reached  map[string]bool // leaders' addresses that took a connection
}

func newConnectivity(o *Options) *connectivity {
	security, _ := kafkaclient.SecurityOf(o.Properties) // what it does not know it leaves out, and goes less far
	return &connectivity{
		seeds: kafkaclient.Seeds(o.Brokers), security: security, native: func() bool { return o.native }, reached: map[string]bool{},
	}
}

// ask has librdkafka ask brokers something; the error says what is in the way.
func (w *connectivity) ask(ctx context.Context, limit time.Duration, ask func(limit time.Duration) error) error {
	return kafkaclient.Ask(ctx, w.seeds, w.security, metadataSoon, limit, ask)
}

// because returns what is in the way, or, where nothing is found, what was seen.
func (w *connectivity) explain(ctx context.Context, seen error) error {
	if cause := kafkaclient.Diagnose(ctx, w.seeds, w.security); cause != nil {
		return cause
	}
	return seen
}

// leaders returns why the leader of one of the first partitions takes no connection. With librdkafka
// nobody else would say that before records wait for it: it is content with any broker. Who has
// taken one is not asked again: librdkafka itself says then what becomes of it.
func (w *connectivity) checkLeaders(ctx context.Context, md *kafka.Metadata, topic string, partitions int) error {
	if w.native() {
		return nil
	}
	leads := map[int32]bool{}
	for _, p := range md.Topics[topic].Partitions {
		leads[p.Leader] = leads[p.Leader] || int(p.ID) < partitions
	}
	var ask []kafkaclient.Endpoint
	for _, b := range md.Brokers {
		address := net.JoinHostPort(b.Host, strconv.Itoa(b.Port))
		if leads[b.ID] && !w.reached[address] {
			ask = append(ask, kafkaclient.EndpointOf(b.ID, address, "", w.seeds))
		}
	}
	if _, err := kafkaclient.Connect(ctx, ask, w.security); err != nil {
		return err
	}
	for _, p := range ask {
		w.reached[p.Address] = true
	}
	return nil
}
