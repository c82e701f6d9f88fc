// Package kafkatools is what ringtail's verbs beside serve do with Kafka: topics,
// produce, consume, process. Each verb is an options struct, whose tags are its flags as
// cmd/ringtail shows them, and a function.
//
//	all      cluster.go  how to reach Kafka      produce  produce.go   records to a topic
//	         settings.go what -X means to a client        progress.go  how far it is
//	         kafka.go    a client, what is there          generate.go  … made up
//	         begin.go    when Ctrl-C waits                limits.go    how large, what is refused
//	topics   topics.go   create, list, delete             input.go     … JSON of any layout
//	         alter.go    partitions, settings             source.go    … paced
//	         describe.go leaders, offsets, sizes          sendtcp.go   … to a Ringtail
//	groups   groups.go   list, describe, reset
//	         describe_group.go  members, lag
//	consume  consume.go  ends, the loop          letters  replay.go    dead letters, once each
//	         print.go    --print                          replay_write.go  what passes
//	         table.go    what a terminal shows            replay_left.go   what did not pass
//	         positions.go, moment.go  --from     process  process.go   exactly once
//	         offsets.go  what is asked for                process_read.go   positions
//	         changes.go  new partitions, topics           transactions.go   … and of replay
//	         group.go    groups, commits                  process_bad.go    --on-error
//	         losses.go   what is gone                     process_metrics.go  --metrics
//	         standing.go positions, lag                   transform.go      --expr
//	         metrics.go  --metrics                        exact.go          its integers
//	         stands.go   offsets, for process and replay
//	         format.go   text, value, json       words.go   numbers and JSON, for all
//	         count.go    --count-by              brokers.go   why one is not reached, for all
//
// What talks to Kafka is franz-go, with librdkafka's properties, so that -X takes the same ones as
// serve does. Errors are one line in the words of the flags: a config.UsageError where the flags are wrong or name a topic that is not there.
package kafkatools
