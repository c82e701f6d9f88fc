package producer

import (
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"
)

// Every property that Ringtail sets for librdkafka, and why. "fixed" ones carry a
// promise: another value is refused unless --unsafe.
var defaults = []struct {
	name, value string
	fixed       string // what another value would break; "" where it is the user's choice
	unset       bool   // librdkafka's own default: only checked
}{
	{"acks", "all", "a record could be lost after it was acked", false},
	{"enable.idempotence", "true", "a retry could put a record into Kafka twice", false},
	// librdkafka issue 4953: with more, a new epoch for one partition's sake may
	// put another's requests under way into Kafka twice.
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
	{"test.mock.num.brokers", "0", "records would go to a Kafka that does not exist", true},
	// A frozen leader's partitions go on after 9 s instead of 60.
	{refreshInterval, "2000", "", false},
	{"enable.metrics.push", "false", "", false},
	{"statistics.interval.ms", "5000", "", false},
	{"linger.ms", "5", "", false},
	{"batch.num.messages", "10000", "", false},
	{"client.id", "ringtail", "", false},
	{"debug", debugIDs, "", false},
}

// debugIDs makes librdkafka tell when it has its producer id (events.go), and a dozen
// other lines a start.
const debugIDs = "eos"

// aliases are librdkafka's other names of the properties above.
var aliases = map[string]string{
	"request.required.acks":                 "acks",
	"max.in.flight.requests.per.connection": "max.in.flight",
	"delivery.timeout.ms":                   "message.timeout.ms",
	"message.send.max.retries":              "retries",
	"queue.buffering.max.ms":                "linger.ms",
	"compression.type":                      "compression.codec",
}

// derived are properties that follow from flags of ours.
var derived = map[string]string{
	"bootstrap.servers":            "--brokers",
	"metadata.broker.list":         "--brokers",
	"message.max.bytes":            "--max-record-bytes",
	"queue.buffering.max.messages": "--shards: it follows from the window of each shard",
	"queue.buffering.max.kbytes":   "--ring-bytes: it follows from the window of each shard",
}

// canonical is the name under which a property is known here.
func canonical(name string) string {
	if name != refreshInterval { // the one whose own name begins so
		name = strings.TrimPrefix(name, "topic.") // librdkafka's prefix for properties of the topic
	}
	if a, ok := aliases[name]; ok {
		return a
	}
	return name
}

const refreshInterval = "topic.metadata.refresh.interval.ms"

// CheckProperties tells whether user properties (--kafka-property) may be set. The
// error names the first one that may not and says what it would break.
func CheckProperties(user map[string]string, unsafe bool) error {
	for k, v := range user {
		name := canonical(k)
		if flag, ok := derived[name]; ok {
			return fmt.Errorf("--kafka-property %s: set %s instead", k, flag)
		}
		if unsafe {
			continue
		}
		for _, d := range defaults {
			if d.name == name && d.fixed != "" && !sameValue(name, v, d.value) {
				return fmt.Errorf("--kafka-property %s=%s: %s; leave it at %q, or say --unsafe", k, v, d.fixed, d.value)
			}
		}
	}
	return nil
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

// batchSize is librdkafka's default; a topic's limit below it wins.
const batchSize = 1_000_000

// properties are those of an instance with that many lines, as they were asked for.
func (o *Options) properties(t topicState, lines int) map[string]string {
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
	p["queue.buffering.max.messages"] = strconv.Itoa(lines * (o.windowRecords() + 1024))
	p["queue.buffering.max.kbytes"] = strconv.Itoa(lines*(o.windowBytes()+2*most)/1024 + 1024)
	for k, v := range o.Properties {
		if a, ok := aliases[k]; ok {
			k = a
		}
		if k == "debug" && v != "" {
			v = debugIDs + "," + v
		}
		p[k] = v
	}
	if n, err := strconv.Atoi(p["batch.size"]); err == nil {
		p["batch.size"] = strconv.Itoa(min(n, t.batchMax()))
	}
	return p
}

// instance are the properties that librdkafka gets: the engine lingers, not librdkafka.
func (o *Options) instance(t topicState, lines int) map[string]string {
	p := o.properties(t, lines)
	p["linger.ms"] = "0"
	return p
}

// rdkDefaults are librdkafka's own defaults of properties that are needed here as well.
var rdkDefaults = map[string]string{
	"compression.codec": "none", "compression.level": "-1", "request.timeout.ms": "30000", "socket.timeout.ms": "60000",
	"retry.backoff.ms": "100", "retry.backoff.max.ms": "1000",
}

// property is the value of a property by its canonical name, the topic's limit apart.
func (o *Options) property(name string) string {
	v, ok := o.properties(topicState{}, 1)[name]
	if !ok {
		v = rdkDefaults[name]
	}
	for k, user := range o.Properties { // also with the topic's prefix
		if canonical(k) == name {
			v = user
		}
	}
	return v
}

// number is a property that is one; Open has seen that librdkafka would take it.
func (o *Options) number(name string) float64 {
	n, _ := strconv.ParseFloat(o.property(name), 64)
	return n
}

func (o *Options) milliseconds(name string) time.Duration {
	return time.Duration(o.number(name) * float64(time.Millisecond))
}

// common are the properties that other clients of the same cluster need as well
// (admin, consumer): how to reach and how to authenticate.
func (o *Options) common() map[string]string {
	p := map[string]string{"bootstrap.servers": o.Brokers, "client.id": "ringtail", "enable.metrics.push": "false"}
	maps.Copy(p, o.Properties)
	for _, d := range defaults {
		if d.name != "client.id" && d.name != "enable.metrics.push" {
			delete(p, d.name)
		}
	}
	for a := range aliases {
		delete(p, a)
	}
	return p
}
