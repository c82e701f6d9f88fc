// Package config is how a flag of ringtail gets its value.
//
//	command line ──►┐
//	RINGTAIL_… ────►├─ the first that says something ──► the flag
//	--config FILE ─►│
//	default ───────►┘
//
// A flag, a variable and a key of the file are the same thing by three names:
// --ring-bytes, RINGTAIL_RING_BYTES, ring-bytes. Errors say which of the three it
// was, because that is where the reader has to go. Repeatable flags are lists in
// the file and comma-separated in the environment; a list replaces the one of the
// next source, they are never merged.
//
// The types Size, Duration, List and Properties are the flags' types.
package config
