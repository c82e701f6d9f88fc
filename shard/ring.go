package shard

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/ringtail/ringtail/internal/crc32c"
	"github.com/ringtail/ringtail/internal/invariant"
	_ "github.com/ringtail/ringtail/internal/platform" // or no build
)

var (
	// ErrFull is returned by claims and promises when there is no room.
	ErrFull = errors.New("shard: ring is full")
	// ErrClosed is returned by every claim after Close.
	ErrClosed = errors.New("shard: ring is closed")
	// ErrTooLarge is returned for a batch that no ring of this size takes.
	ErrTooLarge = errors.New("shard: batch is over half the ring; raise --ring-bytes")
)

// positions are the words that producers and the consumer share. claimed and freed have a cache
// line each: producers swap claimed, only the consumer stores freed. The words of the third line
// are for the process that opens a ring file after this one has died (file_scan.go):
//
//   - done repeats freed, and is stored before it. If the two differ, the process died between the
//     stores, or one of them is damaged. The next process goes on at the lower one, since room
//     above freed has not been claimed again. freed is never above done.
//   - sent: batches that end at or below it may have been handed over.
//   - stopAt, stopIndex, stopSum: the mark of a clean stop (Ring.MarkStop), valid if stopSum
//     matches. The batch at stopAt is the first that is not done, and the first stopIndex of its
//     records are done.
type positions struct {
	claimed atomic.Uint64 // claimWord; swapped by every claim
	_       [56]byte
	freed   atomic.Uint64 // stored by the consumer once a batch is in Kafka
	_       [56]byte

	done, sent, stopAt, stopIndex, stopSum atomic.Uint64 // stored by the consumer
	_                                      [24]byte
}

// Options of a ring.
type Options struct {
	Name  string // in errors: the digit, or "dead-letter"
	Bytes int    // capacity, rounded up to whole pages
}

// Ring is one shard's log. The package comment states its invariants. Any goroutine may call Claim,
// Promise, Acked, Used and Close. Only the consumer calls Next, Free and Attach.
type Ring struct {
	name     string
	capacity uint64
	words    []atomic.Uint64 // one a granule: {lap+1, granules}
	data     []byte          // twice the capacity
	pos      *positions
	file     *ringFile     // nil: memory
	parker   *Parker       // set before the first claim, or nil
	kafka    atomic.Uint64 // kafkaBatch
	unsummed bool          // set before the first claim: nobody wants the records' checksum

	_    [64]byte
	read uint64 // consumer only

	_        [64]byte
	promised atomic.Int64 // bytes; see promise.go
	_        [56]byte
	storage  storage
}

// MinBytes is the smallest ring that takes records of maxRecord bytes: four
// batches, each of one such record and 64 KiB of others.
func MinBytes(maxRecord int) int { return 4 * (maxRecord + 64<<10) }

// New makes a ring in memory, and touches all of it, so that no later claim pays for a page fault.
func New(o Options) (*Ring, error) {
	capacity, err := wholePages(o.Bytes)
	if err != nil {
		return nil, err
	}
	st, err := newStorage(capacity)
	if err != nil {
		return nil, fmt.Errorf("--ring-bytes: ring %s of %d bytes: %w", o.Name, capacity, err)
	}
	for i := 0; i < len(st.words); i += pageSize() / 8 {
		st.words[i].Store(0)
	}
	return ringOf(o.Name, st), nil
}

func ringOf(name string, st storage) *Ring {
	r := &Ring{
		name:     name,
		capacity: uint64(len(st.data) / 2),
		words:    st.words,
		data:     st.data,
		pos:      st.pos,
		storage:  st,
	}
	r.SetKafkaBatch(0, 0) // each claim is one, until the consumer says otherwise
	return r
}

// OmitSums says that nobody reads Batch.Sum, so a ring in memory need not compute it. Call it
// before the first claim.
func (r *Ring) OmitSums() { r.unsummed = r.file == nil }

const (
	pageMin  = 4096 // no kernel's pages are smaller
	bytesMin = 4 * pageMin

	// MaxBytes is the largest ring: half of it fits the 24 bits of a word.
	MaxBytes = 1 << 30
)

func wholePages(bytes int) (int, error) {
	if bytes < bytesMin || bytes > MaxBytes {
		return 0, fmt.Errorf("shard: a ring of %d bytes, must be between %d and %d", bytes, bytesMin, MaxBytes)
	}
	page := pageSize()
	return (bytes + page - 1) / page * page, nil
}

// Release gives the memory back. Nobody may use the ring, or bytes of its batches, afterwards.
func (r *Ring) Release() error { return r.storage.release() }

// Name is the ring's name in errors and metrics.
func (r *Ring) Name() string { return r.name }

// Capacity is the ring's size in bytes.
func (r *Ring) Capacity() int { return int(r.capacity) }

// Used returns how many bytes are claimed and not yet freed.
func (r *Ring) Used() int {
	_, claimed, freed := r.claimed() // freed is loaded first: it only grows, so there are no fewer
	return int(claimed - freed)
}

// Acked returns the position below which every record is in Kafka, or set aside for good: a batch
// is done once Acked() is at least its End.
func (r *Ring) Acked() uint64 { return r.pos.freed.Load() }

// Claimed returns the position up to which room has been claimed.
func (r *Ring) Claimed() uint64 {
	_, claimed, _ := r.claimed()
	return claimed
}

