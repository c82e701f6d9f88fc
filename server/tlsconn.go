package server

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ringtail/ringtail/internal/invariant"
	"github.com/ringtail/ringtail/server/ack"
)

// tlsConn is the TLS of one connection: crypto/tls between the socket and everything else.
//
//	socket ──► loop, pauser ──► in ──► tls.Conn.Read ───► intake.take
//	socket ◄── flush ◄───────── out ◄── tls.Conn.Write ◄── acks
//
// The handshake blocks, with a deadline, in the goroutine of the greeting. It reads one TLS record
// at a time and never beyond it. So whatever the client sends behind its handshake is in the
// socket when an event loop opens the connection, and the loop is woken for it.
//
// From then on tls.Conn never touches the socket, so nothing can make it wait. It is given whole
// TLS records that somebody else has read, and what it writes goes into out.
//
// Invariants:
//
//  1. The goroutine that has the connection decrypts. in and begun are its own.
//  2. tls.Conn has nothing unread between two calls of decrypt: it was given whole TLS records, and
//     all that they hold was taken. Of a record that is not whole, begun has the first part, which
//     is charged to --client-memory.
//  3. Two goroutines write: the acker, and with answers to KeyUpdate and with alerts the one that
//     decrypts. tls.Conn has a lock that puts what they encrypt in order. It goes into out in that
//     order, and into the socket in the order of out: mu is locked while out is written to it.
//     Each flushes to the descriptor that it may use itself.
//  4. Lines count as taken by the client when all of their ciphertext has gone into the socket. Until
//     then sealed says how many bytes of the lines that comes to, and nothing more is encrypted of
//     them. It belongs to the acks' mutex.
//  5. out has one write of the acks and outSlack bytes at most. Who has requested more answers
//     without reading any is closed.
type tlsConn struct {
	conn  *tls.Conn
	ended closeReason // why nothing comes any more; closedNot: more may come
	err   error       // of closedTLS
	begun []byte      // the first part of a TLS record
	in    [2][]byte   // ciphertext for tls.Conn
	shake *handshakeReader

	sealed int

	mu  sync.Mutex
	out []byte // ciphertext that the socket has not taken
}

const (
	tlsHeader    = 5
	tlsRecordMax = tlsHeader + 16<<10 + 2<<10 // of TLS 1.2; less in 1.3
	sealMax      = 4 << 10                    // bytes of lines encrypted at a time
	outSlack     = 4 << 10
	outRetain    = 512 // an empty out's capacity
)

var (
	errNoBytes       error = noBytes{}
	errOutFull             = errors.New("server: the client reads no answers to its KeyUpdate messages")
	errLongHandshake       = fmt.Errorf("server: a handshake of more than %d bytes", handshakeMax)
	errNoRecord            = errors.New("server: no TLS record")
	errLongMessage         = errors.New("server: a long handshake message behind the handshake")
)

// noBytes says that tls.Conn has been given everything. crypto/tls goes on after an error that is
// temporary; all others are final.
type noBytes struct{}

func (noBytes) Error() string   { return "no more bytes for now" }
func (noBytes) Timeout() bool   { return true }
func (noBytes) Temporary() bool { return true }

// handshake runs the server's side of a handshake on nc, until nc's deadline.
func handshake(nc net.Conn, config *tls.Config) (*tlsConn, error) {
	t := &tlsConn{shake: &handshakeReader{Conn: nc}}
	t.conn = tls.Server((*tlsSocket)(t), config)
	if err := t.conn.Handshake(); err != nil {
		return nil, err
	}
	t.shake = nil
	dropBuffers(t.conn)
	return t, nil
}

// handshakeReader reads one TLS record at a time from a connection, and never beyond it.
type handshakeReader struct {
	net.Conn
	header [tlsHeader]byte
	n      int // bytes of the header so far
	left   int // bytes of the record behind its header
	total  int
}

// handshakeMax is what a client may send for its handshake: a hello, and a chain of certificates.
// crypto/tls alone would gather a message of 256 KiB from each of those that shake hands.
const handshakeMax = 64 << 10

