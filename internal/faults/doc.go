// Package faults breaks things on purpose and checks what became of every
// record.
//
//	Row ── Kafka of its own (kafkatest), server of its own (e2e), load (bench)
//	 │         ▲ kill, freeze, delete, forbid, throttle
//	 ▼         │
//	Case ──────┘── proof: the fault moved a counter
//	 │
//	 ▼
//	Report: L acked but missing · D duplicates · O order · M partition · X bytes
//
// A row is run with a seed, which decides when and whom the fault hits. It
// fails unless all five counts are what the row allows (nearly always zero),
// everything sent arrives, the server's own books agree, its memory is back
// near its start and fresh records flow. It also fails when the fault cannot
// be proved to have happened: a test of nothing passes too easily.
//
// The checker is no part of the process under test and reads Kafka with
// another library. Row "control" harms records on purpose, in a real Kafka, and
// fails unless the checker sees it.
//
// Rows that kill the server, and the soak, have clients that send again what
// was not acked, and a checker that reads along: package soak. The soak draws
// faults at random, one after another or two at once (chaos.go), for as long as
// asked.
//
// `go test` runs the quick rows, `make faults` all of them, again and again.
package faults
