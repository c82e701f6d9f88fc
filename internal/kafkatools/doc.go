// Package kafkatools is what ringtail's verbs beside serve do with Kafka: topics,
// produce, consume, process. Each verb is an options struct, whose tags are its flags as
// cmd/ringtail shows them, and a function.
//
//	topics   cluster.go  how to reach Kafka      produce  produce.go   records to a topic
//	         begin.go    when Ctrl-C waits                progress.go  how far it is
//	         topics.go   create, list, delete             generate.go  … made up
//	         alter.go    partitions, settings             limits.go    how large, what is refused
//	         describe.go leaders, offsets, sizes          input.go     … JSON of any layout
//	groups   groups.go   list, describe, reset            source.go    … paced
//	         describe_group.go  lag                       sendtcp.go   … to a Ringtail
//	consume  consume.go  ends, the loop          letters  replay.go    dead letters, once each
//	         print.go    --print                          replay_write.go  transactions
//	         table.go    what a terminal shows            replay_left.go   what did not pass
//	         positions.go, moment.go  --from     process  process.go   exactly once
//	         group.go    groups, commits                  process_read.go   positions
//	         losses.go   what is gone                     process_write.go  transactions
//	         standing.go positions, lag                   process_bad.go    --on-error
//	         metrics.go  --metrics                        process_metrics.go  --metrics
//	                                                      transform.go      --expr
//	         format.go   text, value, json                exact.go          its integers
//	         count.go    --count-by              words.go   numbers and JSON, for all
//
// Everything that talks to Kafka is librdkafka, by confluent-kafka-go and, for
// consume, by producer/librdkafka's Reader, which is four times as fast (docs/EXPERIMENTS.md);
// so -X takes the same properties as serve does. Errors are one line in the words of the
// flags: a config.UsageError where the flags are wrong or name a topic that is not there.
package kafkatools
