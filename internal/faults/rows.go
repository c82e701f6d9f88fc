package faults

import "github.com/ringtail/ringtail/internal/kafkatest"

var (
	one                 = kafkatest.Options{Brokers: 1}
	three               = kafkatest.Options{Brokers: 3}
	acl                 = kafkatest.Options{Brokers: 1, ACL: true}
	linked, linkedThree = kafkatest.Options{Brokers: 1, Links: true}, kafkatest.Options{Brokers: 3, Links: true}
	// Back soon after a kill, where the time away is not the point: by default a
	// controller keeps a killed broker out for nine seconds.
	soon = kafkatest.Options{Brokers: 1, Properties: map[string]string{
		"broker.session.timeout.ms": "2000", "broker.heartbeat.interval.ms": "500",
	}}
)

// Rows are all faults, in the order they are run.
func Rows() []Row {
	return []Row{
		{"control", "records dropped, doubled, swapped, changed, misrouted: the checker must see each", true, one, control},
		{"1", "the broker killed and restarted twice during 1,500,000 records at 30,000/s", true, one, brokerKilled(1_500_000, 2)},
		{"1-five", "the broker killed and restarted five times", false, one, brokerKilled(3_000_000, 5)},
		{"2", "rolling restart of three brokers under load", false, three, rollingRestart},
		{"3", "a partition's leader killed, one broker after another", true, three, leaderKilled(1)},
		{"3-five", "a partition's leader killed, five times", false, three, leaderKilled(5)},
		{"4", "a partition's leader frozen for 30 s", false, three, leaderFrozen},
		{"5", "two of three brokers gone", false, three, quorumGone},
		{"6", "all brokers gone for six minutes", false, one, allGone},
		{"7", "Kafka absent at start; topic missing; too few partitions", true, soon, absentAtStart},
		{"8", "the topic deleted under load and made again soon", true, one, topicDeleted(false)},
		{"8-late", "the topic deleted under load and made again after librdkafka has given it up", false, one, topicDeleted(true)},
		{"9", "records over the topic's limit among small ones, at full speed", true, one, oversize},
		{"9-lowered", "the topic's limit lowered under load", true, one, limitLowered},
		{"9b", "permission to write revoked and restored under load", true, acl, writeRevoked},
		{"9b-compact", "a compacted topic, and records without keys", false, one, compacted},
		{"10", "the broker throttles", true, one, throttled},
		{"11", "latency, jitter, loss, a cut and silence on the way to the broker", false, linked, badNetwork},
		{"11-three", "one of three brokers out of reach", false, linkedThree, oneUnreachable},
		{"14", "SIGTERM with Kafka away", true, soon, stopWithoutKafka(0)},
		{"14-load", "SIGTERM under load, Kafka killed meanwhile", false, soon, stopWithoutKafka(200_000)},
		{"15", "one digit's broker frozen, others led elsewhere", false, three, oneDigitStuck},
		{"16", "clients that reset mid-record, wait half-closed, send a byte at a time", true, one, rudeClients},
		{"17", "a client that never reads its acks", false, one, deafClient},
		{"18", "5,000 clients that send a byte a second and never finish a record", false, one, slowCrowd},
		{"19", "floods of connections, more than there are descriptors", false, one, flood},
		{"21", "the server frozen for 90 s", false, one, serverFrozen},
	}
}
