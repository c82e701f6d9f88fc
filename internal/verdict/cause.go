package verdict

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// cause is why a shard stands still.
type cause struct {
	text   string  // for the verdict; "": it is not known
	broker *Broker // whom it is about, nil if that is not known
}

func (c *cause) suffix() string {
	if c.text == "" {
		return ""
	}
	return ": " + c.text
}

// code is one of Kafka's errors, as Kafka names it.
var code = regexp.MustCompile(`\b[A-Z]{2,}(?:_[A-Z]+)+\b`)

// librdkafkaCodes are what librdkafka says in place of Kafka's names, of those that advice is for.
var librdkafkaCodes = map[string]string{
	"Not enough in-sync replicas":                          "NOT_ENOUGH_REPLICAS",
	"Message(s) written to insufficient number of in-sync": "NOT_ENOUGH_REPLICAS_AFTER_APPEND",
	"Topic authorization failed":                           "TOPIC_AUTHORIZATION_FAILED",
	"Cluster authorization failed":                         "CLUSTER_AUTHORIZATION_FAILED",
	"Disk error when trying to access log file on disk":    "KAFKA_STORAGE_ERROR",
	"Leader not available":                                 "LEADER_NOT_AVAILABLE",
	"Unknown topic or partition":                           "UNKNOWN_TOPIC_OR_PARTITION",
}

// causeFrom makes a cause of an error's text. One that Kafka has a name for is called by that alone;
// what else stands there is with the shard and the broker.
func causeFrom(text string) cause {
	for words, name := range librdkafkaCodes {
		if strings.Contains(text, words) {
			return cause{text: name}
		}
	}
	if name := code.FindString(text); name != "" {
		return cause{text: name}
	}
	return cause{text: oneLine(text)}
}

// causeOf finds out why a shard stands still: what its partition met since it does, or shortly before;
// else what its leader did.
func (m *Machine) causeOf(s *Sample, st standing) cause {
	since := st.since.Add(-stuckAfter)
	b := s.broker(st.Leader)
	met := cause{}
	if st.Error.in(since) {
		met = causeFrom(st.Error.Text)
		met.broker = b
	}
	switch {
	case !s.Ready && strings.Contains(s.Reason, "is missing"): // what has no topic has no leaders either
		return cause{text: oneLine(s.Reason)}
	case code.MatchString(met.text), met.text != "" && b == nil:
		return met
	case b == nil && st.Leader < 0:
		return cause{text: "no leader"}
	case b == nil:
		return cause{}
	case b.Oldest > stuckAfter/2 && b.Up && b.Error.in(since) && strings.Contains(b.Error.Text, "does not confirm"):
		return cause{fmt.Sprintf("broker %d does not confirm", b.ID), b}
	case b.Oldest > stuckAfter/2: // errors say the same, with more words
		return cause{fmt.Sprintf("broker %d does not answer", b.ID), b}
	case met.text != "":
		return met
	case b.Error.in(since):
		c := causeFrom(b.Error.Text)
		c.broker = b
		if !strings.Contains(c.text, fmt.Sprintf("broker %d", b.ID)) {
			c.text = fmt.Sprintf("broker %d: %s", b.ID, c.text)
		}
		return c
	case m.throttles(b):
		return cause{fmt.Sprintf("broker %d slows us by a quota", b.ID), b}
	case !b.Up:
		return cause{fmt.Sprintf("broker %d is not reached", b.ID), b}
	}
	return cause{fmt.Sprintf("broker %d takes nothing", b.ID), b}
}

// advices are by what a cause's text contains; the first that fits.
var advices = []struct {
	texts  []string
	advice string
}{
	{[]string{"NOT_ENOUGH_REPLICAS"}, "Kafka: too few replicas are in sync for min.insync.replicas. Start the brokers that are down, or find out why their replicas fall behind."},
	{[]string{"no leader", "nobody leads", "LEADER_NOT_AVAILABLE"}, "Kafka: nobody leads the partition. Start the broker that has its last replica in sync."},
	{[]string{"NOT_LEADER", "FENCED_LEADER", "UNKNOWN_LEADER_EPOCH"}, "Kafka: the partition's leader moves and does not settle. Look at the controller and at the brokers' logs."},
	{[]string{"AUTHORIZATION", "authentication", "SASL", "certificate"}, "Kafka: it does not let this server write. Look at its account's rights, its password and its certificate."},
	{[]string{"UNKNOWN_TOPIC", "INCONSISTENT_TOPIC", "is missing"}, "Kafka: the topic is gone, or has not all partitions. See: ringtail topics describe."},
	{[]string{"STORAGE_ERROR"}, "Kafka: the leader's disk has failed or is full."},
	{[]string{"does not confirm"}, "Kafka: the leader is up and does not confirm. It is slow, waits for a replica, or holds this server to a quota."},
	{[]string{"QUOTA", "by a quota"}, "Kafka: a quota holds this server back. Raise producer_byte_rate for it."},
	{[]string{"no such host", "looked up"}, "Network: the broker's name is not known here. Look at this machine's name server."},
	{[]string{"connection refused"}, "Kafka: nothing listens at the broker's address. Start it."},
	{[]string{"no route", "unreachable", "timed out", "timeout", "does not answer", "did not answer", "no answer", "reset", "closes it", "EOF", "not reached"},
		"Network or Kafka: the broker does not answer. Is its process alive, its machine up, a firewall between? Does it wait for a replica?"},
	{[]string{"takes nothing"}, "Kafka: the broker is there and takes nothing of the partition. Look at quotas, and at its log."},
}

