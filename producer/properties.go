package producer

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ringtail/ringtail/internal/properties"
)

// defaults are the properties that Ringtail sets for librdkafka, and why. Those that are fixed
// carry a promise: another value is refused without --unsafe.
var defaults = []struct {
	name, value string
	fixed       string // what another value would break; "" where it is the user's choice
	unset       bool   // librdkafka's own default: only checked
}{
	{"acks", "all", "a record could be lost after it was acked", false},
	{"enable.idempotence", "true", "a retry could put a record into Kafka twice", false},
	// librdkafka issue 4953: with more, a new epoch for one partition may put the requests under
	// way of another into Kafka twice.
	{"max.in.flight", "1", "a retry could put records into Kafka twice or out of order", false},
	{"enable.gapless.guarantee", "true", "a refused batch would become a hole that later records overtake", false},
	// librdkafka's default of five minutes is its main way to lose records.
	{"message.timeout.ms", "0", "records would be dropped when Kafka is away for longer", false},
	{"retries", "2147483647", "records would be dropped when Kafka is away for longer", false},
	{"allow.auto.create.topics", "false", "a deleted topic would come back with another number of partitions", false},
	{"log.queue", "true", "librdkafka's log would go astray", false},
	{"transactional.id", "", "records are not written in transactions", true},
	{"delivery.report.only.error", "false", "no ack would ever come", true},
	{"queuing.strategy", "fifo", "later records would overtake earlier ones", true},
	// A frozen leader's partitions go on after 9 s instead of 60.
	{refreshInterval, "2000", "", false},
	{"enable.metrics.push", "false", "", false},
	{"statistics.interval.ms", "5000", "", false},
	{"linger.ms", "5", "", false},
	{"batch.num.messages", "10000", "", false},
	{"client.id", "ringtail", "", false},
	{"debug", debugIDs, "", false},
}

// essential are those of the fixed properties without which nothing is written, --unsafe or not.
var essential = []string{"transactional.id", "delivery.report.only.error", "log.queue"}

// debugIDs makes librdkafka log when it has its producer id (librdkafka.Client.Ready), and a dozen
// other lines a start.
const debugIDs = "eos"

// derived are properties that follow from our flags.
var derived = map[string]string{
	"bootstrap.servers":            "--brokers",
	"message.max.bytes":            "--max-record-bytes",
	"queue.buffering.max.messages": "--shards: it follows from the window of each shard",
	"queue.buffering.max.kbytes":   "--ring-bytes: it follows from the window of each shard",
}

// canonical returns the name that the tables here have for a property, by whatever name it is
// given.
func canonical(name string) string {
	name = properties.Canonical(name)
	if ours, ok := tableNames()[name]; ok {
		return ours
	}
	return name
}

// tableNames has the names that these tables use, by the names that librdkafka uses.
var tableNames = sync.OnceValue(func() map[string]string {
	names := map[string]string{}
	for _, d := range defaults {
		names[properties.Canonical(d.name)] = d.name
	}
	for name := range derived {
		names[properties.Canonical(name)] = name
	}
	return names
})

const refreshInterval = "topic.metadata.refresh.interval.ms"

// CheckProperties checks the user's properties (--kafka-property): whether they may be set, and
// whether both clients understand them as they are written. The error names the first one that is
// wrong, and says what would be right or what it would break.
func CheckProperties(user map[string]string, unsafe bool) error {
	for _, k := range slices.Sorted(maps.Keys(user)) {
		name, v := canonical(k), user[k]
		if flag, ok := derived[name]; ok {
			return fmt.Errorf("--kafka-property %s: set %s instead", k, flag)
		}
		for _, d := range defaults {
			if d.name != name || d.fixed == "" || sameValue(name, v, d.value) {
				continue
			}
			if slices.Contains(essential, name) {
				return fmt.Errorf("--kafka-property %s=%s: %s; leave it out", k, v, d.fixed)
			}
			if !unsafe {
				return fmt.Errorf("--kafka-property %s=%s: %s; leave it at %q, or say --unsafe", k, v, d.fixed, d.value)
			}
		}
	}
	return cmp.Or(properties.Check(user), properties.CheckRole(user, properties.ForConsumers))
}

