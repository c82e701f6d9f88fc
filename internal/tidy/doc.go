// Package tidy holds the project's rules as tests: which package may import which,
// how long files and functions may be, what may not be in them, and that the files
// and functions that the documents name exist.
//
//	codec   shard ── invariant, platform
//	  ▲  ▲   ▲  ▲
//	  │  └───┤  │
//	 server  │ producer        never each other
//	  ▲      │     ▲
//	  └── node ────┘     bench, toolbox …
//	       ▲
//	   cmd/ringtail
package tidy