func (r *handshakeReader) Read(p []byte) (int, error) {
	if r.total >= handshakeMax {
		return 0, errLongHandshake
	}
	n, err := r.readRecord(p)
	r.total += n
	return n, err
}

func (r *handshakeReader) readRecord(p []byte) (int, error) {
	if r.left > 0 {
		n, err := r.Conn.Read(p[:min(len(p), r.left)])
		r.left -= n
		return n, err
	}
	n, err := r.Conn.Read(p[:min(len(p), tlsHeader-r.n)])
	if r.n += copy(r.header[r.n:], p[:n]); r.n == tlsHeader {
		r.n, r.left = 0, bodyBytes(r.header[:])
	}
	return n, err
}

func bodyBytes(header []byte) int { return int(binary.BigEndian.Uint16(header[3:])) }

// recordBytes returns the size of the TLS record that b begins with, 0 if b is too short to tell,
// −1 if that is no TLS record.
func recordBytes(b []byte) int {
	if len(b) < tlsHeader {
		return 0
	}
	n := tlsHeader + bodyBytes(b)
	if typ := b[0]; typ < 20 || typ > 23 || b[1] != 3 || b[2] != 3 || n > tlsRecordMax {
		return -1
	}
	return n
}

// wholeRecords returns how many bytes of b are whole TLS records. What is no TLS record counts as
// whole: tls.Conn is to say what is wrong with it.
func wholeRecords(b []byte) int {
	whole := 0
	for {
		n := recordBytes(b[whole:])
		if n < 0 {
			return len(b)
		}
		if n == 0 || n > len(b)-whole {
			return whole
		}
		whole += n
	}
}

// whole returns how many bytes of b, which comes next, make whole TLS records together with what
// has begun.
func (t *tlsConn) whole(b []byte) int {
	missing := t.missing(b)
	switch {
	case missing < 0:
		return len(b)
	case missing > len(b):
		return 0
	}
	return missing + wholeRecords(b[missing:])
}

// missing returns how many bytes the begun TLS record lacks, more than len(b) if b does not even
// have its header, −1 if it is no TLS record.
func (t *tlsConn) missing(b []byte) int {
	if len(t.begun) == 0 {
		return 0
	}
	var header [tlsHeader]byte
	had := copy(header[:], t.begun)
	if had += copy(header[had:], b); had < tlsHeader {
		return len(b) + 1
	}
	return max(recordBytes(header[:])-len(t.begun), -1)
}

// append adds b to the begun TLS record.
func (t *tlsConn) append(b []byte) {
	n := len(t.begun) + len(b)
	if n > cap(t.begun) {
		size := int(powerOfTwo(int64(n)))
		t.begun = append(make([]byte, 0, min(size, tlsRecordMax)), t.begun...)
	}
	t.begun = append(t.begun, b...)
}

// decrypter is the scratch memory of one goroutine that decrypts.
type decrypter struct {
	plain []byte
	raw   []byte // lent to tls.Conn (tlsbuffers.go)
}

// decrypt returns what the next bytes of t's stream hold, one read of them. It is the decrypter's
// memory.
func (d *decrypter) decrypt(t *tlsConn, chunk []byte) []byte {
	invariant.Check(len(chunk) <= wholeRead, "a read of %d bytes", len(chunk))
	if t.ended != closedNot {
		return nil
	}
	if d.plain == nil {
		d.plain = make([]byte, wholeRead+tlsRecordMax)
	}
	whole := t.whole(chunk)
	if whole == 0 {
		t.append(chunk)
		return nil
	}
	if len(t.begun) > 0 {
		n := max(t.missing(chunk), 0)
		t.append(chunk[:n])
		t.in = [2][]byte{t.begun, chunk[n:whole]}
	} else {
		t.in[1] = chunk[:whole]
	}
	d.lend(t.conn)
	plain := t.readAll(d.plain)
	if !d.takeBack(t.conn) && t.ended == closedNot { // it waits for more of what is no TLS record
		t.ended, t.err = closedTLS, errNoRecord
	}
	memory := t.begun[:0]
	t.in, t.begun = [2][]byte{}, nil
	if rest := chunk[whole:]; len(rest) > 0 && t.ended == closedNot {
		t.begun = memory
		t.append(rest)
	}
	return plain
}

