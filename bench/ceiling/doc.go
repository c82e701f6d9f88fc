// Package ceiling is librdkafka alone: a C loop that hands over the same records that the load
// generator sends, by rd_kafka_produce_batch, with copies, and counts the delivery reports
// (producer/librdkafka/ceiling.c). What it costs is what the server's cost is measured against:
// nobody who uses librdkafka gets below it by much.
//
// It uses librdkafka as its author would for throughput: 512 records of one
// partition a call, the partitions in turn, acks=all, idempotent, one instance, a
// queue of 100,000 records, batches of 1,000,000 bytes.
package ceiling
