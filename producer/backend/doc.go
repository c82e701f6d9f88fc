// Package backend is the contract between an engine (package producer) and what writes its records
// to Kafka. Two packages fulfil it: producer/native and producer/librdkafka. It is Go alone, so
// that native can be built and tested without a C compiler.
//
// An engine has streams. A stream is one shard, or the dead letters, on its way to one partition.
// The engine numbers the records of a stream without gaps, and hands them over in that order. A
// client reports what became of them as counts: below Progress.Acked every record is in Kafka.
package backend
