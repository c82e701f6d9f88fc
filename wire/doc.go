// Package wire is what a Ringtail and its clients must agree on: the framings of a stream, and the
// answers of the server. It needs nothing but the standard library, so that a program which only
// sends records (package client) takes nothing else with it.
//
//	client ── records, in a Framing ──────────────────────────────▶ server
//	       ◀─ answers, in the same framing, with --ack kafka ──────
//
//	text     {"acked":17}\n
//	length   00 00 00 0c {"acked":17}
//
//	{"acked":N}                          the first N records of the connection are done for good
//	{"rejected":K,"reason":"bad_json"}   the K-th record, from 1, was rejected
//
// Where the server has a --token-file, a connection begins with {"token":"…"}, framed like a record.
//
// An answer counts only when it is whole: {"acked":1 may be the beginning of 17.
//
// Files: framing.go has the framings, their words, and which the tools send; answer.go reads
// answers; token.go has the token. Package codec cuts streams into records; server/ack/wire.go writes the answers.
package wire
