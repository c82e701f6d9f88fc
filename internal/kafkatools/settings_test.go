package kafkatools

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringtail/ringtail/internal/config"
)

// TestSettings: what a property means to the client that it makes.
func TestSettings(t *testing.T) {
	group := map[string]string{"group.id": "g", "session.timeout.ms": "10000", "heartbeat.interval.ms": "1000"}
	transaction := map[string]string{"transactional.id": "x", "transaction.timeout.ms": "10000"}
	for _, c := range []struct {
		verb   map[string]string
		user   string
		option any
		want   any
	}{
		{nil, "", kgo.ClientID, "ringtail"},
		{nil, "client.id=me", kgo.ClientID, "me"},
		{nil, "socket.timeout.ms=5000", kgo.RequestTimeoutOverhead, 5 * time.Second},
		{nil, "socket.timeout.ms=10", kgo.RequestTimeoutOverhead, 100 * time.Millisecond}, // the least
		{nil, "topic.metadata.refresh.interval.ms=-1", kgo.MetadataMaxAge, time.Hour},
		{nil, "metadata.max.age.ms=60000", kgo.MetadataMaxAge, time.Minute},
		{nil, "allow.auto.create.topics=true", kgo.AllowAutoTopicCreation, true},
		{nil, "", kgo.AllowAutoTopicCreation, false},
		{nil, "connections.max.idle.ms=0", kgo.ConnIdleTimeout, 30 * time.Second}, // franz-go's
		{nil, "", kgo.DisableClientMetrics, true},
		{nil, "enable.metrics.push=true", kgo.DisableClientMetrics, false},
		{nil, "", kgo.RequiredAcks, kgo.AllISRAcks()},
		{nil, "acks=1", kgo.RequiredAcks, kgo.LeaderAck()},
		{nil, "topic.acks=0", kgo.RequiredAcks, kgo.NoAck()},
		{nil, "acks=1", kgo.DisableIdempotentWrite, true},
		{map[string]string{"enable.idempotence": "true"}, "acks=1", kgo.DisableIdempotentWrite, true}, // ours gives way
		{nil, "acks=all max.in.flight=1000", kgo.DisableIdempotentWrite, false},
		{nil, "enable.idempotence=false", kgo.MaxProduceRequestsInflightPerBroker, 1}, // in order all the same
		{nil, "enable.idempotence=0 max.in.flight=7", kgo.MaxProduceRequestsInflightPerBroker, 7},
		{nil, "linger.ms=0.5", kgo.ProducerLinger, 500 * time.Microsecond},
		{map[string]string{"linger.ms": "5"}, "queue.buffering.max.ms=7", kgo.ProducerLinger, 7 * time.Millisecond},
		{nil, "", kgo.RecordDeliveryTimeout, 5 * time.Minute},
		{nil, "delivery.timeout.ms=0", kgo.RecordDeliveryTimeout, time.Duration(0)},
		{nil, "retries=3", kgo.RecordRetries, int64(3)},
		{transaction, "transaction.timeout.ms=5000", kgo.TransactionTimeout, 5 * time.Second},
		{transaction, "", kgo.TransactionalID, "x"},
		{nil, "", kgo.FetchIsolationLevel, int8(1)}, // read_committed
		{nil, "isolation.level=read_uncommitted", kgo.FetchIsolationLevel, int8(0)},
		{nil, "", kgo.FetchMaxWait, 500 * time.Millisecond},
		{nil, "fetch.max.bytes=200000000", kgo.FetchMaxBytes, int32(200_000_000)},
		{nil, "fetch.max.bytes=200000000", kgo.BrokerMaxReadBytes, int32(200_000_000)},
		{nil, "max.partition.fetch.bytes=1000", kgo.FetchMaxPartitionBytes, int32(1000)},
		{nil, "client.rack=a", kgo.Rack, "a"},
		{group, "", kgo.ConsumerGroup, "g"},
		{nil, "group.id=theirs", kgo.ConsumerGroup, ""}, // of a verb that joins none
		{group, "", kgo.SessionTimeout, 10 * time.Second},
		{group, "session.timeout.ms=60000", kgo.SessionTimeout, time.Minute},
		{group, "session.timeout.ms=600", kgo.HeartbeatInterval, 200 * time.Millisecond},
		{group, "group.instance.id=i", kgo.InstanceID, "i"},
		{group, "group.protocol=consumer", kgo.ServerSideBalancer, true},
		{group, "max.poll.interval.ms=60000", kgo.RebalanceTimeout, time.Minute},
		{nil, "session.timeout.ms=60000", kgo.SessionTimeout, 45 * time.Second},
	} {
		cl, err := Cluster{Brokers: "127.0.0.1:1", Properties: propertiesOf(c.user)}.client(c.verb)
		if err != nil {
			t.Errorf("%s: %v", c.user, err)
			continue
		}
		if got := plainOf(cl.OptValue(c.option)); !reflect.DeepEqual(got, plainOf(c.want)) {
			t.Errorf("%v, -X %s: %v, want %v", c.verb, c.user, got, c.want)
		}
		cl.Close()
	}
}

