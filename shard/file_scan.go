package shard

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/ringtail/ringtail/internal/crc32c"
)

// fileScan is what a ring file holds. scanFile finds it out by reading the file, never by mapping
// it: if the file is cut short, or the disk fails, reading returns an error, where mapped memory
// would raise a SIGBUS.
//
// The scan goes from where the last process was done up to claimed. Every granule is one of:
//
//   - the beginning of a batch: its word is this lap's, and its bytes pass the checksum;
//   - the beginning of a batch that has no word, but passes the checksum: its producer died before
//     it stored the word, or the word is damaged. The batch counts, since its place in the order is
//     known;
//   - part of a hole: its producer died in the middle of the copy, so no client was told that the
//     batch had been taken. Nothing of it counts.
//
// Everything else is damage: a word whose batch does not pass, or a word of this lap above claimed,
// which shows that claimed is wrong. A damaged file is left alone: none of it is sent, and all of
// it stays for people to look at.
type fileScan struct {
	fileHeader
	start     uint64 // where the first batch begins that is not done
	index     int    // the first of its records that is not done
	claimed   uint64
	sent      uint64
	recovered Recovered

	words []uint64 // the table as it has to be: batches and holes, nothing else
	holes []span
	limit uint64 // the next batch with a word: what has none ends before
}

// span is a run of granules.
type span struct{ start, bytes uint64 }

// damage is an error that says what is wrong with a file's contents.
type damage struct{ why string }

func (d *damage) Error() string { return d.why }

func damagef(format string, args ...any) error { return &damage{fmt.Sprintf(format, args...)} }

// filePositions are a file's positions as they were read.
type filePositions struct {
	claimed, freed, done, sent, stopAt, stopIndex, stopSum uint64
}

// readHeader reads and checks a ring file's header. The file must be as long as the header says.
// Errors: errVersion; *damage, with what can be read of the header all the same.
func readHeader(f io.ReaderAt, size int64) (fileHeader, error) {
	b := make([]byte, headerBytes)
	if _, err := f.ReadAt(b, 0); err != nil {
		return fileHeader{}, damagef("header cannot be read: %v", err)
	}
	h, err := decodeHeader(b)
	switch {
	case errors.Is(err, errVersion):
		return h, err
	case errors.Is(err, errNotOurs):
		return h, damagef("it %v", err)
	case h.capacity < bytesMin || h.capacity > MaxBytes || h.capacity%pageMin != 0:
		return fileHeader{}, damagef("header gives a capacity of %d bytes", h.capacity)
	case size != h.size():
		return h, damagef("it has %d bytes, must have %d", size, h.size())
	case err != nil:
		return h, &damage{err.Error()}
	case h.shard >= h.shards && h.shard != deadShard:
		return h, damagef("header gives shard %d of %d", h.shard, h.shards)
	}
	return h, nil
}

// openHeader opens a ring file and reads its header.
func openHeader(path string, flag int) (*os.File, fileHeader, error) {
	f, err := openRegular(path, flag)
	if err != nil {
		return nil, fileHeader{}, err
	}
	info, err := f.Stat()
	if err != nil {
		_ = f.Close()
		return nil, fileHeader{}, err
	}
	h, err := readHeader(f, info.Size())
	return f, h, err
}

func readPositions(f io.ReaderAt) (filePositions, error) {
	var b [positionsBytes]byte
	if _, err := f.ReadAt(b[:], atPositions); err != nil {
		return filePositions{}, damagef("positions cannot be read: %v", err)
	}
	at := func(off int) uint64 { return binary.LittleEndian.Uint64(b[off:]) }
	return filePositions{
		claimed: claimWord(at(0)).position(at(64)), freed: at(64),
		done: at(128), sent: at(136), stopAt: at(144), stopIndex: at(152), stopSum: at(160),
	}, nil
}

// recordLeast is the least room of a record in a batch: its ordinal, five varints and two bytes.
const recordLeast = ordinalBytes + 7

// lapsMax is the lap up to which a file is opened: half of those that a word can count. The other
// half is for what comes while the file is open; of the smallest ring that is 2^53 bytes.
const lapsMax = 1 << (64 - wordLapShift - 1)

// check tells what is impossible about the positions of a file with header h.
func (m *filePositions) check(h *fileHeader) error {
	switch {
	case (m.freed|m.done|m.sent)%granule != 0,
		m.freed > m.done || m.done > m.sent || m.sent > m.claimed,
		m.claimed-m.freed > h.capacity,
		m.claimed/h.capacity >= lapsMax || m.claimed > 1<<63:
		return damagef("its positions are impossible: freed %d, done %d, sent %d, claimed %d", m.freed, m.done, m.sent, m.claimed)
	case !m.hasStopMark(h.salt):
		return nil
	case m.stopAt%granule != 0 || m.stopAt < m.freed || m.stopAt > m.claimed,
		m.stopIndex > h.capacity/recordLeast || m.stopIndex > 0 && m.stopAt == m.claimed:
		return damagef("what its last stop noted is impossible: record %d of the batch at %d; freed %d, claimed %d",
			m.stopIndex, m.stopAt, m.freed, m.claimed)
	}
	return nil
}

// hasStopMark tells whether the mark of a clean stop is valid: nothing was freed after it.
func (m *filePositions) hasStopMark(salt uint32) bool {
	return m.stopSum == stopMarkSum(salt, m.freed, m.stopAt, m.stopIndex)
}

// begin returns the first batch that is not done, and the first of its records that is not. The
// positions have been checked.
func (m *filePositions) begin(salt uint32) (at uint64, index int) {
	if m.hasStopMark(salt) {
		return m.stopAt, int(m.stopIndex)
	}
	return m.freed, 0
}

