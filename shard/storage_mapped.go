//go:build !race

package shard

import (
	"fmt"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// newStorage maps an anonymous file of capacity bytes twice, back to back:
//
//	address  base            base+capacity      base+2*capacity
//	         ├────── file ────┼────── file ──────┤
//
// First the whole span is reserved, so that nothing else can be mapped between;
// then the file is laid over both halves. The first is touched whole; of the second
// only the beginning, which is all that ordinary batches reach: touching it all
// would show every page twice in the process's resident size.
func newStorage(capacity int) (storage, error) {
	fd, err := unix.MemfdCreate("ringtail", unix.MFD_CLOEXEC)
	if err != nil {
		return storage{}, fmt.Errorf("memfd_create: %w", err)
	}
	defer unix.Close(fd) // the mappings keep the file
	if err := unix.Fallocate(fd, 0, 0, int64(capacity)); err != nil {
		return storage{}, fmt.Errorf("fallocate: %w", err)
	}
	span := uintptr(2 * capacity)
	base, err := unix.MmapPtr(-1, 0, nil, span, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
	if err != nil {
		return storage{}, fmt.Errorf("reserve address space: %w", err)
	}
	for half, flags := range map[int]int{0: unix.MAP_POPULATE, capacity: 0} {
		_, err := unix.MmapPtr(fd, 0, unsafe.Add(base, half), uintptr(capacity), unix.PROT_READ|unix.PROT_WRITE,
			unix.MAP_SHARED|unix.MAP_FIXED|flags)
		if err != nil {
			_ = unix.MunmapPtr(base, span)
			return storage{}, fmt.Errorf("mmap: %w", err)
		}
	}
	data := unsafe.Slice((*byte)(base), 2*capacity)
	overlap := min(capacity, 256<<10)
	for i := capacity; i < capacity+overlap; i += pageSize() {
		data[i] = 0
	}
	return storage{
		data:    data,
		words:   make([]atomic.Uint64, capacity/granule),
		pos:     new(positions),
		release: func() error { return unix.MunmapPtr(base, span) },
	}, nil
}
