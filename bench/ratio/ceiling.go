//go:build cgo

package main

import (
	"fmt"
	"slices"

	"github.com/ringtail/ringtail/producer/librdkafka"
)

// ceiling is librdkafka alone: a C loop that hands over the same records that the load generator
// sends, by rd_kafka_produce_batch, with copies, and counts the delivery reports
// (producer/librdkafka/ceiling.c). What it costs is what the server's cost is measured against:
// nobody who uses librdkafka gets below it by much.
//
// It uses librdkafka as its author would for throughput: 512 records of one partition a call, the
// partitions in turn, acks=all, idempotent, one instance, a queue of 100,000 records, batches of
// 1,000,000 bytes. Begin is called when everything is set up, before the first record. The measure
// has latencies, from produce to report, with a rate only.
func ceiling(o options, begin func()) (m measure, err error) {
	c, err := librdkafka.NewCeiling(map[string]string{
		"bootstrap.servers": o.Brokers, "acks": "all", "enable.idempotence": "true", "linger.ms": o.Linger,
		"queue.buffering.max.messages": "100000", "batch.size": "1000000", "enable.metrics.push": "false",
	}, o.Topic, records(o))
	if err != nil {
		return m, fmt.Errorf("ceiling: %w", err)
	}
	defer c.Destroy()
	var took []float64 // seconds
	if o.Rate > 0 {
		took = make([]float64, o.Records)
	}
	begin()
	if failed := c.Run(o.Records, o.Rate, took); failed > 0 {
		return m, fmt.Errorf("ceiling: %d of %d records failed", failed, o.Records)
	}
	if took != nil {
		slices.Sort(took)
		m.P50, m.P99 = took[len(took)/2]*1e3, took[len(took)*99/100]*1e3
	}
	return m, nil
}
