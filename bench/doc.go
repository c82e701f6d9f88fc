// Package bench loads a Ringtail over TCP and checks, from outside, what came
// of every record.
//
//	Pool ── thousands of different JSON records, made once
//	  │        each carries run, conn, seq and a checksum of its bytes
//	  ▼
//	Load ── N connections ──TCP──▶ the server ──▶ Kafka
//	  │          ▲ acks                             │
//	  │          └── latency from the intended      │ franz-go, no code of
//	  │              send time (open loop)          │ the server's
//	  ▼                                             ▼
//	Sent {conn: sent, acked} ──────────────────▶ Checker ──▶ Verdict
//
// A record's bytes follow from (run, conn, seq) alone: the checker makes each
// again and compares, and needs one bit of memory a record besides. The digit
// follows too, so it knows the partition each one belongs in and the order
// that a connection sent each digit in.
//
// Files:
//
//	options.go     what to send, and how
//	load.go        a run of many connections; connection.go  one of them; clock.go  when records are due
//	record.go      the records; stream.go  their bytes on a connection
//	check.go       what came of them; readback.go  reads the topic
//	result.go      what a run says; compare.go  two of them
//	job.go         load and check together, for ringtail bench
//
// The package is a library: cmd/ringtail binds Options to flags, and the
// end-to-end and fault tests drive it directly.
package bench
