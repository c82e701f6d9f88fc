// Package native writes records to one topic by encoding Kafka's record batches and produce
// requests itself. Producer ids and leaders it learns through franz-go's client; TLS and
// SASL are the standard library's and franz-go's.
//
//	records ──Produce──▶ open batch of the line     copied once, into pieces of 4 and 32 KiB
//	                        │ Send: the partition has no batch, its leader no request
//	                        ▼
//	                     sealed batch of the partition     id, sequence, checksum
//	                        │
//	                        ▼
//	                     request to the broker     a batch of each partition that it leads
//	                        │
//	                        ▼
//	                     answer ──Poll──▶ Track: acked, or failed
//
// Everything but the requests' own goroutines and the one that watches leaders is the
// engine's goroutine. What it shares with them is in Client's last block and in atomics.
//
// # What holds
//
//  1. A partition has one sealed batch at most, and a broker one request at most. So nothing
//     overtakes, and brokers see sequences without gaps.
//  2. A sealed batch is sent again with the same bytes, id and sequence, to whoever leads its
//     partition then, until its fate is known: a broker that has it says so instead of
//     writing it twice. Where the leader moves and the former one has not answered for
//     moveAfter, requests to two brokers hold the batch at the same time.
//  3. Its memory is not used again while a request may read it.
//  4. acked moves when the answer to any request of the batch says that it is written, and by
//     nothing else. What else an earlier request still comes to changes nothing.
//  5. Once a batch is refused for good, or Purge was called, no new batch is sealed: what
//     comes behind in the line cannot get ahead of it. The engine makes another client, which
//     has another producer id.
//  6. A batch of which a request has no known end, or ended with an error that does not
//     exclude it, is "maybe" written, and is counted so if it is given up.
//
// # What a broker may not do
//
// Make the client wait for ever, or work for ever, by its word or by its silence: a request of
// a size that never passes is made smaller (size.go); leaders of old are not believed, unless
// nobody tells newer ones (metadata.go); an error that may pass is tried again, one that may not
// is so only a few times (codes.go); what is said of partitions, of time and of marked records
// is bounded, and the fuzzer speaks for the broker (fuzz_test.go).
//
// model_test.go plays them against brokers and a network that do everything that may be
// done, conn_test.go against an embedded Kafka, and ../kafka_test.go against a real one.
//
// # Why one request
//
// All partitions of a broker travel in one request, where librdkafka makes one for each. It
// may have only one of those under way (producer/properties.go says why), so with ten
// partitions ten round trips follow each other, and an ack waits for the last. Here it is
// one, for one wake-up of everybody on the way.
package native

import _ "github.com/ringtail/ringtail/internal/platform" // or no build
