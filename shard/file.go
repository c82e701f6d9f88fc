package shard

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/ringtail/ringtail/internal/crc32c"
)

// ringFile is what a ring has beside its storage when that is a file.
type ringFile struct {
	f      *os.File
	path   string
	header fileHeader

	recovered    Recovered
	recoveredEnd uint64 // batches below it are a former process's
	sentBefore   uint64 // and those that end at or below this may be in Kafka
	since        int64  // when it was opened, or Kafka was reached later (Now)
	resume       uint64 // the batch there is done in part, …
	resumeIndex  int    // … up to this record

	stalled atomic.Int64 // ns, see seal
}

// Recovered counts what a ring's file held when it was opened.
type Recovered struct {
	Records            int
	Bytes              int // of values and metas
	PossibleDuplicates int // of Records: they may have been handed over before
	Largest            int // bytes of the largest record with its meta and headers
}

// Recovered returns what the ring's file held when it was opened; zero for a ring in memory.
func (r *Ring) Recovered() Recovered {
	if r.file == nil {
		return Recovered{}
	}
	return r.file.recovered
}

// recoveredBatch clears what a former process's batch cannot tell this one: its connection is gone,
// and its clock was another.
func (f *ringFile) recoveredBatch(b *Batch) {
	b.Conn, b.Taken = 0, f.since
	if b.Start == f.resume {
		b.Done = f.resumeIndex
	}
}

// stallAfter is how long a batch's copy may take before it counts as stalled: a
// thousand times what it takes, ten times what an ordinary page fault adds.
const stallAfter = int64(1e6)

// seal writes a batch's checksum, and measures how long its copy took: whoever writes to a page of
// a file waits while the kernel writes that page to a slow disk.
func (f *ringFile) seal(c *Claim) {
	binary.LittleEndian.PutUint32(c.buf[atCRC:], checksum(f.header.salt, c.start, c.buf[:recordsAt(c.count)]))
	if took := Now() - c.began; took > stallAfter {
		f.stalled.Add(took)
	}
}

// checksum of a batch's bytes up to its records, whose own is among them. It begins with the
// position, so that what an earlier lap left at the same place never passes, and with the file's
// salt.
func checksum(salt uint32, start uint64, front []byte) uint32 {
	g := start / granule
	return crc32c.Update(salt^uint32(g)^uint32(g>>32), front[atCount:])
}

// Stalled returns the time in ns that producers spent in copies of over a millisecond; 0 in memory.
func (r *Ring) Stalled() int64 {
	if r.file == nil {
		return 0
	}
	return r.file.stalled.Load()
}

// createFile makes a ring file that holds nothing. It appears under its name only
// when it is whole.
func createFile(path string, h fileHeader) (err error) {
	unfinished := path + ".new"
	// Of a process that died while it made one. os.Remove would also remove a directory.
	if err := unix.Unlink(unfinished); err != nil && !errors.Is(err, unix.ENOENT) {
		return &os.PathError{Op: "unlink", Path: unfinished, Err: err}
	}
	f, err := openRegular(unfinished, os.O_CREATE|os.O_EXCL|os.O_RDWR)
	if err != nil {
		return err
	}
	defer func() {
		_ = f.Close()
		if err != nil {
			_ = os.Remove(unfinished)
		}
	}()
	if err := allocate(f, h.size()); err != nil {
		return err
	}
	if _, err := f.WriteAt(h.encode(), 0); err != nil {
		return err
	}
	return os.Rename(unfinished, path)
}

// allocate gives every byte of the file its place on the disk. A mapped page that finds none raises
// a SIGBUS, which nothing catches.
func allocate(f *os.File, size int64) error {
	err := fallocate(int(f.Fd()), size)
	if errors.Is(err, unix.ENOSPC) {
		return fmt.Errorf("%w: it needs %d bytes", err, size)
	}
	if !errors.Is(err, unix.EOPNOTSUPP) {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	zeros := make([]byte, 1<<20)
	for at := info.Size(); at < size; at += int64(len(zeros)) {
		if _, err := f.WriteAt(zeros[:min(int64(len(zeros)), size-at)], at); err != nil {
			return fmt.Errorf("%w: it needs %d bytes", err, size)
		}
	}
	return nil
}

// mapFile makes storage of a ring file whose header is h and whose size is right.
func mapFile(f *os.File, h *fileHeader) (storage, error) {
	front := uintptr(h.dataAt())
	base, err := unix.MmapPtr(int(f.Fd()), 0, nil, front, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|mapPopulate)
	if err != nil {
		return storage{}, fmt.Errorf("mmap: %w", err)
	}
	data, release, err := mapTwice(int(f.Fd()), h.dataAt(), int(h.capacity))
	if err != nil {
		_ = unix.MunmapPtr(base, front)
		return storage{}, err
	}
	return storage{
		data:  data,
		words: unsafe.Slice((*atomic.Uint64)(unsafe.Add(base, atWords)), h.capacity/granule),
		pos:   (*positions)(unsafe.Add(base, atPositions)),
		release: func() error {
			return errors.Join(release(), unix.MunmapPtr(base, front), f.Close())
		},
	}, nil
}
