// Package platform is imported for its refusal to build where Ringtail's server cannot run.
//
// What shard needs: 64 bits, since positions are 64-bit words that are swapped and lie in files
// beside lengths that are ints; Linux, for memory that is mapped twice, files that are allocated
// ahead, epoll, or macOS, for development, with what stands in for them; little-endian, since a ring file's words are the memory of atomics, and are read as
// little-endian integers. Packages codec and client need none of this but 64 bits, and do not import
// it.
package platform
