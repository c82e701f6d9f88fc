// Package shard is the log between the event loops and Kafka. It has one ring for each shard, with
// many producers and one consumer, and one more for dead letters. A ring holds exactly what Kafka
// does not have yet, encoded as Kafka has it. The server and the writer meet here and nowhere else.
//
//	            freed           read         claimed       freed + capacity
//	              │               │             │                  │
//	──────────────▼───────────────▼─────────────▼──────────────────▼──────► bytes
//	  Kafka has it │ handed over   │ published   │      free        │
//	  (room again) │ to the writer │ or in copy  │                  │
//
// A position counts bytes since the ring began. Positions are multiples of 64 (a granule), and they
// only grow:
//
//	freed ≤ read ≤ claimed ≤ freed + capacity
//
// claimed: a producer reserves room for a whole batch, which is the records of one read of one
// connection, by one compare-and-swap that can fail. A claim is never taken back. So between Claim
// and Publish a producer copies memory and does nothing else: it does not block, return early or
// panic.
//
// read: the consumer's cursor, which only the consumer knows. Batches become readable in the order
// of their claims, whatever order their copies end in, because the consumer looks only at the
// granule under its cursor.
//
// freed: everything below is in Kafka, or set aside for good. Only the consumer moves it, from one
// batch border to another. Nothing else makes room.
//
// # How a batch is published
//
// Beside the bytes lies a table with one 64-bit word for each granule. One store to the word of the
// batch's first granule publishes the batch:
//
//	63                    24 23            0
//	┌───────────────────────┬───────────────┐
//	│ lap + 1               │ granules      │   lap = position / capacity
//	└───────────────────────┴───────────────┘
//
// A word of another lap means "not yet". So nothing has to be zeroed. The table is apart from the
// bytes, so no client can fake a word. (The scheme is that of the LMAX Disruptor's multi-producer
// sequencer.)
//
// # Kafka batches
//
// A record of a Kafka batch says which number it has in it. So who encodes a record must know that
// number, and who claims learns it: the word that claims swap counts the records and bytes of the
// Kafka batch that is being filled (claimed.go). A claim that does not fit into it begins the next
// one. So does the first claim after EndKafkaBatch, by which the consumer says that it takes what
// there is.
//
//	claims     │ 0 … 29 │ 30 … 41 │ 42 … 44 │ 0 … 17 │ 18 … 20 │      numbers of their records
//	           └───────── Kafka batch ──────┘└──── Kafka batch ──┘
//
// A Kafka batch is a run of claims in the order of their positions, numbered from 0 without a gap.
// The writer sends their bytes as they lie here: between event loop and socket a record is copied
// once. The checksum of a Kafka batch is joined from those of its claims, each computed by who
// wrote it.
//
// # Why one ring for all loops
//
// The obvious design is one ring for each loop and shard, with a single producer; it needs no
// compare-and-swap. We rejected it because a record taken later on one loop could overtake one
// taken earlier on another. With one claim for a batch, the swap costs about a nanosecond a record.
//
// # Memory
//
// The bytes are mapped twice, back to back, so that a batch is always contiguous: there is no wrap
// and no padding at the end. They lie outside Go's heap and never move, so librdkafka sends from
// them without a copy. The race detector cannot see mapped memory. Under -race the memory is a Go
// slice of twice the capacity, in which a batch is always reached through its start
// (memory_plain.go).
//
// # Ring files
//
// OpenDir keeps the same bytes, words and positions in one file for each ring. The files are mapped
// the same way, under -race too. file_format.go draws the file. A new process reads what a dead one
// has left (file_scan.go), puts it in order (file_recover.go), and sends it before anything new.
// file_scan.go says which batches count, and what is damage.
//
// # Files
//
//	ring.go      claim, append, publish, close
//	claimed.go   the word that claims swap; Kafka batches
//	encode.go    a record as it stands in a Kafka batch
//	promise.go   room for a batch that is still being put together
//	reader.go    the consumer's side: next batch, free, sleep until there is one
//	batch.go     the bytes of a batch, and its records
//	headers.go   Kafka headers that all records of a batch have
//	set.go       all rings of a server
//	deadletter.go   what a dead letter carries beside its record
//
//	memory.go         a ring's memory
//	memory_mapped.go  … mapped, with memory_twice.go
//	memory_plain.go   … under the race detector, and without Linux
//
//	file_format.go   a ring file's layout and its header
//	file.go          a ring file in use: it is made and mapped here, batches are sealed
//	file_dir.go      a directory of ring files, and whose records they hold
//	file_check.go    whether it could be had, without making anything
//	file_owner.go    which directories and files are safe to open
//	file_scan.go     finds out what a file holds
//	file_reader.go   reads batches from a file, and checks them
//	file_recover.go  opens a file, and marks a clean stop in it
//	file_inspect.go  looks into files from outside
//	file_export.go   prints their records, those of damaged files too
package shard
