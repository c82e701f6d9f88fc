package shard

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A ring file; integers are little-endian:
//
//	0        4096        8192                  data (a multiple of 64 KiB)
//	┌────────┬───────────┬─────────────────────┬─────────────────────────┐
//	│ header │ positions │ words, one a granule│ capacity bytes of data  │
//	└────────┴───────────┴─────────────────────┴─────────────────────────┘
//
// The header, written once, and once more when the cluster is known:
//
//	0       8      12       16      24     28       32     36     40          296          552    556
//	┌───────┬───────┬───────┬───────┬──────┬────────┬──────┬──────┬───────────┬────────────┬──────┐
//	│ magic │version│   0   │ capa- │shards│ shard  │ salt │   0  │len, topic │len, cluster│ crc  │
//	│       │       │       │ city  │      │        │      │      │           │            │      │
//	└───────┴───────┴───────┴───────┴──────┴────────┴──────┴──────┴───────────┴────────────┴──────┘
//
// shard is 0xffffffff for dead letters. salt is random: what a client can guess of a
// batch's checksum is worth nothing without it.
const (
	atPositions = 4096
	atWords     = 8192
	dataAlign   = 64 << 10 // no kernel's pages are larger

	fileMagic   = "RINGTAIL"
	fileVersion = 1
	headerBytes = 556

	positionsBytes = 192
	nameMax        = 255

	atVersion, atCapacity, atShards, atShard, atSalt = 8, 16, 24, 28, 32
	atTopic, atCluster, atHeaderCRC                  = 40, 296, 552

	deadShard = ^uint32(0)
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// fileHeader says whose records a ring file holds.
type fileHeader struct {
	capacity uint64
	shards   uint32
	shard    uint32 // deadShard: dead letters
	salt     uint32
	topic    string
	cluster  string // Kafka's cluster id; "": no Kafka was reached yet, so no record is there
}

func (h *fileHeader) dataAt() int64 {
	end := int64(atWords) + int64(h.capacity/granule*8)
	return (end + dataAlign - 1) &^ (dataAlign - 1)
}

// size is the whole file's, in bytes.
func (h *fileHeader) size() int64 { return h.dataAt() + int64(h.capacity) }

func (h *fileHeader) encode() []byte {
	b := make([]byte, headerBytes)
	copy(b, fileMagic)
	binary.LittleEndian.PutUint32(b[atVersion:], fileVersion)
	binary.LittleEndian.PutUint64(b[atCapacity:], h.capacity)
	binary.LittleEndian.PutUint32(b[atShards:], h.shards)
	binary.LittleEndian.PutUint32(b[atShard:], h.shard)
	binary.LittleEndian.PutUint32(b[atSalt:], h.salt)
	b[atTopic] = byte(copy(b[atTopic+1:atCluster], h.topic))
	b[atCluster] = byte(copy(b[atCluster+1:atHeaderCRC], h.cluster))
	binary.LittleEndian.PutUint32(b[atHeaderCRC:], crc32.Checksum(b[:atHeaderCRC], castagnoli))
	return b
}

var (
	errNotOurs = errors.New("is no ring file")
	errVersion = fmt.Errorf("was written by another version of ringtail (this one knows format %d)", fileVersion)
	errHeader  = errors.New("header's checksum is wrong")
	errStray   = errors.New("header has bytes set that have no meaning")
)

// decodeHeader reads what encode made, and nothing else. With errHeader and errStray the fields are
// there all the same, as they stand in the file.
func decodeHeader(b []byte) (fileHeader, error) {
	if len(b) < headerBytes || string(b[:len(fileMagic)]) != fileMagic {
		return fileHeader{}, errNotOurs
	}
	name := func(at int) string { return string(b[at+1 : at+1+int(b[at])]) }
	h := fileHeader{
		capacity: binary.LittleEndian.Uint64(b[atCapacity:]),
		shards:   binary.LittleEndian.Uint32(b[atShards:]),
		shard:    binary.LittleEndian.Uint32(b[atShard:]),
		salt:     binary.LittleEndian.Uint32(b[atSalt:]),
		topic:    name(atTopic),
		cluster:  name(atCluster),
	}
	if binary.LittleEndian.Uint32(b[atHeaderCRC:]) != crc32.Checksum(b[:atHeaderCRC], castagnoli) {
		return h, errHeader
	}
	if binary.LittleEndian.Uint32(b[atVersion:]) != fileVersion {
		return h, errVersion
	}
	if !bytes.Equal(h.encode(), b[:headerBytes]) {
		return h, errStray
	}
	return h, nil
}

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

// Recovered is what a ring's file held when it was opened.
type Recovered struct {
	Records            int
	Bytes              int // of values and metas
	PossibleDuplicates int // of Records: they may have been handed over before
	Largest            int // bytes of the largest record with its meta
}

// Recovered is what the ring's file held when it was opened; nothing in memory.
func (r *Ring) Recovered() Recovered {
	if r.file == nil {
		return Recovered{}
	}
	return r.file.recovered
}

// recoveredBatch gives a former process's batch what this one can make of it: a
// connection's id and the monotonic clock mean nothing any more.
func (f *ringFile) recoveredBatch(b *Batch) {
	b.Conn, b.Taken = 0, f.since
	if b.Start == f.resume {
		b.Done = f.resumeIndex
	}
}

// stallAfter is how long a batch's copy may take before it counts as stalled: a
// thousand times what it takes, ten times what an ordinary page fault adds.
const stallAfter = int64(1e6)

// seal writes a batch's checksum and meters its copy: in a file, a page that the
// kernel is just writing to a slow disk makes who touches it wait.
func (f *ringFile) seal(c *Claim) {
	binary.LittleEndian.PutUint32(c.buf[atCRC:], checksum(f.header.salt, c.start, c.buf[:c.off]))
	if took := Now() - c.began; took > stallAfter {
		f.stalled.Add(took)
	}
}

// checksum of a batch's bytes up to used. It begins with the position, so that what an
// earlier lap left at the same place never passes, and with the file's salt.
func checksum(salt uint32, start uint64, used []byte) uint32 {
	g := start / granule
	return crc32.Update(salt^uint32(g)^uint32(g>>32), castagnoli, used[atCount:])
}

// Stalled is how long writers were held up in copies of over a millisecond; ring
// files only.
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

// allocate makes sure that the file's every byte has its place on the disk: a page
// of a mapping that finds none is a SIGBUS, which nothing catches.
func allocate(f *os.File, size int64) error {
	err := unix.Fallocate(int(f.Fd()), 0, 0, size)
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
	base, err := unix.MmapPtr(int(f.Fd()), 0, nil, front, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
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
