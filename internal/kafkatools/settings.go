package kafkatools

import (
	"cmp"
	"hash/crc32"
	"hash/fnv"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringtail/ringtail/internal/config"
	"github.com/ringtail/ringtail/internal/kafkaclient"
	"github.com/ringtail/ringtail/internal/properties"
)

// settings are librdkafka's properties, by the names that it uses. Here is what they mean to
// franz-go. What is not here tunes librdkafka's inside (queues, sockets, logs, statistics) and does
// nothing: serve and the tools may share a file.
type settings map[string]string

const (
	metadataMinAge = 250 * time.Millisecond // between two looks, where something is not as it was
	fetchMost      = 50 << 20               // bytes: franz-go's, and librdkafka's
	answerMost     = 100 << 20
	requestMost    = 100 << 20 // brokers' own default, and franz-go's
	sizeMost       = 1 << 30
)

// defaults are what librdkafka has, or we always had, where franz-go has something else.
var defaults = settings{
	"client.id": "ringtail", "enable.metrics.push": "false", "compression.codec": "none", "message.timeout.ms": "300000",
	"isolation.level": "read_committed", "partition.assignment.strategy": "range,roundrobin",
	"fetch.wait.max.ms": "500", "max.poll.interval.ms": "300000", "queue.buffering.max.ms": "5",
	"partitioner": "murmur2_random", // Java's: the same key goes to the same partition, whoever writes
}

// meanings are those that mean something by themselves.
var meanings = map[string]func(value string) kgo.Opt{
	"client.id":                          func(v string) kgo.Opt { return kgo.ClientID(v) },
	"client.rack":                        func(v string) kgo.Opt { return kgo.Rack(v) },
	"socket.timeout.ms":                  lasting(kgo.RequestTimeoutOverhead, 100*time.Millisecond, 15*time.Minute),
	"socket.connection.setup.timeout.ms": lasting(kgo.DialTimeout, time.Millisecond, time.Hour),
	"connections.max.idle.ms":            unlessZero(lasting(kgo.ConnIdleTimeout, time.Second, 15*time.Minute)),
	"allow.auto.create.topics":           ifOn(kgo.AllowAutoTopicCreation),
	"request.timeout.ms":                 lasting(kgo.ProduceRequestTimeout, 100*time.Millisecond, time.Hour),
	"queue.buffering.max.ms":             lasting(kgo.ProducerLinger, 0, time.Minute),
	"message.timeout.ms":                 unlessZero(lasting(kgo.RecordDeliveryTimeout, time.Second, 1000*time.Hour)),
	"message.send.max.retries":           func(v string) kgo.Opt { return kgo.RecordRetries(count(v)) },
	"transaction.timeout.ms":             lasting(kgo.TransactionTimeout, time.Second, 1000*time.Hour),
	"transactional.id":                   func(v string) kgo.Opt { return kgo.TransactionalID(v) },
	"message.max.bytes":                  sized(kgo.ProducerBatchMaxBytes, requestMost),
	"partitioner":                        func(v string) kgo.Opt { return kgo.RecordPartitioner(partitioner(v)) },
	"fetch.min.bytes":                    sized(kgo.FetchMinBytes, sizeMost),
	"fetch.wait.max.ms":                  lasting(kgo.FetchMaxWait, 10*time.Millisecond, time.Hour),
	"fetch.message.max.bytes":            sized(kgo.FetchMaxPartitionBytes, sizeMost),
	"isolation.level": func(v string) kgo.Opt {
		return kgo.FetchIsolationLevel(map[bool]kgo.IsolationLevel{true: kgo.ReadCommitted(), false: kgo.ReadUncommitted()}[v == "read_committed"])
	},
}

