package shard

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// CheckDir tells whether OpenDir would refuse the directory, and changes nothing: its files, whether
// it can be written, whether there is room. It may be called while a process uses them: the error is
// ErrInUse then, if nothing else is wrong.
func CheckDir(o DirOptions) error {
	if err := checkDir(o); err != nil {
		return fmt.Errorf("--ring-dir %s: %w", o.Path, err)
	}
	return nil
}

func checkDir(o DirOptions) error {
	capacity, err := wholePages(o.Bytes)
	if err != nil {
		return err
	}
	dir, err := nearestDir(o.Path)
	if err != nil {
		return err
	}
	if err := unix.Access(dir, unix.W_OK|unix.X_OK); err != nil {
		return fmt.Errorf("%s cannot be written: %w", dir, err)
	}
	if dir == filepath.Clean(o.Path) {
		if err := ownedDir(dir); err != nil {
			return err
		}
		if err := (&Dir{opt: o}).checkAll(); err != nil {
			return err
		}
	}
	if err := checkRoom(o, dir, capacity); err != nil {
		return err
	}
	lock, err := lockDir(o.Path, unix.LOCK_SH) // OpenDir waits for whoever has it for a moment
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	return lock.Close()
}

// nearestDir is the directory, or the one above it in which it would be made.
func nearestDir(path string) (string, error) {
	for dir := filepath.Clean(path); ; dir = filepath.Dir(dir) {
		switch info, err := os.Stat(dir); {
		case errors.Is(err, fs.ErrNotExist) && dir != filepath.Dir(dir):
		case err != nil:
			return "", err
		case !info.IsDir():
			return "", fmt.Errorf("%s is no directory", dir)
		default:
			return dir, nil
		}
	}
}

// checkRoom compares what files that are to be made would take with what is free.
func checkRoom(o DirOptions, dir string, capacity int) error {
	var free unix.Statfs_t
	if err := unix.Statfs(dir, &free); err != nil {
		return err
	}
	size := (&fileHeader{capacity: uint64(capacity), shards: uint32(o.Shards), topic: o.Topic}).size()
	missing := o.Shards
	if o.DeadTopic != "" {
		missing++
	}
	names, err := ringNames(o.Path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	needed := int64(max(0, missing-len(names))) * size // all of them are this server's, see checkAll
	if room := int64(free.Bavail * uint64(free.Bsize)); needed > room {
		return fmt.Errorf("its files need %d bytes more, and %d are free; lower --ring-bytes, or give another directory", needed, room)
	}
	return nil
}
