// Package codec cuts the byte stream of a connection into records. For each record it says which
// shard it belongs to, or why it is rejected. It does both without copying and without allocating.
//
//	newline  {"number":17}\n{"number":4}\r\n\n…      one a line, blank lines skipped
//	nul      {"number":17} 00 {"number":4} 00 …      the same with NULs
//	length   00 00 00 0d{"number":17}00 00 …         big-endian length, that many bytes; or of 2, or little-endian
//	octet    13 {"number":17}12 {"num…               the length in digits (RFC 6587)
//	json     {"number":17}{"number":4} {"num…        objects back to back
//	auto     decided by the first bytes: length, octet, or text, which is json with lines as anchors
//
//	chunk ──▶ Decoder ──▶ simd ── finds ───────────────▶ judgeScanned ──┬─▶ Record
//	            │  ▲        │                                 ▲          │
//	            ▼  │        └─ stops ─▶ scan ── takes ────────┘          │
//	          partial                    └─ declines ─▶ judgeSlowly ─────┘
//	                                   (in text: object.follow finds the end)
//
// The caller lends a chunk with Feed. Next returns the chunk's records, which alias it. An
// unfinished record is copied to a pooled buffer (partial). Every byte of it is looked at once to
// find the end, however small the chunks are. A record over the limit is followed to its end, but
// not stored (decoder.go).
//
// Three paths come to the same verdict:
//
//   - simd goes through a chunk 64 bytes at a time, where the machine has vectors, and finds the
//     ordinary records in it ahead of Next (lookahead.go, simd_amd64.h): no escapes, nesting to 63
//     levels. It stops at the first record that is not of this kind.
//   - scan reads a record once, eight bytes at a time. One pass checks the grammar, strings and
//     UTF-8, and finds the routing field and, in text, the record's end. It takes what clients
//     usually send, and declines everything else (scan.go).
//   - judgeSlowly answers one question after the other, and is right for any bytes. sonic decides
//     on the grammar (slowpath.go).
//
// If a fast path declines a record that it could have taken, the record only takes longer. That the
// paths agree is tested against CPython itself (testdata/oracle.py), on a corpus
// (testdata/gen_corpus.py) and on random inputs, and by fuzzing against encoding/json and math/big.
//
// # The verdict
//
// A record's reason depends on its bytes and the options alone, in every framing and however it was
// cut. Where several reasons apply, the first of these is given:
//
//	too_large       more bytes than the limit, white space around it not counted
//	bad_utf8        as bytes.decode('utf-8') has it: no surrogates, nothing overlong
//	too_deep        more than 512 braces and brackets open at once, outside strings
//	bad_json        not RFC 8259 JSON; so NaN, Infinity and a BOM are out
//	bad_number      an integer literal of more than 4,300 digits anywhere
//	not_object
//	missing_field
//	bad_number      int() raises on the field's value
//
// A record is truncated if the stream ends inside it, even if it was over the limit already. In
// newline and nul the last line is a record without its delimiter.
//
// In text, bytes that cannot become a record are one rejected record. In auto it goes from where it
// began to the next object or LF, and is judged like any other. In json the stream ends there: the
// record goes to the byte that showed the error, with bad_json or too_deep.
//
// A stream fails, and yields no more records, in these cases:
//
//	foreign      auto: such an error before any record was accepted
//	             newline, nul: an HTTP request's first line before any record was accepted, since a page
//	             in a browser can send one to any port
//	bad_length   a length over MaxLength, or bytes that are none
//	bad_stream   json: see above
//	no_token     a stream that had to begin with a token, and did not
//
// LooksLike guesses what the stream was.
//
// # Between objects
//
// In text, white space between objects is skipped. What people put there besides is skipped and
// counted (Separators): commas, NULs (GELF), RSs (RFC 7464), and the brackets of arrays whose
// elements the objects are. An opening bracket is one of these only if an object follows, so [1,2]
// is a rejected record. A closing bracket is one only if an array is open.
//
//	[{"number":1},            two records, four separators
//	 {"number":2}]
//	{"number":3} 7 {"number":4}    a record, a rejected one, a record
//
// After an error inside an object, the object's own end is the best place to go on: an object that
// is too deep is followed to its last brace, and in auto a raw LF ends it. Where the decoder goes
// on at the next brace instead, it may take an object inside of what was no record for a record.
//
// # Non-obvious
//
//   - In text an object ends with the brace that closes its first one, whatever brackets are open.
//     So {"a":[} ends, and is rejected. A closing bracket without an open one counts for nothing.
//     Both paths count depth this way.
//   - sonic reads four bytes where a literal begins, even if the input has fewer: nu was null if ll
//     lay behind it in memory. So sonic is shown only values that end in a bracket of their own,
//     and very short ones with zeros behind them.
//   - A float's shard is decided on its digits (float.go): strconv takes a thousand times as long
//     for some literals of six bytes as for others. BenchmarkHostile sets limits to everything else
//     that is dear.
//   - Of duplicate keys sonic's Get takes the first, CPython and encoding/json the last. So both
//     paths look for members themselves.
//   - int() does not strip U+001C to U+001F, although str.isspace() says that they are white space.
//     Its digits are those of Unicode 14, not of Go's tables (testdata/gen_tables.py).
//   - If the routing field is inside other objects, all paths look for its first name. The others
//     are looked for in the value found, which is known to be valid by then.
//   - A lone surrogate escape matches no field name and is no digit. In a key it becomes U+FFFD, as
//     in encoding/json.
//   - The last records of a chunk have less than eight bytes behind them: load pads with zeros,
//     which end strings and numbers and are part of neither.
//
// # Files
//
//	framing.go          what differs between framings; how to add one. Package wire has their words
//	framing_newline.go  newline, nul
//	framing_length.go   length, framing_octet.go  octet
//	framing_json.go     json, and auto once it is text
//	framing_auto.go     what a stream begins with
//	decoder.go          a connection's stream; partial.go  its unfinished record
//	unread.go           giving bytes back, for a caller that peeks
//	lookahead.go        records found ahead of Next; simd_*  by vectors
//	token.go            what a stream may have to begin with, before all records
//	router.go           the options, and the verdict on one record
//	scan.go             the single pass; nested.go  its arrays and objects
//	slowpath.go         the right one; grammar_*.go  sonic, or encoding/json; unescape.go  names and keys
//	digit.go            a value's shard; float.go, tables.go
//	reason.go           why a record is rejected; failure.go  why a stream is given up
//	lookslike.go        what it may have been
package codec
