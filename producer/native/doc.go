// Package native is a Kafka producer for one topic. It encodes Kafka's produce requests itself, and
// single records. franz-go's client gets the producer id and the metadata; TLS and SASL come from
// the standard library and from franz-go.
//
//	batch ──ProduceBatch──▶ waits whole          nothing is copied: its records stay in the ring
//	records ──Produce──▶ open batch of the stream      copied, into pieces of 4 and 32 KiB
//	                        │ Send: the partition has no batch, its leader no request
//	                        ▼
//	                     sealed batch of the partition     id, sequence, checksum
//	                        │
//	                        ▼
//	                     request to the broker     a batch of each partition that it leads
//	                        │
//	                        ▼
//	                     response ──Poll──▶ Progress: acked, or failed
//
// The engine's goroutine does all of this, but for three: each request has a goroutine, one keeps
// the metadata new, and one connects to the leaders before the first record. They share with the
// engine what stands at the end of Client, and no more.
//
// # Guarantees
//
//  1. A partition has at most one sealed batch, and a broker at most one request. So no record
//     overtakes another, and brokers see sequences without gaps.
//  2. A sealed batch is sent until its fate is known, always with the same bytes, id and sequence,
//     to whichever broker leads its partition then. A broker that has it already says so, and does
//     not write it twice. When the leader moves and the former one has not responded within
//     moveAfter, requests to two brokers may carry the batch at the same time.
//  3. The memory of a batch, which may be a ring's, is not used again while a request may read it. A
//     ring's is free once the batch is acked. So a batch goes to another leader only when the network
//     has all of the former request, or has given it up; and what a former leader says counts only
//     while no request reads the batch.
//  4. acked moves when the response to any request of the batch says that it is written, and by
//     nothing else. What an earlier request of that batch comes to afterwards changes nothing.
//  5. Once a batch is refused for good, or Purge was called, the client seals no new batch. So no
//     later record of the stream overtakes it. The engine makes another client, which gets another
//     producer id.
//  6. A batch may have been written if a request that carried it got no response, or a response
//     that does not rule it out. If the client then gives it up, it counts as a possible duplicate.
//
// # What a broker cannot do
//
// A broker cannot make the client wait or work for ever, neither by what it says nor by silence:
//
//   - a request of a size that never gets through is made smaller (size.go);
//   - metadata that is older than what the client knows is not believed, unless there is no other
//     (metadata.go);
//   - an error that may pass is tried again, any other at most a few times (codes.go);
//   - what it says of partitions, times and marked records is bounded, and a fuzzer tries the rest
//     (fuzz_test.go).
//
// model_test.go plays the guarantees against brokers and a network that do whatever they may do.
// conn_test.go tests against an embedded Kafka, ../kafka_test.go against a real one.
//
// # Why one request
//
// All partitions of a broker travel in one request. librdkafka makes a request for each partition,
// and only one of them may be under way (producer/properties.go says why). With ten partitions, ten
// round trips then follow each other, and an ack waits for the last. Here it is one round trip, and
// one wake-up of each thread on the way.
//
// # Files
//
//	client.go      Client: progress out, its end             conn.go        connections to brokers
//	produce.go     batches and records in                    compress.go    compression, apart
//	batch.go       the encoder of record batches             request.go     the encoder of requests
//	chunk.go       their memory                              decode.go      the decoder of responses
//	send.go        which batches go, and to which broker     codes.go       what error codes mean
//	response.go    what a response does                      metadata.go    producer id, leaders
//	size.go        how large requests may be                 insight.go     what is told of brokers, and how long
//	events.go      log lines and errors for the engine                      records were where
package native