// only are values beside which nothing is done, and why: of properties that would change what is
// read, written or trusted.
var only = map[string]struct{ value, why string }{
	"offset.store.method":  {"broker", "offsets are kept by the brokers"},
	"queuing.strategy":     {"fifo", "records are written in their order"},
	"topic.blacklist":      {"", "topics are those that are named"},
	"plugin.library.paths": {"", "it is code for librdkafka, which is not used here"},
	"group.protocol.type":  {"consumer", "groups of the tools are of that type"},
}

// options are franz-go's, of the client that the verb's properties and the user's ask for.
// Nothing is connected.
func (c Cluster) options(verb map[string]string) ([]kgo.Opt, error) {
	s, err := c.settings(verb)
	if err != nil {
		return nil, err
	}
	security, err := kafkaclient.SecurityOf(c.Properties)
	if err != nil {
		return nil, config.Usagef("--kafka-property %w", err)
	}
	o := append(security.Options(), kgo.SeedBrokers(kafkaclient.Seeds(c.Brokers)...), kgo.MetadataMinAge(metadataMinAge))
	for _, name := range slices.Sorted(maps.Keys(s)) {
		allowed, limited := only[name]
		switch meaning := meanings[name]; {
		case limited && s[name] != allowed.value:
			return nil, config.Usagef("--kafka-property %s=%s: %s; leave it out", c.given(name), s[name], allowed.why)
		case s[name] == "" || meaning == nil:
		default:
			if opt := meaning(s[name]); opt != nil {
				o = append(o, opt)
			}
		}
	}
	for _, more := range []func(Cluster, settings) ([]kgo.Opt, error){(Cluster).looking, (Cluster).writing, (Cluster).joining} {
		opts, err := more(c, s)
		if err != nil {
			return nil, err
		}
		o = append(o, opts...)
	}
	return o, nil
}

// looking is how often it is looked what there is, how much comes at once, and when it is asked again.
func (c Cluster) looking(s settings) ([]kgo.Opt, error) {
	var o []kgo.Opt
	if most, answer := count(s["fetch.max.bytes"]), count(s["receive.message.max.bytes"]); most > 0 || answer > 0 {
		most = cmp.Or(most, fetchMost)
		answer = max(cmp.Or(answer, answerMost), most) // franz-go wants room for what it asks for
		o = append(o, kgo.FetchMaxBytes(int32(min(most, sizeMost))), kgo.BrokerMaxReadBytes(int32(min(answer, sizeMost))))
	}
	age := cmp.Or(count(s["topic.metadata.refresh.interval.ms"]), count(s["metadata.max.age.ms"]))
	if age < 0 { // never
		age = int(time.Hour / time.Millisecond)
	}
	if age > 0 {
		o = append(o, lasting(kgo.MetadataMaxAge, metadataMinAge, time.Hour)(strconv.Itoa(age)))
	}
	if !on(s["enable.metrics.push"]) {
		o = append(o, kgo.DisableClientMetrics())
	}
	if first, most := count(s["retry.backoff.ms"]), count(s["retry.backoff.max.ms"]); first > 0 || most > 0 {
		first, most = cmp.Or(first, 100), cmp.Or(most, 1000)
		o = append(o, kgo.RetryBackoffFn(func(tries int) time.Duration {
			return time.Duration(min(first<<min(max(tries-1, 0), 10), max(first, most))) * time.Millisecond
		}))
	}
	return o, nil
}

