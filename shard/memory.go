package shard

import (
	"os"
	"sync/atomic"
)

// storage is a ring's memory. There are two kinds: memory_mapped.go for every
// real build, memory_race.go under the race detector.
type storage struct {
	data    []byte          // twice the capacity; [o, o+n) is contiguous for every o < capacity, n <= capacity
	words   []atomic.Uint64 // capacity / granule
	pos     *positions
	release func() error
}

func pageSize() int { return os.Getpagesize() }