func sameValue(name, got, want string) bool {
	got = strings.TrimSpace(strings.ToLower(got))
	if got == want {
		return true
	}
	switch name {
	case "acks":
		return got == "-1"
	case "enable.idempotence", "enable.gapless.guarantee", "allow.auto.create.topics", "log.queue", "delivery.report.only.error":
		on := got == "1" || got == "t" || got == "true"
		return on == (want == "true")
	}
	return false
}

// batchSize is librdkafka's default of batch.size. A lower limit of the topic wins.
const batchSize = 1_000_000

// properties returns those of a client with that many streams, as the user asked for them.
func (o *Options) properties(t topicState, streams int) map[string]string {
	p := map[string]string{}
	for _, d := range defaults {
		if !d.unset {
			p[d.name] = d.value
		}
	}
	most := o.MaxRecordBytes + 1024
	if o.KeyField != "" {
		most += o.MaxRecordBytes
	}
	most = max(most, o.largest+1024)
	p["bootstrap.servers"] = o.Brokers
	p["message.max.bytes"] = strconv.Itoa(max(most, 64<<10))
	p["batch.size"] = strconv.Itoa(min(batchSize, max(most, 64<<10)))
	p["queue.buffering.max.messages"] = strconv.Itoa(streams * (o.windowRecords() + 1024))
	p["queue.buffering.max.kbytes"] = strconv.Itoa(streams*(o.windowBytes()+2*most)/1024 + 1024)
	for k, v := range o.Properties {
		k = canonical(k)
		if k == "debug" && v != "" {
			v = debugIDs + "," + v
		}
		p[k] = v
	}
	o.yieldIdempotence(p)
	if n, err := strconv.Atoi(p["batch.size"]); err == nil {
		p["batch.size"] = strconv.Itoa(min(n, t.batchMax()))
	}
	return p
}

// yieldIdempotence has idempotence give way to what the user has chosen with --unsafe: librdkafka makes
// no producer that has both.
func (o *Options) yieldIdempotence(p map[string]string) {
	user := map[string]bool{}
	for k := range o.Properties {
		user[canonical(k)] = true
	}
	requests, _ := strconv.Atoi(p["max.in.flight"])
	const requestsMax = 5 // of an idempotent producer
	if !user["enable.idempotence"] && (!sameValue("acks", p["acks"], "all") || requests > requestsMax || p["retries"] == "0" ||
		p["queuing.strategy"] != "" && !sameValue("queuing.strategy", p["queuing.strategy"], "fifo")) {
		p["enable.idempotence"] = "false"
	}
	if !user["enable.gapless.guarantee"] && !sameValue("enable.idempotence", p["enable.idempotence"], "true") {
		p["enable.gapless.guarantee"] = "false"
	}
}

// librdkafkaProperties returns the properties that librdkafka gets. The engine lingers, librdkafka
// does not.
func (o *Options) librdkafkaProperties(t topicState, streams int) map[string]string {
	p := o.properties(t, streams)
	p["linger.ms"] = "0"
	return p
}

// property returns the value of a property by its canonical name, before the topic's limit applies.
func (o *Options) property(name string) string {
	if v, ok := o.properties(topicState{}, 1)[name]; ok {
		return v
	}
	p, _ := properties.Lookup(name)
	return p.Default
}

// number returns the value of a property that is a number, as CheckProperties has made sure.
func (o *Options) number(name string) float64 {
	n, _ := strconv.ParseFloat(o.property(name), 64)
	return n
}

func (o *Options) milliseconds(name string) time.Duration {
	return time.Duration(o.number(name) * float64(time.Millisecond))
}

// common returns the properties that other clients of the same cluster need as well: how to reach
// it, and how to authenticate.
func (o *Options) common() map[string]string {
	p := map[string]string{"bootstrap.servers": o.Brokers, "client.id": "ringtail", "enable.metrics.push": "false"}
	for k, v := range o.Properties {
		if name := canonical(k); name == "client.id" || name == "enable.metrics.push" || !isDefault(name) {
			p[k] = v
		}
	}
	return p
}

// isDefault reports whether defaults has a property of that name.
func isDefault(name string) bool {
	for _, d := range defaults {
		if d.name == name {
			return true
		}
	}
	return false
}