// writing is what makes a record written, and how batches are compressed.
func (c Cluster) writing(s settings) ([]kgo.Opt, error) {
	var o []kgo.Opt
	codec := map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}[s["compression.codec"]]
	if level := s["compression.level"]; level != "" && level != "-1" && s["compression.codec"] == "gzip" { // librdkafka numbers the others' in another way
		codec = codec.WithLevel(count(level))
	}
	o = append(o, kgo.ProducerBatchCompression(codec))
	acks, idempotent := strings.ToLower(s["request.required.acks"]), s["enable.idempotence"]
	all := acks == "" || acks == "all" || acks == "-1"
	switch {
	case !all && acks != "0" && acks != "1":
		return nil, config.Usagef("--kafka-property %s=%s: must be all, 1 or 0", c.given("request.required.acks"), acks)
	case !all && s["transactional.id"] != "":
		return nil, config.Usagef("--kafka-property %s=%s: transactions need acks=all", c.given("request.required.acks"), acks)
	case idempotent != "" && !on(idempotent) && s["transactional.id"] != "":
		return nil, config.Usagef("--kafka-property enable.idempotence=%s: transactions need it", idempotent)
	case !all && on(c.Properties["enable.idempotence"]):
		return nil, config.Usagef("--kafka-property %s=%s: enable.idempotence=true needs acks=all", c.given("request.required.acks"), acks)
	case all && (idempotent == "" || on(idempotent)):
		return o, nil // in order, whatever is in flight
	}
	if acks == "0" {
		o = append(o, kgo.RequiredAcks(kgo.NoAck()))
	} else if acks == "1" {
		o = append(o, kgo.RequiredAcks(kgo.LeaderAck()))
	}
	inFlight := cmp.Or(count(s["max.in.flight.requests.per.connection"]), 1)
	return append(o, kgo.DisableIdempotentWrite(), kgo.MaxProduceRequestsInflightPerBroker(inFlight)), nil
}

// joining is how to be in a group.
func (c Cluster) joining(s settings) ([]kgo.Opt, error) {
	if s["group.id"] == "" {
		return nil, nil
	}
	o := []kgo.Opt{kgo.ConsumerGroup(s["group.id"]), kgo.DisableAutoCommit()}
	if id := s["group.instance.id"]; id != "" {
		o = append(o, kgo.InstanceID(id))
	}
	if s["group.protocol"] == "consumer" {
		for _, name := range []string{"session.timeout.ms", "heartbeat.interval.ms", "partition.assignment.strategy"} {
			if given := c.given(name); given != "" {
				return nil, config.Usagef("--kafka-property %s: with group.protocol=consumer it is the brokers' choice; leave it out", given)
			}
		}
		balancer, ok := map[string]kgo.GroupBalancer{"": kgo.StickyBalancer(), "uniform": kgo.StickyBalancer(), "range": kgo.RangeBalancer()}[s["group.remote.assignor"]]
		if !ok {
			return nil, config.Usagef("--kafka-property group.remote.assignor=%s: must be uniform or range", s["group.remote.assignor"])
		}
		return append(o, kgo.ServerSideBalancer(), kgo.Balancers(balancer)), nil
	}
	var balancers []kgo.GroupBalancer
	for name := range strings.SplitSeq(s["partition.assignment.strategy"], ",") {
		balancer, ok := map[string]kgo.GroupBalancer{
			"range": kgo.RangeBalancer(), "roundrobin": kgo.RoundRobinBalancer(), "cooperative-sticky": kgo.CooperativeStickyBalancer(),
		}[strings.TrimSpace(name)]
		if !ok {
			return nil, config.Usagef("--kafka-property partition.assignment.strategy=%s: must be of range, roundrobin and cooperative-sticky", s["partition.assignment.strategy"])
		}
		balancers = append(balancers, balancer)
	}
	session := cmp.Or(count(s["session.timeout.ms"]), 45_000)
	beat := cmp.Or(count(s["heartbeat.interval.ms"]), 3000)
	if c.given("heartbeat.interval.ms") == "" {
		beat = min(beat, max(session/3, 1))
	}
	return append(o, kgo.Balancers(balancers...), kgo.SessionTimeout(time.Duration(session)*time.Millisecond),
		kgo.HeartbeatInterval(time.Duration(beat)*time.Millisecond),
		lasting(kgo.RebalanceTimeout, time.Second, 1000*time.Hour)(s["max.poll.interval.ms"])), nil
}

