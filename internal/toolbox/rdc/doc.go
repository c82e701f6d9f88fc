// Package rdc reads from librdkafka by the batch: one cgo call brings a thousand
// records, laid into one buffer, where confluent-kafka-go takes a call and several
// allocations for each.
//
//	rd_kafka_consume_batch_queue ──► entry │ key │ value │ headers │ entry │ …
//	                                  40 bytes                      ▲ multiple of 8
//
// It reads partitions that it is told; groups, which call back, stay with
// confluent-kafka-go. As with package producer/rdk, librdkafka comes linked with the
// kafka package, and its few functions are declared by hand (a test compares them).
//
// A Reader belongs to one goroutine. What Fetch returns is valid until the next.
package rdc
