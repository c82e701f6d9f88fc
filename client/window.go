package client

import "encoding/binary"

// window stores the records that are not acked, as they go on the wire. It knows neither goroutines
// nor sockets. The Client's mutex protects all of it. Its positions count records.
//
//	   Send, any goroutine        writer, one goroutine          server
//	        │                          │
//	        ▼ copied, once             ▼ writes from the window
//	┌── window ──────────────────────────────────────┐
//	│ freed │ acked … │ sent … │ begun … │ queued …  │ ──── records ───► shard, Kafka
//	└────────────────────────────────────────────────┘
//	        ▲ room again                                           │
//	        │                                                      │
//	        └──── reader, one goroutine a connection ◄─── acks ────┘
//
// The invariants of the Client:
//
//  1. freed ≤ acked ≤ queued and acked, sent ≤ begun ≤ queued, each a count of
//     records since the Client was made. Only sent and begun ever fall, both to
//     acked, when a connection has ended.
//  2. freed is the lesser of acked and sent. A frame's bytes do not change until it is freed. So
//     the writer and Options.OnReject read them without the mutex. An ack that comes while the
//     writer is still in that frame's write call makes no room yet.
//  3. The server counts the records of a connection from 1. base is acked when the
//     connection was made; its record N is record base + N of the Client.
//  4. The reader believes an answer only if it is whole and can be true: it acks or rejects nothing
//     that was not begun on this connection. Anything else ends the connection, and what was not
//     acked is sent again.
//  5. What the client takes for one record the server takes for one record, in
//     every framing it may be set to (record.go). If the counts differed, an ack
//     would speak of another record than the client thinks.
//  6. At most one connection at a time; the old one's socket is closed, and its
//     reader has ended, before the next is dialled.
//
// Who runs what:
//
//	callers    Send, SendWait, Flush, Close; Send copies under the mutex
//	writer     connects, greets, writes, half-closes, backs off; sent, begun
//	reader     reads answers; acked; OnReject, OnAck
//
// The bytes are in one buffer that is used as a ring. Byte positions only grow, like the others; a
// position's place in the buffer is its remainder. A frame may lie across the buffer's end, in two
// pieces. With a gap there instead, the window's size would depend on what is in it.
type window struct {
	framing Framing
	buf     []byte
	slots   []slot // of record seq: slots[seq % len]

	freed, acked, sent, begun, queued uint64
	highest                           uint64 // the largest begun there has been
	start                             uint64 // byte position where the first record not freed begins
}

type slot struct {
	end      uint64 // byte position behind the record's frame
	rejected bool   // OnReject has been told
}

func newWindow(o *Options) window {
	return window{framing: o.Framing, buf: make([]byte, o.WindowBytes), slots: make([]slot, o.WindowRecords)}
}

// frameBytes is the most that a record of n bytes takes in the window.
func frameBytes(n int) int { return n + 4 }

func (w *window) frame(n int) int {
	if w.framing == Length {
		return n + 4
	}
	return n + 1
}

func (w *window) slot(seq uint64) *slot { return &w.slots[seq%uint64(len(w.slots))] }

// end is the byte position behind record seq, freed ≤ seq ≤ queued.
func (w *window) end(seq uint64) uint64 {
	if seq == w.freed {
		return w.start
	}
	return w.slot(seq).end
}

func (w *window) used() (records, bytes int) {
	return int(w.queued - w.freed), int(w.end(w.queued) - w.start)
}

func (w *window) fits(n int) bool {
	records, bytes := w.used()
	return records < len(w.slots) && bytes+w.frame(n) <= len(w.buf)
}

// put queues a record that fits and returns its number.
func (w *window) put(p []byte) uint64 {
	at := w.end(w.queued)
	if w.framing == Length {
		var length [4]byte
		binary.BigEndian.PutUint32(length[:], uint32(len(p)))
		at = w.copyIn(at, length[:])
		at = w.copyIn(at, p)
	} else {
		at = w.copyIn(at, p)
		w.buf[at%uint64(len(w.buf))] = '\n'
		at++
	}
	w.queued++
	*w.slot(w.queued) = slot{end: at}
	return w.queued
}

func (w *window) copyIn(at uint64, p []byte) uint64 {
	n := copy(w.buf[at%uint64(len(w.buf)):], p)
	copy(w.buf, p[n:])
	return at + uint64(len(p))
}

// pieces are the bytes from one position to another.
func (w *window) pieces(from, to uint64) (a, b []byte) {
	size := uint64(len(w.buf))
	n := to - from
	from %= size
	if from+n <= size {
		return w.buf[from : from+n], nil
	}
	return w.buf[from:], w.buf[:from+n-size]
}

// span is a run of whole frames on its way to a socket.
type span struct {
	last  uint64 // number of its last record
	a, b  []byte
	again int // records begun before, on another connection
}

// begin takes the next frames to be written: at least one if there are any, and no
// more than most bytes unless the first has more.
func (w *window) begin(most int) span {
	if w.begun == w.queued {
		return span{}
	}
	from := w.end(w.begun)
	last := w.begun + 1
	for last < w.queued && w.end(last+1)-from <= uint64(most) {
		last++
	}
	s := span{last: last, again: int(max(min(last, w.highest), w.begun) - w.begun)}
	s.a, s.b = w.pieces(from, w.end(last))
	w.begun = last
	w.highest = max(w.highest, last)
	return s
}

// wrote is called when the write of the records begun has returned.
func (w *window) wrote() {
	w.sent = w.begun
	w.free()
}

// ack moves acked up to seq, which has been begun.
func (w *window) ack(seq uint64) {
	w.acked = seq
	w.free()
}

func (w *window) free() {
	if to := min(w.acked, w.sent); to > w.freed {
		w.start = w.end(to)
		w.freed = to
	}
}

// rewind is called when a connection has ended and nobody writes. What is not acked is to be sent
// again.
func (w *window) rewind() {
	w.sent, w.begun = w.acked, w.acked
	w.free()
}

// reject marks record seq, begun and not acked, as rejected. It returns its bytes, in
// one or two pieces, and false if it was marked before.
func (w *window) reject(seq uint64) (a, b []byte, first bool) {
	s := w.slot(seq)
	if s.rejected {
		return nil, nil, false
	}
	s.rejected = true
	from, to := w.end(seq-1), s.end
	if w.framing == Length {
		from += 4
	} else {
		to--
	}
	a, b = w.pieces(from, to)
	return a, b, true
}