// given is the name by which the user gave a property, "" if it was not.
func (c Cluster) given(canonical string) string {
	for _, name := range slices.Sorted(maps.Keys(c.Properties)) {
		if properties.Canonical(name) == canonical {
			return name
		}
	}
	return ""
}

// settings are ours, then the verb's, then the user's. What is not understood is a usage error that
// names it.
func (c Cluster) settings(verb map[string]string) (settings, error) {
	if err := kafkaclient.CheckSeeds(c.Brokers); err != nil {
		return nil, config.Usagef("%w", err)
	}
	if err := properties.Check(c.Properties); err != nil {
		return nil, config.Usagef("%w", err)
	}
	s := maps.Clone(defaults)
	for name, value := range verb {
		s[properties.Canonical(name)] = value
	}
	for _, name := range slices.Sorted(maps.Keys(c.Properties)) {
		canonical, value := properties.Canonical(name), c.Properties[name]
		_, set := verb[canonical]
		switch why := fixedProperties[canonical]; {
		case canonical == properties.Canonical("bootstrap.servers"):
			return nil, config.Usagef("--kafka-property %s: set --brokers instead", name)
		case why != "" && value != verb[canonical] && (set || canonical == "transactional.id"):
			return nil, config.Usagef("--kafka-property %s: %s", name, why)
		case canonical == "group.id": // of a verb that joins none
		default:
			s[canonical] = value
		}
	}
	return s, nil
}

// on tells whether a boolean is set, in librdkafka's words.
func on(value string) bool {
	return slices.Contains([]string{"true", "t", "1"}, strings.ToLower(value))
}

// count is a whole number, 0 for what is not set.
func count(value string) int {
	n, _ := strconv.Atoi(value)
	return n
}

// lasting is an option that is a time: of librdkafka's milliseconds, within what franz-go takes.
func lasting[O kgo.Opt](option func(time.Duration) O, low, high time.Duration) func(string) kgo.Opt {
	return func(value string) kgo.Opt {
		ms, _ := strconv.ParseFloat(value, 64)
		return option(min(max(time.Duration(ms*float64(time.Millisecond)), low), high))
	}
}

// unlessZero is without effect for 0, which is "no limit".
func unlessZero(option func(string) kgo.Opt) func(string) kgo.Opt {
	return func(value string) kgo.Opt {
		if value == "0" {
			return nil
		}
		return option(value)
	}
}

// ifOn is without effect unless a boolean is set.
func ifOn[O kgo.Opt](option func() O) func(string) kgo.Opt {
	return func(value string) kgo.Opt {
		if !on(value) {
			return nil
		}
		return option()
	}
}

// sized is an option that is a number of bytes.
func sized[O kgo.Opt](option func(int32) O, most int) func(string) kgo.Opt {
	return func(value string) kgo.Opt { return option(int32(min(count(value), most))) }
}

// partitioner is librdkafka's of that name. Those without _random send records without key where the
// empty key goes.
func partitioner(name string) kgo.Partitioner {
	method, keylessAnywhere := strings.CutSuffix(name, "_random")
	hash := map[string]kgo.PartitionerHasher{
		"consistent": func(key []byte, n int) int { return int(crc32.ChecksumIEEE(key) % uint32(n)) },
		"fnv1a":      kgo.SaramaCompatHasher(fnv1a),
	}[method]
	switch {
	case name == "random":
		return kgo.StickyPartitioner()
	case keylessAnywhere:
		return kgo.StickyKeyPartitioner(hash) // nil is murmur2
	}
	return kgo.BasicConsistentPartitioner(func(topic string) func(*kgo.Record, int) int {
		keyed := kgo.StickyKeyPartitioner(hash).ForTopic(topic)
		return func(r *kgo.Record, n int) int {
			return keyed.Partition(&kgo.Record{Key: append([]byte{}, r.Key...)}, n)
		}
	})
}

func fnv1a(key []byte) uint32 {
	h := fnv.New32a()
	_, _ = h.Write(key)
	return h.Sum32()
}