// MaxBatchBytes returns how many bytes the value, meta and headers of a single record may have
// together.
func (r *Ring) MaxBatchBytes() int {
	return int(r.capacity/2) - batchHeader - recordRoom - granule
}

// Claim is room for one batch, owned by the goroutine that claimed it until
// Publish.
type Claim struct {
	r       *Ring
	start   uint64
	buf     []byte
	off     int // where the next record goes
	count   int // records appended
	want    int // records claimed
	number  int // of the first record in its Kafka batch
	values  int // bytes of the values appended
	headers []byte
	conn    uint64
	first   uint64
	taken   int64 // 0: at Publish
	began   int64 // ring files: when the copy began (Now)
}

// Claim reserves room for a batch: so many records, whose values, metas and headers have so many
// bytes together. It never blocks. Errors: ErrFull, ErrClosed, ErrTooLarge.
func (r *Ring) Claim(records, bytes int) (Claim, error) {
	need := BatchBytes(records, bytes)
	if err := r.Promise(need); err != nil {
		return Claim{}, err
	}
	return r.ClaimPromised(records, bytes, need)
}

// claim makes the Claim of [at, at+need). From here on those bytes belong to the caller.
func (r *Ring) claim(at uint64, records int, need uint64, number int) Claim {
	off := at % r.capacity
	began := int64(0)
	if r.file != nil {
		began = Now()
	}
	return Claim{r: r, start: at, buf: r.data[off : off+need : off+need], began: began,
		off: recordsAt(records), want: records, number: number}
}

// SetOrigin sets the connection that the records came by, and the ordinal that theirs are relative
// to.
func (c *Claim) SetOrigin(conn, first uint64) { c.conn, c.first = conn, first }

// SetTaken sets when the records came (Now). A producer that publishes several batches of one read
// calls it; without it the time is that of Publish.
func (c *Claim) SetTaken(at int64) { c.taken = at }

// SetHeaders sets the Kafka headers that the records appended from now on have (AppendHeader): all
// of a batch, so it comes before the first. Their bytes count for each record.
func (c *Claim) SetHeaders(headers []byte) {
	if invariant.Enabled {
		invariant.Check(c.count == 0, "ring %s: headers behind the first record", c.r.name)
	}
	c.headers = headers
}

// Append copies one record into the batch. The records appended must have the number and the bytes
// that were given to Claim. ordinal is the record's number on its connection minus the first given
// to SetOrigin. A nil meta means none; an empty one is kept as empty.
func (c *Claim) Append(value, meta []byte, ordinal uint32) {
	binary.LittleEndian.PutUint32(c.buf[batchHeader+c.count*ordinalBytes:], ordinal)
	c.off = putRecord(c.buf, c.off, c.number+c.count, value, meta, c.headers)
	c.values += len(value)
	c.count++
}

// End returns the position of the batch's end: the batch is done once Acked() is at least that.
func (c *Claim) End() uint64 { return c.start + uint64(len(c.buf)) }

// Publish makes the batch readable. Call it exactly once, and soon: until then the consumer cannot
// read what others publish behind it.
func (c *Claim) Publish() {
	r := c.r
	if invariant.Enabled {
		invariant.Check(r != nil, "batch published twice")
		invariant.Check(c.count == c.want, "ring %s: %d records claimed, %d appended", r.name, c.want, c.count)
		invariant.Check(c.off <= len(c.buf), "ring %s: batch of %d bytes claimed, %d used", r.name, len(c.buf), c.off)
		c.r = nil
	}
	taken := c.taken
	if taken == 0 {
		taken = Now()
	}
	h := c.buf[:batchHeader]
	binary.LittleEndian.PutUint32(h[atCount:], uint32(c.count))
	binary.LittleEndian.PutUint32(h[atUsed:], uint32(c.off))
	binary.LittleEndian.PutUint64(h[atConn:], c.conn)
	binary.LittleEndian.PutUint64(h[atFirst:], c.first)
	binary.LittleEndian.PutUint64(h[atTaken:], uint64(taken))
	binary.LittleEndian.PutUint32(h[atNumber:], uint32(c.number))
	binary.LittleEndian.PutUint32(h[atValues:], uint32(c.values))
	binary.LittleEndian.PutUint32(h[atRoom:], uint32(len(c.buf)))
	if !r.unsummed {
		binary.LittleEndian.PutUint32(h[atSum:], crc32c.Sum(c.buf[recordsAt(c.count):c.off]))
	}
	if r.file != nil {
		r.file.seal(c)
	}
	// The store hands the batch's bytes to the consumer; they are not ours any more.
	r.words[c.start%r.capacity/granule].Store(word(c.start/r.capacity, uint64(len(c.buf))))
	if p := r.parker; p != nil {
		p.unpark()
	}
}

const wordLapShift = 24

func word(lap, bytes uint64) uint64 { return (lap+1)<<wordLapShift | bytes/granule }

// Close makes later claims fail. What has been claimed is published and read as before. A consumer
// that sees Closed knows the last claim, since both are in the same word.
func (r *Ring) Close() {
	r.pos.claimed.Or(closedBit)
	if p := r.parker; p != nil {
		p.unpark()
	}
}

// Closed tells whether Close has been called.
func (r *Ring) Closed() bool { return claimWord(r.pos.claimed.Load()).closed() }

var epoch = time.Now()

// Now returns the nanoseconds on this process's monotonic clock.
func Now() int64 { return int64(time.Since(epoch)) }