// plainOf is a value that can be compared.
func plainOf(v any) any {
	if s, ok := v.(*string); ok && s != nil {
		return *s
	}
	return fmt.Sprint(v)
}

func propertiesOf(list string) config.Properties {
	p := config.Properties{}
	for item := range strings.FieldsSeq(list) {
		name, value, _ := strings.Cut(item, "=")
		p[name] = value
	}
	return p
}

// TestSettingsRefused: what cannot be kept is refused by the name that was given.
func TestSettingsRefused(t *testing.T) {
	group, transaction := map[string]string{"group.id": "g"}, map[string]string{"transactional.id": "x"}
	for _, c := range []struct {
		verb       map[string]string
		user, want string
	}{
		{nil, "bootstrap.servers=a:1", "bootstrap.servers: set --brokers instead"},
		{nil, "transactional.id=y", "transactional.id: it is the verb's own"},
		{nil, "offset.store.method=file", "offset.store.method=file: offsets are kept by the brokers"},
		{nil, "queuing.strategy=lifo", "queuing.strategy=lifo: records are written in their order"},
		{nil, "topic.blacklist=t", "topic.blacklist"},
		{nil, "plugin.library.paths=p", "plugin.library.paths"},
		{nil, "acks=2", "acks=2: must be all, 1 or 0"},
		{nil, "topic.acks=1 enable.idempotence=true", "topic.acks=1: enable.idempotence=true needs"},
		{transaction, "acks=1", "acks=1: transactions need"},
		{transaction, "enable.idempotence=false", "enable.idempotence=false: transactions need it"},
		{group, "group.id=h", "group.id: set --group instead"},
		{group, "group.protocol=consumer heartbeat.interval.ms=1", "heartbeat.interval.ms: with group.protocol=consumer"},
		{group, "group.protocol=consumer group.remote.assignor=mine", "group.remote.assignor=mine: must be"},
		{group, "partition.assignment.strategy=sticky", "partition.assignment.strategy=sticky: must be"},
		{group, "session.timeout.ms=1000 heartbeat.interval.ms=2000", "heartbeat interval"},
		{nil, "security.protocol=sasl_ssl sasl.mechanism=GSSAPI", "sasl.mechanism=GSSAPI"},
		{nil, "security.protocol=ssl ssl.sigalgs.list=RSA+SHA256", "ssl.sigalgs.list"},
	} {
		cl, err := Cluster{Brokers: "127.0.0.1:1", Properties: propertiesOf(c.user)}.client(c.verb)
		var usage *config.UsageError
		if !errors.As(err, &usage) || !strings.HasPrefix(err.Error(), "--kafka-property") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("-X %s: %v, want %q", c.user, err, c.want)
		}
		if cl != nil {
			cl.Close()
		}
	}
}

// TestPartitioners: keys go where librdkafka sends them, and any client that does as it.
func TestPartitioners(t *testing.T) {
	for name, want := range map[string]int{"murmur2": 0, "murmur2_random": 0, "consistent": 4, "consistent_random": 4, "fnv1a": 1, "fnv1a_random": 1} {
		p := partitioner(name).ForTopic("t")
		if got := p.Partition(&kgo.Record{Key: []byte("ringtail")}, 10); got != want {
			t.Errorf("%s: partition %d, want %d", name, got, want)
		}
		always := !strings.HasSuffix(name, "_random")
		if got := p.RequiresConsistency(&kgo.Record{}); got != always {
			t.Errorf("%s: a record without key always goes to one partition: %v", name, got)
		}
	}
	if partitioner("random").ForTopic("t").RequiresConsistency(&kgo.Record{Key: []byte("ringtail")}) {
		t.Error("random goes by the key")
	}
}
