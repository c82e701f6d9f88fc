// Package conformance tries a client of `serve --ack kafka`, in any language, on servers that do what
// real ones do in bad moments. It needs no Kafka.
//
//	records ──► the client's standard input        the client ──► a scripted server, its ledger
//	            `rejected K reason` ◄── its standard output        its exit code ──► judged
//
//	run.go     starts the server and the client of a case, and judges
//	cases.go   what the servers do
//	server.go  a scripted server: framing, greeting, answers
//	ledger.go  what was taken, and what must be true of it
package conformance