// readAll decrypts what in has. A TLS record holds less than it has bytes, so buf has room for all.
func (t *tlsConn) readAll(buf []byte) []byte {
	n := 0
	for {
		k, err := t.conn.Read(buf[n:])
		n += k
		if err == nil {
			continue
		}
		switch short := checkHand(t.conn); {
		case err == errNoBytes && !short:
			t.ended, t.err = closedTLS, errLongMessage
		case err == errNoBytes:
		case err == io.EOF: // close_notify
			t.ended = closedByClient
		default:
			t.ended, t.err = closedTLS, err
		}
		return buf[:n]
	}
}

// endOfStream returns what the end of the bytes means: an end inside of a TLS record may have cut
// anything off.
func (t *tlsConn) endOfStream() closeReason {
	if t.ended == closedNot && len(t.begun) > 0 {
		return closedTLS
	}
	return closedByClient
}

// flush writes to the socket what has been encrypted. It returns ErrPart or EAGAIN if the socket has
// not taken all of it.
func (t *tlsConn) flush(fd int) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	full := error(unix.EAGAIN)
	for len(t.out) > 0 {
		n, err := unix.Write(fd, t.out)
		if n > 0 {
			t.out = t.out[:copy(t.out, t.out[n:])]
			full = ack.ErrPart
		}
		if err == unix.EAGAIN {
			return full
		}
		if err != nil && err != unix.EINTR {
			return err
		}
	}
	if cap(t.out) > outRetain {
		t.out = nil
	}
	return nil
}

// write is unix.Write for lines of the acks. It returns EAGAIN or ErrPart, and no bytes, while the
// socket has not taken all of their ciphertext. It must then be called with the same lines again.
func (t *tlsConn) write(fd int, lines []byte) (int, error) {
	if err := t.flush(fd); err != nil {
		return 0, err
	}
	if t.sealed == 0 {
		n, err := t.conn.Write(lines[:min(len(lines), sealMax)])
		if err != nil {
			return 0, err
		}
		t.sealed = n
		if err := t.flush(fd); err != nil {
			return 0, err
		}
	}
	n := t.sealed
	t.sealed = 0
	return n, nil
}

// closeNotify says that nothing more comes. It returns EAGAIN while the socket has no room for that.
func (t *tlsConn) closeNotify(fd int) error {
	_ = t.conn.CloseWrite() // it has failed before, if it fails
	err := t.flush(fd)
	if err == ack.ErrPart {
		return unix.EAGAIN
	}
	return err
}

// tlsSocket is a tlsConn as the net.Conn under its tls.Conn.
type tlsSocket tlsConn

func (s *tlsSocket) Read(p []byte) (int, error) {
	if s.shake != nil {
		return s.shake.Read(p)
	}
	for i := range s.in {
		if n := copy(p, s.in[i]); n > 0 {
			s.in[i] = s.in[i][n:]
			return n, nil
		}
	}
	return 0, errNoBytes
}

func (s *tlsSocket) Write(p []byte) (int, error) {
	if s.shake != nil {
		return s.shake.Write(p)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.out)+len(p) > sealMax+2*outSlack {
		return 0, errOutFull
	}
	s.out = append(s.out, p...)
	return len(p), nil
}

func (s *tlsSocket) Close() error                     { return nil }
func (s *tlsSocket) LocalAddr() net.Addr              { return nil }
func (s *tlsSocket) RemoteAddr() net.Addr             { return nil }
func (s *tlsSocket) SetDeadline(time.Time) error      { return nil }
func (s *tlsSocket) SetReadDeadline(time.Time) error  { return nil }
func (s *tlsSocket) SetWriteDeadline(time.Time) error { return nil }
