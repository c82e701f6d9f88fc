// Package producer writes what the rings hold to Kafka, in order, and moves the
// rings' freed positions once Kafka has it.
//
//	ring 0 ─┐                     ┌─ partition 0
//	ring 1 ─┼─ engine ─── client ─┼─ partition 1      one goroutine an engine,
//	  …     │  (lines)            │    …              one client at a time
//	ring 9 ─┘                     └─ partition 9
//	dead ring ── engine ─── client ── dead-letter topic
//
// An engine is one goroutine that does everything for its shards: it reads
// batches, hands records over by the thousand to a client (package backend says what that is: native, or
// librdkafka with the reports counted in C), polls it, frees rings, and carries the failure protocol. There
// is no second thread inside, so the protocol is a plain state machine that a test
// drives step by step (model_test.go). What other goroutines touch is listed at
// the engine's fields: atomics for readers, Parker and poke for wakers.
//
// # The instance
//
//		          ┌────────────────────── back-off, topic is well ◄──────────────┐
//		          ▼                                                              │
//		      rebuilding ──new──► running ──failure──► settling ──all reported──► destroying
//		                            │  ▲                  ▲        or given up      │ 60 s
//		                            │  └──────────────────┼── topic's limit fell    ▼
//		                            └──drained──► ended   │                        die
//
//	  - running: records are handed over, reports move acked.
//	  - settling: nothing is handed over any more. The client's queues are purged, and
//	    purged again, until every record handed over has been reported. Requests under
//	    way end by themselves; after socket.timeout.ms + 1 s they are purged as well.
//	    A settling for a lower topic limit does not purge: it waits.
//	  - destroying: the client's Destroy runs; if it does not return in a minute the
//	    process ends with 1 (a producer that still sends must not have a second one beside it).
//	  - rebuilding: waits for the back-off and for a look at the topic that is newer
//	    than the failure; then a new instance is made and every line is sent again
//	    from its acked.
//
// # A line (one shard, or the dead letters)
//
// Records handed over are numbered without gaps; a record that was set aside has no
// number. Always acked ≤ sent, and:
//
//  1. acked moves on an ok report only, along an unbroken run (librdkafka/client.c, native/response.go). A failure, a
//     purge, a report out of order never move it.
//  2. A batch is freed once all its numbers are below acked and, if one of its
//     records was set aside, once that one's letter is in Kafka.
//  3. Nothing is handed over between the first failure and the next instance, so no
//     record overtakes one that failed.
//  4. A new instance starts at acked: what Kafka may have beyond it is sent twice,
//     and was counted before (possible duplicates). First copies stay in order,
//     since a line's records beyond acked that Kafka has are sent again as a run.
//  5. sent − acked ≤ Window: one stuck partition cannot fill the queue that all
//     share, and that is the bound on duplicates.
//
// # Blame
//
// Two verdicts set a record aside: its own size against the topic's limit, and
// INVALID_RECORD where the broker marked it and cleared its neighbours (or it was
// alone). Every other failure blames nobody: the shard is not ready, its clients
// feel backpressure, and the instance is rebuilt until it works. There is no search
// for a culprit by halves: any client could buy seconds of outage with one record.
//
// # Files
//
//	producer.go      all engines of a server: open, start, drain, stats
//	options.go       what it is made with
//	check.go         what is asked before the first record; which writer gets through
//	engine.go        the state machine
//	linger.go        linger.ms
//	handover.go      handing over, setting aside
//	stream.go        one shard: batches in flight, window, cursor
//	failure.go       failure, settling, destroying, rebuilding
//	limits.go        sizes that only refusals tell
//	health.go        what readiness is told, and when trouble is over
//	events.go        what the client says: log lines, errors, statistics
//	recovery.go      what is left in ring files, and found there
//	topic.go         what the topic is: partitions, limit, policy
//	admin.go         whom topic.go asks, and who may still be asking
//	connectivity.go  the way to Kafka, and what is in it
//	backend.go       which writer, and the properties in its words
//	properties.go    librdkafka's properties, and those that are refused
//	metrics.go       counters and the delivery histogram
//	discard.go       --sink discard
package producer