// stopMarkSum returns the checksum of a stop mark. It covers freed, so that the mark is void once
// freed has moved.
func stopMarkSum(salt uint32, freed, at, index uint64) uint64 {
	var b [24]byte
	binary.LittleEndian.PutUint64(b[:], freed)
	binary.LittleEndian.PutUint64(b[8:], at)
	binary.LittleEndian.PutUint64(b[16:], index)
	return 1<<32 | uint64(crc32c.Update(salt, b[:]))
}

// scanFile scans a file that nobody writes to. It calls f for each batch, in order; the batch's
// bytes are valid during the call. Errors that wrap *damage are about the contents.
func scanFile(file io.ReaderAt, h fileHeader, f func(Batch)) (*fileScan, error) {
	m, err := readPositions(file)
	if err != nil {
		return nil, err
	}
	if err := m.check(&h); err != nil {
		return nil, err
	}
	s := &fileScan{fileHeader: h, claimed: m.claimed, sent: m.sent}
	s.start, s.index = m.begin(h.salt)
	old, err := readWords(file, &h)
	if err != nil {
		return nil, err
	}
	s.words = make([]uint64, len(old))
	w := &fileReader{file: file, header: &h, atOnce: readBytes, end: s.claimed}
	for pos := s.start; pos < s.claimed; {
		n, err := s.scanAt(w, old, pos, f)
		if err != nil {
			return nil, err
		}
		pos += n
	}
	if len(s.holes) > 0 {
		s.fill()
	}
	return s, s.checkBeyondClaimed(old, m.freed)
}

// scanAt counts what begins at pos, a batch or a granule of a hole, and returns its length in
// bytes.
func (s *fileScan) scanAt(w *fileReader, old []uint64, pos uint64, f func(Batch)) (uint64, error) {
	if n, ok := published(old, s.capacity, pos); ok {
		b, err := w.batch(pos, n)
		if err != nil {
			return 0, err
		}
		return n, s.take(b, f)
	}
	for s.limit = max(s.limit, pos); s.limit < s.claimed; s.limit += granule {
		if _, ok := published(old, s.capacity, s.limit); ok {
			break
		}
	}
	b, ok, err := w.unpublished(pos, s.limit)
	if err != nil {
		return 0, err
	}
	if ok {
		return b.End - pos, s.take(b, f)
	}
	if pos == s.start && s.index > 0 {
		return 0, damagef("no batch at %d, where the last stop left off", pos)
	}
	if k := len(s.holes); k > 0 && s.holes[k-1].start+s.holes[k-1].bytes == pos && s.holes[k-1].bytes < s.capacity/2 {
		s.holes[k-1].bytes += granule
	} else {
		s.holes = append(s.holes, span{pos, granule})
	}
	return granule, nil
}

// take counts a batch and puts its word into the table.
func (s *fileScan) take(b Batch, f func(Batch)) error {
	if b.Start == s.start {
		if s.index > b.Count {
			return damagef("batch at %d has %d records, %d of them done", b.Start, b.Count, s.index)
		}
		b.Done = s.index
	}
	s.words[b.Start%s.capacity/granule] = word(b.Start/s.capacity, b.End-b.Start)
	s.recovered.Records += b.Count - b.Done
	if b.End <= s.sent {
		s.recovered.PossibleDuplicates += b.Count - b.Done
	}
	var c Cursor
	headers := len(b.Headers())
	for i := range b.Count {
		if r := b.Next(&c); i >= b.Done {
			n := len(r.Value) + len(r.Meta)
			s.recovered.Bytes += n
			s.recovered.Largest = max(s.recovered.Largest, n+headers)
		}
	}
	if f != nil && b.Count > 0 {
		f(b)
	}
	return nil
}

// fill puts the holes into the table, as empty batches.
func (s *fileScan) fill() {
	for _, h := range s.holes {
		s.words[h.start%s.capacity/granule] = word(h.start/s.capacity, h.bytes)
	}
}

// checkBeyondClaimed looks for batches above claimed. A server never leaves any.
func (s *fileScan) checkBeyondClaimed(old []uint64, freed uint64) error {
	for pos := s.claimed; pos < freed+s.capacity; pos += granule {
		if _, ok := published(old, s.capacity, pos); ok {
			return damagef("a batch lies at %d, beyond all that was claimed (%d)", pos, s.claimed)
		}
	}
	return nil
}

// published returns the bytes of the batch at pos, and whether the table has this lap's word for
// it.
func published(words []uint64, capacity, pos uint64) (uint64, bool) {
	w := words[pos%capacity/granule]
	return w & (1<<wordLapShift - 1) * granule, w>>wordLapShift == pos/capacity+1
}

func readWords(f io.ReaderAt, h *fileHeader) ([]uint64, error) {
	b := make([]byte, h.capacity/granule*8)
	if _, err := f.ReadAt(b, atWords); err != nil {
		return nil, damagef("table of words cannot be read: %v", err)
	}
	words := make([]uint64, len(b)/8)
	for i := range words {
		words[i] = binary.LittleEndian.Uint64(b[8*i:])
	}
	return words, nil
}

// emptyBatch writes a batch without records over a hole, so that readers need not know of holes.
func emptyBatch(b []byte, salt uint32, pos uint64) {
	clear(b[:batchHeader])
	binary.LittleEndian.PutUint32(b[atUsed:], batchHeader)
	binary.LittleEndian.PutUint32(b[atRoom:], uint32(len(b)))
	binary.LittleEndian.PutUint32(b[atCRC:], checksum(salt, pos, b[:batchHeader]))
}
