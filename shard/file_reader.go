package shard

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/ringtail/ringtail/internal/crc32c"
)

// fileReader reads a file's data by position.
type fileReader struct {
	file   io.ReaderAt
	header *fileHeader
	atOnce uint64 // read so many bytes at a time, or more where a batch has more
	end    uint64 // nothing is read from here on
	at     uint64 // buf begins here
	buf    []byte

	checked uint64 // bytes whose checksum was computed
}

const (
	readBytes = 256 << 10

	// checkedMax limits checked, in sizes of the ring. What a server left takes one or two. Bytes
	// made so that a long batch seems to begin at every granule would take for ever.
	checkedMax = 32
)

// bytes returns [pos, pos+n); they are valid until the next call.
func (w *fileReader) bytes(pos, n uint64) ([]byte, error) {
	if pos >= w.at && pos+n <= w.at+uint64(len(w.buf)) {
		return w.buf[pos-w.at : pos-w.at+n : pos-w.at+n], nil
	}
	size := min(max(n, w.atOnce), w.end-pos)
	if uint64(cap(w.buf)) < size {
		w.buf = make([]byte, size)
	}
	w.at, w.buf = pos, w.buf[:size]
	for done := uint64(0); done < size; {
		off := (pos + done) % w.header.capacity
		part := min(size-done, w.header.capacity-off)
		if _, err := w.file.ReadAt(w.buf[done:done+part], w.header.dataAt()+int64(off)); err != nil {
			w.buf = w.buf[:0]
			return nil, damagef("batch at %d cannot be read: %v", pos, err)
		}
		done += part
	}
	return w.buf[:n:n], nil
}

// batch reads and checks the batch of n bytes at pos, which has a word.
func (w *fileReader) batch(pos, n uint64) (Batch, error) {
	if n == 0 || n > min(w.end-pos, w.header.capacity/2) {
		return Batch{}, damagef("batch at %d has %d bytes, %d were claimed", pos, n, w.end-pos)
	}
	head, err := w.bytes(pos, granule)
	if err != nil {
		return Batch{}, err
	}
	b, why, err := w.check(head, pos, n)
	if why != "" {
		err = damagef("batch at %d: %s", pos, why)
	}
	return b, err
}

// unpublished tells whether a whole batch lies at pos and below limit, although there
// is no word.
func (w *fileReader) unpublished(pos, limit uint64) (Batch, bool, error) {
	head, err := w.bytes(pos, granule)
	if err != nil {
		return Batch{}, false, err
	}
	count, n := countOf(head), uint64(binary.LittleEndian.Uint32(head[atRoom:]))
	if count == 0 || n == 0 || n%granule != 0 || n > min(limit-pos, w.header.capacity/2) {
		return Batch{}, false, nil
	}
	b, why, err := w.check(head, pos, n)
	return b, why == "" && err == nil, err
}

// check reads the batch of n bytes at pos, which begins with head, and tells what is wrong with it;
// "" if nothing. An error says that it could not be read, or that too much was.
func (w *fileReader) check(head []byte, pos, n uint64) (b Batch, why string, err error) {
	if why := checkHead(head, n); why != "" {
		return Batch{}, why, nil
	}
	if w.checked += n; w.checked > checkedMax*w.header.capacity {
		return Batch{}, "", damagef("far more looks like a batch than fits into it, up to %d", pos)
	}
	bytes, err := w.bytes(pos, n)
	if err != nil {
		return Batch{}, "", err
	}
	if why := checkBody(w.header.salt, pos, bytes); why != "" {
		return Batch{}, why, nil
	}
	return batchOf(pos, bytes), "", nil
}

// checkHead returns what in a batch's header does not fit the batch's length, n bytes; "" if all
// fits.
func checkHead(head []byte, n uint64) string {
	count, used := uint64(countOf(head)), uint64(binary.LittleEndian.Uint32(head[atUsed:]))
	if used < batchHeader+count*ordinalBytes || used > n {
		return fmt.Sprintf("%d records in %d of %d bytes", count, used, n)
	}
	if room := uint64(binary.LittleEndian.Uint32(head[atRoom:])); room != n {
		return fmt.Sprintf("its word says %d bytes, its header %d", n, room)
	}
	return ""
}

// checkBody returns what is wrong with the bytes of a batch whose header fits; "" if nothing. A
// writer sends the records as they are, so each must be what putRecord writes.
func checkBody(salt uint32, pos uint64, b []byte) string {
	count, used := countOf(b), binary.LittleEndian.Uint32(b[atUsed:])
	records := b[recordsAt(count):used]
	if binary.LittleEndian.Uint32(b[atCRC:]) != checksum(salt, pos, b[:recordsAt(count)]) ||
		binary.LittleEndian.Uint32(b[atSum:]) != crc32c.Sum(records) {
		return "its checksum is wrong"
	}
	number, values := int(binary.LittleEndian.Uint32(b[atNumber:])), 0
	if number > recordsMax {
		return fmt.Sprintf("its first record is number %d of a Kafka batch", number)
	}
	var of []byte
	for i := range count {
		value, _, headers, n, ok := checkRecord(records, number+i)
		if !ok || i > 0 && !bytes.Equal(headers, of) {
			return fmt.Sprintf("its record %d is none", i)
		}
		of = headers
		values += len(value)
		records = records[n:]
	}
	if len(records) > 0 {
		return fmt.Sprintf("%d bytes are behind its records", len(records))
	}
	if v := int(binary.LittleEndian.Uint32(b[atValues:])); v != values {
		return fmt.Sprintf("its values have %d bytes, its header says %d", values, v)
	}
	return ""
}
