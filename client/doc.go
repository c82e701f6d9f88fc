// Package client sends JSON records to a `ringtail serve --ack kafka` server and
// keeps each until the server has said that it is done for good: in Kafka, or
// rejected. When a connection breaks it makes another and sends again, in order,
// what was not acked.
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
// At least once. A nil error from [Client.Send] means that the record is in the
// window, in this process's memory; a nil error from [Client.Flush] or
// [Client.Close] means that the server has called every record before it done. A
// record that was acked and not rejected is in Kafka. What is in the window when
// the process dies, or when Close gives up, may or may not be in Kafka: who must
// not lose it sends it again in the next process.
//
// Duplicates come from three places: a connection that broke after the server took
// records and before their ack was read, which are then sent again (at most the
// window; [Hooks.Resent] counts them, and never too few); a caller who sends again
// what an earlier process, or a Close that failed, had sent; and the server, after
// a failure of its own, which counts them. Nothing else makes any. A connection that
// broke inside a record leaves no duplicate of it, but a `truncated` in the server's
// count of rejected ones, and a dead letter where it keeps those.
//
// Order: the numbers that Send returns are the order. Of two records with the same
// digit, the first copy of the one sent first is before the first copy of the other
// in Kafka, whatever broke in between. Second copies may come behind later records:
// A B C may become A B C B C or A B A B C, never B A. Across digits there is no
// order, nor between two Clients. The reason is that a connection carries a gapless
// run of records, and the run begins behind the last one acked: whatever comes
// before the run was in Kafka before the connection was made.
//
// # Invariants
//
//  1. freed ≤ acked ≤ queued and acked, sent ≤ begun ≤ queued, each a count of
//     records since the Client was made. Only sent and begun ever fall, both to
//     acked, when a connection has ended.
//  2. freed is the lesser of acked and sent. A frame's bytes do not change until it
//     is freed; so the writer and [Options.OnReject] read them without the mutex,
//     and an ack that comes while the writer is still in that frame's write call
//     gives no room yet.
//  3. The server counts the records of a connection from 1. base is acked when the
//     connection was made; its record N is record base + N of the Client.
//  4. An answer is believed only if it is whole and can be true: it acks or rejects
//     nothing that was not begun on this connection. Anything else ends the
//     connection, and what was not acked is sent again.
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
// The files: client.go what callers see; window.go the positions; writer.go and
// reader.go the two goroutines; answer.go what the server says; record.go what may
// be sent; backoff.go; options.go; errors.go.
package client
