// Package client sends JSON records to `ringtail serve --ack kafka`, and knows what became of them.
//
//	c, err := client.New(client.Options{Address: "tls://ringtail-1:8888,tls://ringtail-2:8888"})
//	…
//	_, err = c.Send(ctx, []byte(`{"number":17}`))      // in the window; many a second
//	err = c.SendWait(ctx, []byte(`{"number":18}`))     // nil: in Kafka
//	…
//	err = c.Close(ctx)                                 // nil: all are in Kafka, or OnReject was told
//
// A Client stores each record in its window until the server has acked it, which means that the
// record is in Kafka or was rejected. When a connection breaks, the Client makes another one, to the
// next address, and sends again, in order, what was not acked. Send waits while the window is full:
// that is how Kafka's pace gets to the caller.
//
// No record is sent to a server that does not ack. A connection begins with a blank record, which
// such a server never answers; the Client then gives up, with [ErrNoAcks].
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
//     are sent again, to the next address. They are at most as many as the window has;
//     [Stats].Resent counts them, and never too few.
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
// Kafka before the connection was made. With several addresses it holds as long as the server that
// was left has ended: one that is cut off and lives may still write what it had taken.
package client
