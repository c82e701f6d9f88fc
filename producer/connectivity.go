package producer

import (
	"context"
	"maps"
	"slices"

	"github.com/ringtail/ringtail/internal/kafkaclient"
	"github.com/ringtail/ringtail/producer/backend"
)

// connectivity finds out what blocks the way to Kafka. librdkafka does not tell, so Go code tries,
// for both clients.
type connectivity struct {
	seeds    []string
	security kafkaclient.Security
	native   func() bool     // the native client writes: it connects to the leaders by itself, and says what is wrong
	reached  map[string]bool // addresses of leaders that took a connection
}

func newConnectivity(o *Options) *connectivity {
	security, _ := kafkaclient.SecurityOf(o.Properties) // what it does not know it leaves out, and checks less
	return &connectivity{
		seeds: kafkaclient.Seeds(o.Brokers), security: security, native: func() bool { return o.native }, reached: map[string]bool{},
	}
}

// explain returns what blocks the way, or, where it finds nothing, the error that was seen.
func (w *connectivity) explain(ctx context.Context, seen error) error {
	if cause := kafkaclient.Diagnose(ctx, w.seeds, w.security); cause != nil {
		return cause
	}
	return seen
}

// checkLeaders returns why the leader of one of the first partitions takes no connection. It is
// needed with librdkafka, which is ready with any broker: nothing else would show before records
// wait. It does not check a leader again that took a connection once: from then on librdkafka logs
// what is wrong with it.
func (w *connectivity) checkLeaders(ctx context.Context, md *backend.Metadata, partitions int) error {
	if w.native() {
		return nil
	}
	leads := map[int32]bool{}
	for _, p := range md.Partitions[:partitions] {
		leads[p.Leader] = true
	}
	var ask []kafkaclient.Endpoint
	for _, id := range slices.Sorted(maps.Keys(md.Brokers)) {
		if address := md.Brokers[id]; leads[id] && !w.reached[address] {
			ask = append(ask, kafkaclient.EndpointOf(id, address, "", w.seeds))
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
