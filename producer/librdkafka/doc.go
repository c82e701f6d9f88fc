// Package librdkafka is what Ringtail uses of librdkafka beside confluent-kafka-go, and the
// only place that declares its functions. There are three users:
//
//	Client   hands records over by the batch, and counts their reports in C
//	Reader   takes records by the batch, where they lie
//	Ceiling  is librdkafka alone, for benchmarks: a loop in C
//
// All are here so that no Go code, and no call from Go into C, runs for a single record:
// confluent-kafka-go takes two or three such calls and some allocations for each.
//
//	engine ──Produce(records)──► one cgo call ──► rd_kafka_produce_batch
//	                                                 │ payloads stay where they are
//	engine ◄──Poll── rd_kafka_poll ◄── reports ◄── broker threads
//	   └─ Track(line): acked, failed …   (counted by the callback below, in C)
//
//	consume ◄──Fetch── one cgo call ◄── rd_kafka_consume_batch_queue
//	   … record │ record │ revoke 3, 4 ─── Commit what was done, Unassign ──► the group goes on
//
// It uses the librdkafka that confluent-kafka-go bundles and links. That is why
// there are no linker flags here and why the kafka package must stay imported.
// The functions used are declared by hand in librdkafka.h; a test compares them with
// what is linked.
//
// A line is what the engine numbers: one shard, or the dead letters. Each record
// carries a tag, line and number; numbers of a line are handed out without gaps,
// so "unbroken run" is a comparison (see rt_report).
//
// A Reader reads partitions that it is told, or those that a group gives it. What the
// group gives and takes comes among the records, in its place: nothing is called back.
//
// Each belongs to one goroutine, with two exceptions. A Client's Wake may be called by
// others, not during or after Destroy. A Reader's Ends may be called by others at any
// time: Close waits for those that are in C.
package librdkafka

import _ "github.com/ringtail/ringtail/internal/platform" // or no build
