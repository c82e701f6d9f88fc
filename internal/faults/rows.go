package faults

import "github.com/ringtail/ringtail/internal/kafkatest"

var (
	one                 = kafkatest.Options{Brokers: 1}
	three               = kafkatest.Options{Brokers: 3}
	old                 = kafkatest.Options{Brokers: 3, Version: "3.9.1"}
	idle                = kafkatest.Options{Brokers: 1, Links: true, Properties: map[string]string{"connections.max.idle.ms": "4000"}}
	lowRequest          = kafkatest.Options{Brokers: 1, Links: true, Properties: map[string]string{"socket.request.max.bytes": "524288"}}
	acl                 = kafkatest.Options{Brokers: 1, ACL: true}
	linked, linkedThree = kafkatest.Options{Brokers: 1, Links: true}, kafkatest.Options{Brokers: 3, Links: true}
	// Back soon after a kill, where the time away is not the point: by default a
	// controller keeps a killed broker out for nine seconds.
	soon = kafkatest.Options{Brokers: 1, Properties: map[string]string{
		"broker.session.timeout.ms": "2000", "broker.heartbeat.interval.ms": "500", "zookeeper.session.timeout.ms": "2000",
	}}
)

// Rows are all faults, in the order they are run.
func Rows() []Row {
	return []Row{
		{"control", "records dropped, doubled, swapped, changed, misrouted: the checker must see each", true, one, control, false},
		{"1", "the broker killed and restarted twice under load", true, one, brokerKilled(2), false},
		{"1-five", "the broker killed and restarted five times", false, one, brokerKilled(5), false},
		{"2", "rolling restart of three brokers under load", false, three, rollingRestart, false},
		{"3", "a partition's leader killed, one broker after another", true, three, leaderKilled(1), false},
		{"3-five", "a partition's leader killed, five times", false, three, leaderKilled(5), false},
		{"4", "a partition's leader frozen for 30 s", false, three, leaderFrozen, false},
		{"5", "two of three brokers gone", false, three, quorumGone, false},
		{"6", "all brokers gone for six minutes", false, one, allGone, false},
		{"7", "Kafka absent at start; topic missing; too few partitions", true, soon, absentAtStart, false},
		{"8", "the topic deleted under load and made again soon", true, one, topicDeleted(false), false},
		{"8-late", "the topic deleted under load and made again after librdkafka has given it up", false, one, topicDeleted(true), false},
		{"9", "records over the topic's limit among small ones, at full speed", true, one, oversize, false},
		{"9-lowered", "the topic's limit lowered under load", true, one, limitLowered, false},
		{"9b", "permission to write revoked and restored under load", true, acl, writeRevoked, false},
		{"9b-compact", "a compacted topic, and records without keys", false, one, compacted, false},
		{"10", "the broker throttles", true, one, throttled, false},
		{"11", "latency, jitter, loss, a cut and silence on the way to the broker", false, linked, badNetwork, false},
		{"11-three", "one of three brokers out of reach", false, linkedThree, oneUnreachable, false},
		{"11-idle", "a trickle of records, and a broker that ends idle connections", false, idle, idleEnded, false},
		{"11-loss", "5 % of the packets between the broker and everybody lost", false, one, lossyNetwork, true},
		{"13", "the server killed under load twice, once with its ring files filled", true, one, serverKilled(2), false},
		{"13-ten", "the server killed under load ten times, every other time with its ring files filled", false, one, serverKilled(10), false},
		{"14", "SIGTERM with Kafka away", true, soon, stopWithoutKafka(0), false},
		{"14-load", "SIGTERM under load, Kafka killed meanwhile", false, soon, stopWithoutKafka(200_000), false},
		{"14-kept", "SIGTERM under load with Kafka away, and ring files to keep records in", false, soon, stopKept, false},
		{"15", "one digit's broker frozen, others led elsewhere", false, three, oneDigitStuck, false},
		{"16", "clients that reset mid-record, wait half-closed, send a byte at a time", true, one, rudeClients, false},
		{"17", "a client that never reads its acks", false, one, deafClient, false},
		{"18", "5,000 clients that send a byte a second and never finish a record", false, one, slowCrowd, false},
		{"19", "floods of connections, more than there are descriptors", false, one, flood, false},
		{"20", "ring files with flipped bytes and cut short", true, one, ringDamaged, false},
		{"20-full", "no room in the ring directory", false, one, ringDirFull, true},
		{"21", "the server frozen for 90 s", false, one, serverFrozen, false},
		{"23", "requests over 1,046,528 bytes end their connection, with a backlog", false, linked, requestsRefused, false},
		{"23-broker", "requests over the broker's socket.request.max.bytes, with a backlog", false, lowRequest, brokerRefuses, false},
		{"23-slow", "a link of 250 KB/s, and socket.timeout.ms of 10 s, with a backlog", false, linked, slowUplink, false},
		{"24", "a record over the topic's limit, which may not be read, while other shards are busy", false, acl, blindLimit, false},
		{"27", "a rolling upgrade of three brokers under load", false, old, upgraded("4.1.1"), false},
	}
}
