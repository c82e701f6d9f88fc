// Package rdc reads from librdkafka by the batch: one cgo call brings a thousand
// records, laid into one buffer, where confluent-kafka-go takes a call and several
// allocations for each.
//
//	rd_kafka_consume_batch_queue ──► entry │ key │ value │ headers │ entry │ …
//	                                  40 bytes                      ▲ multiple of 8
//
// It reads partitions that it is told, or those that a group gives it. What the group
// gives and takes comes among the records, in its place: nothing is called back.
//
//	… record │ record │ revoke 3, 4 ─── Commit what was done, Unassign ──► the group goes on
//
// As with package producer/rdk, librdkafka comes linked with the kafka package, and
// its functions are declared by hand (a test compares them).
//
// A Reader belongs to one goroutine. What Fetch returns is valid until the next.
package rdc

import _ "github.com/ringtail/ringtail/internal/platform" // or no build
