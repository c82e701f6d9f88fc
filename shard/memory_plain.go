//go:build race || !linux

package shard

import "sync/atomic"

// newStorage is plain Go memory under the race detector, which sees it, and where an anonymous file
// cannot be had. The second half is not an image of the first; it need not be, since a
// batch is always reached from its start, by its writer and by its reader.
func newStorage(capacity int) (storage, error) {
	return storage{
		data:    make([]byte, 2*capacity),
		words:   make([]atomic.Uint64, capacity/granule),
		pos:     new(positions),
		release: func() error { return nil },
	}, nil
}
