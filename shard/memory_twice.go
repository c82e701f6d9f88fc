package shard

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mapTwice maps capacity bytes of a file, from offset at, twice, back to back:
//
//	address  base            base+capacity      base+2*capacity
//	         ├────── file ────┼────── file ──────┤
//
// First the whole span is reserved, so that nothing else can be mapped between;
// then the file is laid over both halves. The first is touched whole; of the second
// only the beginning, which is all that ordinary batches reach: touching it all
// would show every page twice in the process's resident size.
func mapTwice(fd int, at int64, capacity int) (data []byte, release func() error, err error) {
	twice := uintptr(2 * capacity)
	base, err := unix.MmapPtr(-1, 0, nil, twice, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
	if err != nil {
		return nil, nil, fmt.Errorf("reserve address space: %w", err)
	}
	release = func() error { return unix.MunmapPtr(base, twice) }
	for half, flags := range map[int]int{0: mapPopulate, capacity: 0} {
		_, err := unix.MmapPtr(fd, at, unsafe.Add(base, half), uintptr(capacity), unix.PROT_READ|unix.PROT_WRITE,
			unix.MAP_SHARED|unix.MAP_FIXED|flags)
		if err != nil {
			_ = release()
			return nil, nil, fmt.Errorf("mmap: %w", err)
		}
	}
	data = unsafe.Slice((*byte)(base), 2*capacity)
	// A kernel before 5.14 does not know this; its first batches pay for page faults.
	_ = unix.Madvise(data[capacity:capacity+min(capacity, 256<<10)], madvPopulate)
	return data, release, nil
}
