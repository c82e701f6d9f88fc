// Package rdk hands records to librdkafka by the batch and counts its delivery
// reports in C, so that no Go code runs for a single record.
//
//	engine ──Produce(records)──► one cgo call ──► rd_kafka_produce_batch
//	                                                 │ payloads stay where they are
//	engine ◄──Poll── rd_kafka_poll ◄── reports ◄── broker threads
//	   └─ Track(line): acked, failed …   (counted by the callback below, in C)
//
// It uses the librdkafka that confluent-kafka-go bundles and links. That is why
// there are no linker flags here and why the kafka package must stay imported.
// The few functions used are declared by hand; a test compares version and
// symbols with what is linked.
//
// A line is what the engine numbers: one shard, or the dead letters. Each record
// carries a tag, line and number; numbers of a line are handed out without gaps,
// so "unbroken run" is a comparison (see rdk_report).
//
// A Client belongs to one goroutine. Only Wake may be called by others, and not
// during or after Destroy.
package rdk

import _ "github.com/ringtail/ringtail/internal/platform" // or no build
