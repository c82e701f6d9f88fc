package producer

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/ringtail/ringtail/internal/properties"
)

func TestPropertiesRefused(t *testing.T) {
	for property, says := range map[string]string{
		"acks=1":                   "lost",
		"acks=0":                   "lost",
		"request.required.acks=1":  "lost",
		"enable.idempotence=false": "twice",
		"max.in.flight=5":          "order",
		"max.in.flight.requests.per.connection=2": "order",
		"enable.gapless.guarantee=false":          "hole",
		"message.timeout.ms=300000":               "dropped",
		"delivery.timeout.ms=1000":                "dropped",
		"retries=3":                               "dropped",
		"message.send.max.retries=0":              "dropped",
		"allow.auto.create.topics=true":           "partitions",
		"transactional.id=x":                      "transactions",
		"topic.acks=1":                            "lost",
		"topic.message.timeout.ms=1000":           "dropped",
		"delivery.report.only.error=true":         "ack",
		"queuing.strategy=lifo":                   "overtake",
		"test.mock.num.brokers=3":                 "No such",
		"bootstrap.servers=a:1":                   "--brokers",
		"message.max.bytes=5":                     "--max-record-bytes",
		"queue.buffering.max.messages=5":          "--shards",
	} {
		k, v, _ := strings.Cut(property, "=")
		err := CheckProperties(map[string]string{k: v}, false)
		if err == nil || !strings.Contains(err.Error(), "--kafka-property "+k) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want a refusal that says %q", property, err, says)
		}
	}
}

func TestPropertiesTaken(t *testing.T) {
	for _, property := range []string{"acks=all", "acks=-1", "enable.idempotence=TRUE", "max.in.flight=1", "linger.ms=20",
		"compression.type=zstd", "socket.timeout.ms=10000", "security.protocol=sasl_ssl", "client.id=x"} {
		k, v, _ := strings.Cut(property, "=")
		if err := CheckProperties(map[string]string{k: v}, false); err != nil {
			t.Errorf("%s: %v", property, err)
		}
	}
	if err := CheckProperties(map[string]string{"acks": "1"}, true); err != nil {
		t.Errorf("acks=1 with --unsafe: %v", err)
	}
}

// TestPropertiesOfAnInstance checks what an instance is made with, and that
// librdkafka knows every property of ours.
func TestPropertiesOfAnInstance(t *testing.T) {
	o := Options{Brokers: "h:1", MaxRecordBytes: 1_000_000, Properties: map[string]string{
		"queue.buffering.max.ms": "20", "batch.size": "500000"}}
	p := o.properties(topicState{Limit: 2000}, 10)
	for k, want := range map[string]string{
		"acks": "all", "enable.idempotence": "true", "max.in.flight": "1", "message.timeout.ms": "0",
		"enable.gapless.guarantee": "true", "topic.metadata.refresh.interval.ms": "2000",
		"linger.ms":         "20",      // the alias the user gave wins over the default
		"batch.size":        "2000",    // the topic's limit wins over everything
		"message.max.bytes": "1001024", // a record and its framing
	} {
		if p[k] != want {
			t.Errorf("%s is %q, want %q", k, p[k], want)
		}
	}
	if p := o.properties(topicState{Limit: 900_000}, 10); p["batch.size"] != "500000" {
		t.Errorf("batch.size %s, want the user's", p["batch.size"])
	}
	if err := properties.Check(p); err != nil {
		t.Error(err)
	}
}

// TestAdminProperties: what other clients of the cluster get is how to reach it
// and to authenticate, nothing of how records are written.
func TestAdminProperties(t *testing.T) {
	o := Options{Brokers: "h:1", Properties: map[string]string{
		"sasl.username": "u", "delivery.timeout.ms": "0", "linger.ms": "3", "acks": "all"}}
	want := map[string]string{"bootstrap.servers": "h:1", "client.id": "ringtail", "enable.metrics.push": "false", "sasl.username": "u"}
	if got := o.common(); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestTopicLimits(t *testing.T) {
	for limit, want := range map[int][2]int{0: {limitDefault - recordSlack, batchSize}, 2000: {1488, 2000}, 2_000_000: {1_999_488, batchSize}, 100: {0, 100}} {
		s := topicState{Limit: limit}
		if got := [2]int{s.recordMax(), s.batchMax()}; got != want {
			t.Errorf("limit %d: record and batch %v, want %v", limit, got, want)
		}
	}
}

// TestNativeReadsWhatLibrdkafkaReads: of every number that the native writer reads there is one
// reading: what CheckProperties takes, it takes as it stands.
func TestNativeReadsWhatLibrdkafkaReads(t *testing.T) {
	numbers := 0
	names := slices.Clone(nativeProperties)
	for _, d := range defaults {
		names = append(names, d.name)
	}
	for _, name := range names {
		p, _ := properties.Lookup(name)
		if p.Kind != properties.Integer && p.Kind != properties.Float || name == "acks" {
			continue
		}
		numbers++
		for _, bad := range []string{"60s", "0x10", "010", "", "-2", "1e400"} {
			if err := CheckProperties(map[string]string{name: bad}, true); err == nil {
				t.Errorf("%s=%q is taken", name, bad)
			}
		}
		for _, good := range []float64{p.Low, p.High} {
			text := strconv.FormatFloat(good, 'f', -1, 64)
			o := Options{Properties: map[string]string{name: text}}
			if name == "batch.size" {
				good = min(good, batchSize) // more is no use
			}
			if got := o.number(name); got != good {
				t.Errorf("%s=%s is read as %v", name, text, got)
			}
		}
	}
	if numbers < 10 {
		t.Errorf("%d numbers", numbers)
	}
}

// TestUnsafeDoesWhatIsAdvised: where an error advises --unsafe, the property passes with it, and
// librdkafka makes a producer of it; where nothing would be written, it is not advised.
func TestUnsafeDoesWhatIsAdvised(t *testing.T) {
	advised := 0
	for property, value := range map[string]string{
		"acks": "1", "request.required.acks": "0", "enable.idempotence": "false", "max.in.flight": "6", "enable.gapless.guarantee": "false", "message.timeout.ms": "1000",
		"retries": "0", "allow.auto.create.topics": "true", "log.queue": "false", "transactional.id": "x", "delivery.report.only.error": "true",
		"queuing.strategy": "lifo",
	} {
		o := Options{Brokers: "h:1", Topic: "t", Producers: 1, MaxRecordBytes: 1000, Writer: WriterLibrdkafka, Properties: map[string]string{property: value}}
		refusal := CheckProperties(o.Properties, false)
		if refusal == nil {
			t.Errorf("%s=%s is taken", property, value)
			continue
		}
		o.Unsafe = true
		err := o.validate(1)
		if strings.Contains(refusal.Error(), "--unsafe") != (err == nil) {
			t.Errorf("%v; and with --unsafe: %v", refusal, err)
		}
		if err == nil {
			advised++
		}
	}
	if advised != 9 {
		t.Errorf("--unsafe is advised for %d", advised)
	}
	p := (&Options{Unsafe: true, Properties: map[string]string{"acks": "1"}}).properties(topicState{}, 1)
	if p["enable.idempotence"] != "false" || p["enable.gapless.guarantee"] != "false" {
		t.Errorf("%v", p)
	}
	both := Options{Brokers: "h:1", Topic: "t", Producers: 1, MaxRecordBytes: 1000, Unsafe: true, Properties: map[string]string{"acks": "1", "enable.idempotence": "true"}}
	if err := both.validate(1); err == nil || !strings.Contains(err.Error(), "acks") {
		t.Errorf("what contradicts itself is said: %v", err)
	}
}
