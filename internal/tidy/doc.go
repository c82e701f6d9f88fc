// Package tidy holds the project's rules as tests: which package may import which,
// how long files, functions and lines of prose may be, which words are retired, and that the files
// and functions that the documents name exist.
//
//	 wire
//	  ▲
//	codec   shard ── invariant, platform, crc32c
//	  ▲  ▲   ▲  ▲
//	  │  └───┤  │
//	 server  │ producer        never each other
//	  ▲      │     ▲
//	  └── node ────┘     bench, kafkatools …
//	       ▲
//	   cmd/ringtail
package tidy
