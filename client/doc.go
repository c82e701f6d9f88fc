// Package client sends JSON records to a `ringtail serve --ack kafka` server. It stores each record
// until the server has acked it, which means that the record is in Kafka or was rejected. When a
// connection breaks, it makes another one and sends again, in order, what was not acked.
//
//	   Send, any goroutine        writer, one goroutine          server
//	        │                          │
//	        ▼ copied, once             ▼ writes from the window
//	┌── window ──────────────────────────────────────┐
//	│ freed │ acked … │ sent … │ begun … │ queued …  │ ──── records ───► shard, Kafka
//	└────────────────────────────────────────────────┘
//	        ▲ room again                                           │
//	        │                                                      │
//	        └──── reader, one goroutine a connection ◄─── acks ────┘
//
// # What is promised
//
// Every record gets to Kafka at least once, or is rejected. A nil error from [Client.Send] means
// that the record is in the window, in this process's memory. A nil error from [Client.Flush] or
// [Client.Close] means that the server has acked every record before it. A record that was acked
// and not rejected is in Kafka. A record that is in the window when the process dies, or when Close
// gives up, may or may not be in Kafka. A program that must not lose it sends it again in its next
// process.
//
// Duplicates have three causes, and no others:
//
//   - A connection broke after the server had taken records, and before their ack was read. They
//     are sent again. They are at most as many as the window has; [Hooks.Resent] counts them, and
//     never too few.
//   - The caller sends again what an earlier process sent, or what was in the window when Close
//     gave up.
//   - The server had a failure of its own. It counts these duplicates.
//
// A connection that broke inside a record leaves no duplicate of it. The server counts it as
// `truncated` among the rejected records, and writes a dead letter if it has a topic for those.
//
// The numbers that Send returns are the order. Of two records with the same digit, the first copy
// of the one sent first is before the first copy of the other in Kafka, whatever broke in between.
// Second copies may come behind later records: A B C may become A B C B C or A B A B C, never B A.
// There is no order between different digits, nor between two Clients. The reason: a connection
// carries records without a gap, beginning behind the last one acked. So everything before was in
// Kafka before the connection was made.
//
// # Invariants
//
//  1. freed ≤ acked ≤ queued and acked, sent ≤ begun ≤ queued, each a count of
//     records since the Client was made. Only sent and begun ever fall, both to
//     acked, when a connection has ended.
//  2. freed is the lesser of acked and sent. A frame's bytes do not change until it is freed. So
//     the writer and [Options.OnReject] read them without the mutex. An ack that comes while the
//     writer is still in that frame's write call makes no room yet.
//  3. The server counts the records of a connection from 1. base is acked when the
//     connection was made; its record N is record base + N of the Client.
//  4. The reader believes an answer only if it is whole and can be true: it acks or rejects nothing
//     that was not begun on this connection. Anything else ends the connection, and what was not
//     acked is sent again.
//  5. What the client takes for one record the server takes for one record, in
//     every framing it may be set to (record.go). If the counts differed, an ack
//     would speak of another record than the client thinks.
//  6. At most one connection at a time; the old one's socket is closed, and its
//     reader has ended, before the next is dialled.
//
// # Who runs what
//
//	callers    Send, Flush, Close; Send copies under the mutex
//	writer     connects, writes, half-closes, backs off; sent, begun; Hooks.Sent, Resent, Reconnect
//	reader     reads answers; acked; OnReject, Hooks.Acked
//
// # Files
//
//	client.go    what callers use
//	options.go   how to reach the server, how much may be under way
//	errors.go    what went wrong
//	record.go    what may be sent
//	window.go    the records that are not acked
//	writer.go    connects and sends; backoff.go  how long it waits before
//	reader.go    reads the server's answers (package wire)
package client
