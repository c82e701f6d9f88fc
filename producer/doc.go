// Package producer writes the records of the rings to Kafka, in order, and frees the rings as far
// as Kafka has the records.
//
//	ring 0 ─┐                     ┌─ partition 0
//	ring 1 ─┼─ engine ─── client ─┼─ partition 1      one goroutine an engine,
//	  …     │ (streams)           │    …              one client at a time
//	ring 9 ─┘                     └─ partition 9
//	dead ring ── engine ─── client ── dead-letter topic
//
// An engine is one goroutine. It reads batches from its rings, hands them to a client, polls the
// client for what became of them, and frees the rings. Records lie in the rings encoded, so it
// looks at none: it hands over whole Kafka batches, and single records only where it must
// (handbatch.go) or to a client that takes nothing else. A client is a Kafka producer: package
// native writes Kafka's protocol itself, package librdkafka calls librdkafka. Package backend says
// what an engine expects of both.
//
// A client that fails is given up whole, and the engine makes another one. With one goroutine, this
// is a plain state machine, and a test drives it step by step (model_test.go). Other goroutines
// touch only the last block of the engine's fields.
//
// # States of an engine
//
//	    ┌──────────────── back-off is over, topic is well ◄────────────┐
//	    ▼                                                              │
//	rebuilding ──new──► running ──failure──► settling ──all reported──► destroying
//	                      │  ▲                  ▲        or given up      │ 60 s
//	                      │  └──────────────────┼── topic's limit fell    ▼
//	                      └──drained──► ended   │                        die
//
// In each of them:
//
//   - running: the engine hands records over, and reports move acked.
//   - settling: the engine hands over nothing more. It purges the client's queues, again and
//     again, until every record that it handed over is reported. Requests under way may end by
//     themselves; after socket.timeout.ms + 1 s the engine purges them as well. When it settles
//     only because the topic's limit fell, it does not purge, and waits.
//   - destroying: the client's Destroy runs. If it does not return within a minute, the process
//     ends with 1: beside a producer that still sends, a second one could write records out of
//     order.
//   - rebuilding: the engine waits for the back-off, and for a refresh of the topic that is newer
//     than the failure. Then it makes the next client, and each stream starts again at acked.
//
// # Streams
//
// A stream is one shard, or the dead letters, on its way to one partition. The engine numbers the
// records that it hands over, without gaps. A record that is set aside (below) has no number.
// Always acked ≤ sent, and:
//
//  1. acked moves only on ok reports, along an unbroken run (librdkafka/client.c,
//     native/response.go). A failure, a purge or a report out of order never moves it.
//  2. The engine frees a batch once all its numbers are below acked and, if a record of it was set
//     aside, once that record's dead letter is in Kafka.
//  3. Between the first failure and the next client the engine hands over nothing. So no record
//     overtakes one that failed.
//  4. A new client starts at acked. What Kafka has beyond acked is sent twice, and was counted
//     before that, as possible duplicates. First copies stay in order: the records beyond acked are
//     sent again as a run.
//  5. sent − acked ≤ WindowRecords, and the same for bytes. So one stuck partition cannot fill the
//     queue that all share, and there are no more duplicates than that.
//
// # Records set aside
//
// Kafka refuses some records for good. The engine sets such a record aside: it becomes a dead
// letter, if there is a topic for those, and the shard goes on without it. There are three reasons:
//
//   - the record is larger than the topic takes;
//   - the topic is compacted, and the record has no key;
//   - with two clients in a row, the broker marked the record as INVALID_RECORD, and either cleared
//     the other records of its batch or there were none.
//
// After any other failure the engine sets nothing aside: the shard is not ready, its connections
// feel backpressure, and the engine makes new clients until one works. It does not search for a bad
// record by halving batches: with one record, anybody who may send could then buy seconds of
// outage.
//
// # Files
//
//	producer.go      all engines of a server: open, start, drain, what they counted
//	options.go       what a Writer is made with
//	check.go         what is tried before the first record; which client gets through to Kafka
//	engine.go        the state machine
//	linger.go        linger.ms
//	handover.go      handing records over one by one, setting them aside
//	handbatch.go     handing Kafka batches over whole
//	stream.go        one shard: batches in flight, window, cursor
//	failure.go       failing, settling, destroying, rebuilding
//	limits.go        sizes that nobody tells, learned from refusals
//	health.go        what readiness is told; the end of a stall
//	events.go        the client's log lines, errors and statistics
//	recovery.go      what a process leaves in ring files, and finds there
//	topic.go         what the topic is: partitions, limit, policy; permission.go  may we write to it
//	admin.go         who asks brokers; asker.go  what is asked, and franz-go's answers
//	librdkafka.go    all that links librdkafka; librdkafka_none.go  a build without C
//	connectivity.go  the way to Kafka, and what blocks it
//	backend.go       which client, and the properties in native's words
//	properties.go    librdkafka's properties, each with its reason
//	metrics.go       counters and histograms; delivery.go  how long records took
//	insight.go       what lies between the rings and Kafka, for whoever asks
//	seen.go          what others see of an engine: ages, stages, troubles
//	silence.go       brokers that owe an answer: do they speak?
//	discard.go       --sink discard
package producer
