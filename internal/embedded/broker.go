// Package embedded runs a Kafka broker inside this process: enough to try Ringtail
// with nothing but its binary, not enough to keep anything.
//
//	ringtail serve --embedded ──► 127.0.0.1:9092 ◄── ringtail consume, kcat, Java …
//	                                  │
//	                               memory, the newest 32 MiB of each partition
//
// It is kfake of franz-go, which speaks Kafka's protocol as far as librdkafka and
// Java's clients need it, and answers on one goroutine: fine by hand, no measure of
// anything.
package embedded

import (
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/ringtail/ringtail/internal/repeat"
)

// Bounds of what a broker keeps.
const (
	segmentBytes   = 4 << 20
	retentionBytes = 32 << 20 // a partition
	retentionMS    = 60 * 60 * 1000
	sweepEvery     = time.Second
)

// Broker is a running broker.
type Broker struct {
	cluster *kfake.Cluster
	address string
	unsweep func()
}

// Start listens on 127.0.0.1:port (0: any) with the given topics and their numbers
// of partitions.
func Start(port int, topics map[string]int) (*Broker, error) {
	opts := []kfake.Opt{
		kfake.NumBrokers(1),
		kfake.Ports(port),
		kfake.ClusterID("ringtail-embedded"),
		kfake.GroupMinSessionTimeout(time.Second),
		kfake.BrokerConfigs(map[string]string{
			"log.segment.bytes":   fmt.Sprint(segmentBytes),
			"log.retention.bytes": fmt.Sprint(retentionBytes),
			"log.retention.ms":    fmt.Sprint(retentionMS),
		}),
	}
	for name, partitions := range topics {
		opts = append(opts, kfake.SeedTopics(int32(partitions), name))
	}
	cluster, err := kfake.NewCluster(opts...)
	if err != nil {
		return nil, err
	}
	// What is beyond the bounds is dropped. kfake's own ticker runs once an hour, and only for topics
	// that set retention themselves.
	unsweep := repeat.Every(sweepEvery, func() { cluster.ApplyRetention() })
	return &Broker{cluster: cluster, address: cluster.ListenAddrs()[0], unsweep: unsweep}, nil
}

// Address is the broker's host:port.
func (b *Broker) Address() string { return b.address }

// Close stops the broker; all it held is gone.
func (b *Broker) Close() {
	b.unsweep()
	b.cluster.Close()
}