// advice is what to do. What is known of the broker stands at the end.
func (c *cause) advice(s *Sample) string {
	i := slices.IndexFunc(advices, func(a struct {
		texts  []string
		advice string
	}) bool {
		return slices.ContainsFunc(a.texts, func(text string) bool { return strings.Contains(c.text, text) })
	})
	advice := "Kafka: look at the last error of the partition and of its leader, and at the broker's log."
	if i >= 0 {
		advice = advices[i].advice
	}
	var down []string
	for _, b := range s.Brokers {
		if !b.Up {
			down = append(down, b.name())
		}
	}
	switch {
	case len(down) > 0:
		advice += " Not reached: " + strings.Join(down, ", ") + "."
	case c.broker != nil:
		advice += " The leader is " + c.broker.name() + "."
	}
	return advice
}

func (b *Broker) name() string {
	if b.Address == "" {
		return fmt.Sprintf("broker %d", b.ID)
	}
	return fmt.Sprintf("broker %d (%s)", b.ID, b.Address)
}

// slowAdvice is for a broker that most of the time goes to.
func (m *Machine) slowAdvice(b *Broker) string {
	if m.throttles(b) {
		return fmt.Sprintf("Kafka: %s holds this server to a quota. Raise producer_byte_rate for it.", b.name())
	}
	return fmt.Sprintf("Kafka or the network: records wait for %s. Look at its disk and load, and at the network to it.", b.name())
}

// throttles tells whether a broker held us to a quota for most of the last seconds, or of the last
// minute: it says for how long when that begins.
func (m *Machine) throttles(b *Broker) bool {
	for _, over := range []time.Duration{throttleOver, Window} {
		before := m.ago(over)
		if was := before.broker(b.ID); was != nil && b.Throttled-was.Throttled > m.last().At.Sub(before.At)/2 {
			return true
		}
	}
	return false
}

// rejectAdvice is for records that are rejected.
func rejectAdvice(reason string) string {
	const see = " The last one of each reason is in /status, all of them in the topic of --dead-letter-topic."
	switch reason {
	case "refused_by_kafka":
		return "Clients: Kafka does not take what these records hold. The log says why." + see
	case "unauthorized":
		return "Clients: they send no token, or a wrong one. Give them one of --token-file."
	case "too_large":
		return "Clients: records are over --max-record-bytes, or over the topic's own limit." + see
	case "missing_field", "bad_number":
		return "Clients: the field that routes is missing or no number. Is --field right?" + see
	case "truncated":
		return "Clients: they end within a record." + see
	}
	return "Clients: they send something else than JSON objects in the listener's framing. Is --framing right?" + see
}

// quietAdvice is for a server to which nobody sends.
func (m *Machine) quietAdvice(s *Sample) string {
	before := m.ago(Window)
	switch refused, misfits := s.Refused-before.Refused, s.Misfits-before.Misfits; {
	case refused > 0:
		return fmt.Sprintf("Clients: %s refused in the last minute; /metrics says for what (ringtail_connections_refused_total).", many(int(refused), "connection was", "connections were"))
	case misfits > 0:
		return fmt.Sprintf("Clients: %s closed in the last minute for what came instead of records; the log says what that looked like.", many(int(misfits), "connection was", "connections were"))
	case s.Connections > 0:
		return fmt.Sprintf("Clients: %s open and %s no record. Look at the clients.", many(s.Connections, "connection is", "connections are"), map[bool]string{true: "sends", false: "send"}[s.Connections == 1])
	}
	return "Clients: nobody is connected. Look at the clients, the balancer before this server, and the network to it."
}
