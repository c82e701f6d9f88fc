// Package toolbox is what ringtail's verbs beside serve do with Kafka: topics,
// produce, consume, process. Each verb is an options struct and a function; cmd/ringtail
// binds them to flags.
//
//	topics   cluster.go  how to reach Kafka      produce  produce.go   lines or
//	         topics.go   create, list, delete             generate.go  made-up records
//	         describe.go leaders, offsets, sizes          source.go    … paced
//	         describe_group.go  a group, its lag          feed.go      … to a Ringtail
//	         security.go TLS and SASL, once more
//	consume  consume.go  offsets, ends           process  process.go   exactly once
//	         group.go    groups, commits                  transform.go --expr
//	         standing.go positions, lag
//	         metrics.go  --metrics
//	         format.go   text, value, json
//	         count.go    --count-by
//
// Everything that talks to Kafka is librdkafka, by confluent-kafka-go and, for
// consume, by producer/rdk's Reader, which is four times as fast (docs/EXPERIMENTS.md);
// so -X takes the same properties as serve does. Errors are one line in the words of the flags: a config.UsageError where the flags are wrong or
// name a topic that is not there.
package toolbox
