//go:build linux && !race

package shard

import (
	"fmt"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// newStorage maps an anonymous file of capacity bytes twice, back to back.
func newStorage(capacity int) (storage, error) {
	fd, err := unix.MemfdCreate("ringtail", unix.MFD_CLOEXEC)
	if err != nil {
		return storage{}, fmt.Errorf("memfd_create: %w", err)
	}
	defer unix.Close(fd) // the mappings keep the file
	if err := fallocate(fd, int64(capacity)); err != nil {
		return storage{}, fmt.Errorf("fallocate: %w", err)
	}
	data, release, err := mapTwice(fd, 0, capacity)
	if err != nil {
		return storage{}, err
	}
	return storage{
		data:    data,
		words:   make([]atomic.Uint64, capacity/granule),
		pos:     new(positions),
		release: release,
	}, nil
}
