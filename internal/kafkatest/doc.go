// Package kafkatest runs a real Apache Kafka for tests: one broker or three,
// each a process of its own that can be killed, stopped, frozen and started
// again on the same port.
//
//	deploy/kafka.sh prepare ─→ DIR/1/run  DIR/2/run  DIR/3/run
//	                              │          │          │      one child process each
//	Cluster ── Kill(i) Stop(i) Freeze(i) Continue(i) Restart(i)
//	        ── CreateTopic … SetProduceQuota … Grant    asked of the brokers by franz-go
//
// Brokers are numbered from 1, as in Kafka's own metadata. Nothing here waits
// for a length of time: a broker is up when it answers, a topic exists when
// every live broker names a leader for each of its partitions.
//
// Which Kafka it is, KAFKA_VERSION says in the environment: `KAFKA_VERSION=2.8.2 go test ./internal/e2e`.
// Before 3.7 there is a ZooKeeper too, which nobody kills.
//
// A cluster ends with its test, and its brokers end with the test's process,
// however that ends (Linux: the kernel kills them).
package kafkatest
