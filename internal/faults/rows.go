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

// Sets of rows that --row takes beside their names.
const (
	quick = true  // under half a minute: `make test` runs it
	slow  = false // `make faults` alone
)

// everything sent is in Kafka, once, in order, and the server is as it was: see Case.Standard.
const everything = "all"

// Rows returns all faults, in the order in which they are run.
func Rows() []Row {
	return []Row{
		{"control", "records dropped, doubled, swapped, changed, misrouted", "the checker sees each", quick, one, control, false},
		{"broker-killed", "the broker killed and restarted twice under load", everything, quick, one, brokerKilled(2), false},
		{"broker-killed-five", "the broker killed and restarted five times", everything, slow, one, brokerKilled(5), false},
		{"rolling-restart", "three brokers restarted one after another under load", everything, slow, three, rollingRestart, false},
		{"leader-killed", "a partition's leader killed, one broker after another", everything, quick, three, leaderKilled(1), false},
		{"leader-killed-five", "a partition's leader killed, five times", everything, slow, three, leaderKilled(5), false},
		{"leader-frozen", "a partition's leader frozen for 30 s", "digits led elsewhere go on meanwhile", slow, three, leaderFrozen, false},
		{"quorum-gone", "two of three brokers gone", "no ack from one broker of three", slow, three, quorumGone, false},
		{"all-gone", "all brokers gone for six minutes", "clients are not read, memory is flat, nothing expires", slow, one, allGone, false},
		{"absent-at-start", "Kafka absent at start; topic missing; too few partitions", "not ready, or exit code 2 with the reason", quick, soon, absentAtStart, false},
		{"topic-deleted", "the topic deleted under load and made again soon", "no ack in between; delivered before + after = sent", quick, one, topicDeleted(false), false},
		{"topic-deleted-late", "the topic made again after librdkafka has given it up", "likewise", slow, one, topicDeleted(true), false},
		{"oversize", "records over the topic's limit among small ones, at full speed", "those and no others set aside, no new writer", quick, one, oversize, false},
		{"limit-lowered", "the topic's limit lowered under load", "only the large ones set aside", quick, one, limitLowered, false},
		{"write-revoked", "permission to write revoked and restored under load", "no record is blamed", quick, acl, writeRevoked, false},
		{"compacted", "a compacted topic, and records without keys", "no record is blamed", slow, one, compacted, false},
		{"hidden-limit", "a record over a limit that may not be read, other shards busy", "it alone set aside, eight new writers at most", slow, acl, hiddenLimit, false},
		{"throttled", "the broker throttles", "backpressure", quick, one, throttled, false},
		{"bad-network", "latency, jitter, reads held up, a cut and silence before the broker", everything, slow, linked, badNetwork, false},
		{"one-unreachable", "one of three brokers out of reach", everything, slow, linkedThree, oneUnreachable, false},
		{"idle-ended", "a trickle of records, and a broker that ends idle connections", everything, slow, idle, idleEnded, false},
		{"packets-lost", "5 % of the packets between the broker and everybody lost", everything, slow, one, packetsLost, true},
		{"requests-refused", "requests over 1,046,528 bytes end their connection, with a backlog", everything, slow, linked, requestsRefused, false},
		{"broker-refuses", "requests over the broker's socket.request.max.bytes, with a backlog", everything, slow, lowRequest, brokerRefuses, false},
		{"slow-uplink", "a link of 250 KB/s, and socket.timeout.ms of 10 s, with a backlog", everything, slow, linked, slowUplink, false},
		{"upgrade", "three brokers upgraded one after another under load", everything, slow, old, upgraded("4.1.1"), false},
		{"server-killed", "the server killed under load twice, once with its ring files filled", "nothing acked is lost, copies are counted", quick, one, serverKilled(2), false},
		{"server-killed-ten", "the server killed ten times, every other time with its ring files filled", "likewise", slow, one, serverKilled(10), false},
		{"server-frozen", "the server frozen for 90 s", "nobody is disconnected", slow, one, serverFrozen, false},
		{"taken-over", "new processes take the server over three times under load, with its ring files", "nothing acked is lost, copies are counted, nobody is refused", quick, one, takenOver, false},
		{"stop-without-kafka", "SIGTERM with Kafka away", "exit code 1, and the number lost to the record", quick, soon, stopWithoutKafka(0), false},
		{"stop-under-load", "SIGTERM under load, Kafka killed meanwhile", "likewise", slow, soon, stopWithoutKafka(200_000), false},
		{"stop-kept", "SIGTERM under load with Kafka away, and ring files to keep records in", "the next start recovers what was kept", slow, soon, stopKept, false},
		{"ring-damaged", "ring files with flipped bytes and cut short", "set aside, counted, never sent", quick, one, ringDamaged, false},
		{"ring-dir-full", "no room in the ring directory", "refused at the start; a running server is not disturbed", slow, one, ringDirFull, true},
		{"one-digit-stuck", "one digit's broker frozen, others led elsewhere", "other digits keep 90 % of their rate", slow, three, oneDigitStuck, false},
		{"rude-clients", "clients that reset mid-record, wait half-closed, send a byte at a time", "whole records only, every ack", quick, one, rudeClients, false},
		{"haproxy-resets", "clients of an HAProxy before the server reset, and it is killed twice, under load", "nothing acked is lost, copies are counted", quick, one, haproxyResets, false},
		{"haproxy-reload", "an HAProxy before the server reloaded under load three times", "likewise, and nobody is refused", slow, one, haproxyReload, false},
		{"nodes-restarted", "two servers behind an HAProxy restarted in turn under load, twice", "likewise, and HAProxy finds a server for everybody", quick, one, nodesRestarted, false},
		{"deaf-client", "a client that never reads its acks", "it is not read any more, others are", slow, one, deafClient, false},
		{"slow-crowd", "5,000 clients that send a byte a second and never finish a record", "closed in time; others keep 90 % of their rate", slow, one, slowCrowd, false},
		{"tls-strangers", "no certificate, an expired one, plain text and stalled handshakes at a TLS port", "closed in time, counted", quick, one, tlsStrangers, false},
		{"flood", "floods of connections, more than there are descriptors", "refused, none leaked", slow, one, flood, false},
	}
}
