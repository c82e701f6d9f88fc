// Package soak loads a server for as long as wanted and checks every record
// while it is on its way, in memory that does not grow with the length.
//
//	Fleet ── N connections, each a gapless run of records ──▶ server ──▶ Kafka
//	  │ ▲        broken ones are made again; what was not acked            │
//	  │ └─ acks  is sent again, marked with the number of the try          │
//	  │                                                                    │
//	  └── begun, acked, try ──▶ Checker ◀── Reader, franz-go ──────────────┘
//	                            next by connection and digit
//	                            last by connection, try and digit
//
// # What can be told apart
//
// A record says whose it is: connection, sequence number, and try, which is
// how many connections its client had made when it was sent. Everything else
// in it follows from connection and sequence number, so the checker makes it
// again and compares.
//
// The records of one connection and digit are a list that both sides can
// write down, and they come in one partition. So in a topic as promised the
// first copies are just that list, one after the other:
//
//   - next one of the list: the first copy, in its place
//   - a later one: those between are passed over. If they come after all, they
//     are out of order; if not, missing
//   - an earlier one, of a try from which no later one has come: its client
//     sent it again (at most as many as the fleet counts)
//   - an earlier one, of a try from which it or a later one has come: a copy
//     that the server made (at most as many as the server counts)
//
// # False acks
//
// Kafka has what was acked, when it was acked. An audit notes what every
// client has been told is done, then asks Kafka for the ends of the partitions,
// and when the reader has passed them the checker must have seen it all.
package soak
