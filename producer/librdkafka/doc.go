// Package librdkafka is what Ringtail uses of librdkafka besides confluent-kafka-go. No other
// package declares librdkafka's functions. It has two users:
//
//	Client   the producer: hands records over by the batch, and counts their reports in C
//	Ceiling  librdkafka alone, for benchmarks: a loop in C
//
// Here no Go code runs for a single record, and no call from Go into C. confluent-kafka-go makes
// two or three such calls for each record, and some allocations.
//
//	engine ──Produce(records)──► one cgo call ──► rd_kafka_produce_batch
//	                                                 │ values stay where they are
//	engine ◄──Poll── rd_kafka_poll ◄── reports ◄── broker threads
//	   └─ Progress(stream): acked, failed …   (rt_report counts them, in C)
//
// A Client has streams (package backend). Each record carries a tag in librdkafka's opaque pointer:
// its stream and its number. Numbers of a stream have no gaps, so whether a report continues the
// unbroken run is one comparison (client.c:rt_report).
//
// Each is for one goroutine, but any may call a Client's Wake, if not during or after Destroy.
//
// The package uses the librdkafka that confluent-kafka-go bundles and links. So it has no linker
// flags, and must import the kafka package. librdkafka.h declares the functions by hand; a test
// compares it with the header of the linked library.
package librdkafka

import _ "github.com/ringtail/ringtail/internal/platform" // or no build
