// Package codec cuts the byte stream of a connection into records, says of each
// which shard it belongs to or why it is rejected, and does both without
// copying or allocating.
//
//	newline  {"number":17}\n{"number":4}\r\n\n…      one a line, blank lines skipped
//	nul      {"number":17} 00 {"number":4} 00 …      the same with NULs
//	length   00 00 00 0d{"number":17}00 00 …         big-endian length, that many bytes; or of 2, or little-endian
//	octet    13 {"number":17}12 {"num…               the length in digits (RFC 6587)
//	json     {"number":17}{"number":4} {"num…        objects back to back
//	auto     by the first bytes (begin.go): length, octet, or text: json with lines as anchors
//
//	chunk ──▶ Decoder ──▶ simd ── finds ───────────────▶ judgeScanned ──┬─▶ Record
//	            │  ▲        │                                 ▲          │
//	            ▼  │        └─ stops ─▶ scan ── takes ────────┘          │
//	           carry                     └─ declines ─▶ judgeSlowly ─────┘
//	                                   (in text: object.follow finds the end)
//
// A chunk is lent with Feed; Next yields its records, which alias it. What is
// left unfinished is copied to the carry, a pooled buffer, and every byte of it
// is looked at once to find the end, however small the chunks. A record over
// the limit is followed to its end and not held (decoder.go).
//
// Three paths come to the same verdict:
//
//   - simd goes through a chunk 64 bytes at a time, where the machine has vectors,
//     as one long row of bits, and finds the ordinary records in it ahead of Next
//     (ahead.go, simd_amd64.h): no escapes, nesting to 63 levels. It stops at the first
//     that is anything else.
//   - scan reads a record once, eight bytes at a time: grammar, strings, UTF-8,
//     the routing field, and in text the record's end, in one pass. It takes what
//     clients send and declines all else (scan.go).
//   - judgeSlowly answers one question after the other and is right for any
//     bytes. sonic decides on the grammar (slow.go).
//
// Which of them decides can be wrong towards slow only. That is tested against
// CPython itself (oracle.py), on a corpus (gen_corpus.py) and on random inputs,
// and by fuzzing against encoding/json and math/big.
//
// # The verdict
//
// A record's reason is a function of its bytes and the options alone, in every
// framing and however it was cut. Where several apply, the first of these holds:
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
// Truncated is what the end of the stream cuts off but in newline and nul, where a last
// line is a record; also where it was over the limit already. Text that
// cannot become a record is one rejected record: in auto from where it began to
// the next object or LF, judged like any; in json, which ends there, to the byte that
// showed it, as bad_json or too_deep. In auto, before any record was accepted, it is none:
// the stream fails as Foreign. So it does in newline at an HTTP request's first line,
// since a page in a browser can send one to any port. What follows a BadLength is none.
// LooksLike guesses what the stream was.
//
// # Between objects
//
// In text, what is white space is skipped; what people put there besides is skipped and
// counted (Separators): commas, NULs (GELF), RSs (RFC 7464), and the brackets of arrays
// whose elements the objects are. A bracket that opens is one only if an object follows,
// so [1,2] is a rejected record, and one that closes only if an array is open.
//
//	[{"number":1},            two records, four separators
//	 {"number":2}]
//	{"number":3} 7 {"number":4}    a record, a rejected one, a record
//
// An error inside an object has no better end than the object: what is too deep is
// followed to its last brace, and in auto a raw LF ends it. The price of going on at the next
// brace is that an object inside of what was no record may be taken for one.
//
// # Non-obvious
//
//   - In text an object ends with the brace that closes its first, whatever
//     brackets are open, so {"a":[} ends, and is rejected. A closing bracket
//     without an open one counts for nothing. Both paths count depth this way.
//   - sonic reads four bytes where a literal begins, be there as many or not: nu was
//     null if ll lay behind it in memory. Only what ends in its own bracket is shown
//     to it, and what is shorter than that with zeros behind it.
//   - A float's shard is decided on its digits (float.go): strconv takes a thousand
//     times as long for some literals of six bytes as for others. What else is dear
//     is held to limits: BenchmarkHostile.
//   - Of duplicate keys sonic's Get takes the first, CPython and encoding/json the
//     last, so both paths look for members themselves.
//   - int() strips U+001C to U+001F from no string, though str.isspace() says
//     they are white space; and its digits are those of Unicode 14, not of Go's
//     tables (gen_tables.py).
//   - Of a field inside of other objects all paths look for its first name; the others are
//     looked for in the value found, which is known to be valid by then.
//   - A lone surrogate escape matches no field name and is no digit; in a key it
//     becomes U+FFFD, as in encoding/json.
//   - The last records of a chunk have less than eight bytes behind them: load
//     pads with zeros, which end strings and numbers and are part of neither.
package codec
