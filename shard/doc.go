// Package shard is the log between the event loops and Kafka: one ring a shard,
// many producers, one consumer. A ring holds exactly what Kafka does not have
// yet. Server and writer meet here and nowhere else.
//
//	            freed           read         claimed       freed + capacity
//	              │               │             │                  │
//	──────────────▼───────────────▼─────────────▼──────────────────▼──────► bytes
//	  Kafka has it │ handed over   │ published   │      free        │
//	  (room again) │ to the writer │ or in copy  │                  │
//
// Positions are bytes since the ring began, multiples of 64 (a granule), and
// only ever grow:
//
//	freed ≤ read ≤ claimed ≤ freed + capacity
//
// claimed: a producer reserves room for a whole batch, the records of one read
// of one connection, by one compare-and-swap that can fail. Nothing is ever
// taken back, so between Claim and Publish there is a memory copy and nothing
// else: no blocking, no early return, no panic.
//
// read: the consumer's cursor, known to the consumer alone. Batches become
// readable in claim order whatever order their copies end in: the consumer
// looks only at the granule under its cursor.
//
// freed: everything below is in Kafka, or set aside for good. Only the consumer
// moves it, from one batch border to another; only it makes room.
//
// # How a batch is published
//
// Beside the bytes lies a table with one 64-bit word a granule. A batch is
// published by one store to the word of its first granule:
//
//	63                    24 23            0
//	┌───────────────────────┬───────────────┐
//	│ lap + 1               │ granules      │   lap = position / capacity
//	└───────────────────────┴───────────────┘
//
// A word of another lap means "not yet", so nothing is ever zeroed, and since
// the table is apart from the bytes no client can fake a word. (The scheme is
// that of the LMAX Disruptor's multi-producer sequencer.)
//
// The obvious design, one ring a (loop, digit) with a single producer, needs no
// compare-and-swap. It was rejected: a record taken later on one loop could
// overtake one taken earlier on another. With one claim a batch the swap costs
// about a nanosecond a record.
//
// # Memory
//
// The bytes are mapped twice, back to back, so a batch is always contiguous:
// no wrap, no padding at the end. They lie outside Go's heap and never move, so
// librdkafka sends from them without a copy. The race detector cannot see
// mapped memory; under -race the storage is a Go slice of twice the capacity in
// which a batch is always reached through its start (storage_race.go).
//
// With a directory (OpenDir) the same bytes, words and positions lie in a file a ring,
// mapped the same way, under -race too. storage_file.go draws the file. What a dead
// process has left in it is found by reading (survey.go), put in order (open.go), and
// comes first; which batches count, and what is damage, is said in survey.go.
//
// # Files
//
//	ring.go     claim, append, publish, close
//	promise.go  room for a batch that is still being put together
//	reader.go   the consumer's side: next batch, its records, free, park
//	batch.go    the bytes of a batch
//	letter.go   what a dead letter carries beside its record
//	storage*.go memory, files
//	survey.go   what a ring file holds
//	window.go   reading batches from a file, and what makes one whole
//	open.go     recovery, and what a clean stop leaves
//	dir.go      a directory of ring files
//	owner.go    whose it must be, and what is opened in it
//	inspect.go  looking into them from outside
package shard
