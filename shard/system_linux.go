package shard

import "golang.org/x/sys/unix"

// What has the pages of a mapping be there before they are used.
const (
	mapPopulate  = unix.MAP_POPULATE
	madvPopulate = unix.MADV_POPULATE_WRITE
)

// fallocate gives every byte of a file its place on the disk, where the file system can.
func fallocate(fd int, size int64) error { return unix.Fallocate(fd, 0, 0, size) }
