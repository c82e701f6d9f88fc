package server

import (
	"bytes"
	"crypto/tls"
	"reflect"
	"unsafe"
)

// A tls.Conn has a buffer for the TLS record that it reads, rawInput, and one for handshake
// messages, hand. Neither ever shrinks. So a connection that has sent one record of 16 KiB has 18
// KiB for good, and one that has sent nothing has what its handshake took. Between two reads both
// are empty. So hand is dropped, and while a goroutine decrypts it lends its own buffer for
// rawInput. That is most of what an idle TLS connection would cost, and no copy more.
//
// crypto/tls has no way to ask for this. If a future Go has other fields, nothing is dropped or
// lent: it only costs memory again. TestBuffersAreLent says so.
var (
	rawInputAt = bufferAt("rawInput")
	handAt     = bufferAt("hand")
)

// bufferAt returns where in a tls.Conn the bytes.Buffer of that name is, −1 if there is none.
func bufferAt(name string) int {
	f, ok := reflect.TypeFor[tls.Conn]().FieldByName(name)
	if !ok || f.Type != reflect.TypeFor[bytes.Buffer]() {
		return -1
	}
	return int(f.Offset)
}

// bufferOf returns the buffer at that place, nil if there is none.
func bufferOf(c *tls.Conn, at int) *bytes.Buffer {
	if at < 0 {
		return nil
	}
	return (*bytes.Buffer)(unsafe.Add(unsafe.Pointer(c), at))
}

// emptyBuffer returns the buffer at that place, nil if there is none, or if it is not empty.
func emptyBuffer(c *tls.Conn, at int) *bytes.Buffer {
	b := bufferOf(c, at)
	if b == nil || b.Len() > 0 {
		return nil
	}
	return b
}

// handMax is the most that a connection may have of a handshake message between two reads. The one
// that a client may send, KeyUpdate, has five bytes; crypto/tls would gather 256 KiB of any other
// before it refused it.
const handMax = 64

// checkHand drops what the latest read has left of handshake messages: nothing, of a client that
// means well, or a few bytes, which it keeps. It returns false if the client means something else.
func checkHand(c *tls.Conn) bool {
	b := bufferOf(c, handAt)
	if b == nil || b.Cap() == 0 {
		return true
	}
	begun := b.Bytes()
	*b = bytes.Buffer{}
	if len(begun) > handMax/2 {
		return false
	}
	b.Write(begun)
	return true
}

// dropBuffers drops the empty buffers of a connection that nobody else uses.
func dropBuffers(c *tls.Conn) {
	for _, at := range [2]int{rawInputAt, handAt} {
		if b := emptyBuffer(c, at); b != nil {
			*b = bytes.Buffer{}
		}
	}
}

// lend gives c a buffer that it need not enlarge. takeBack takes it again.
func (d *decrypter) lend(c *tls.Conn) {
	if b := emptyBuffer(c, rawInputAt); b != nil {
		if d.raw == nil {
			d.raw = make([]byte, 0, wholeRead+tlsRecordMax)
		}
		*b = *bytes.NewBuffer(d.raw)
	}
}

// takeBack returns false if c has left something in it: what it was given were not whole TLS records.
func (d *decrypter) takeBack(c *tls.Conn) bool {
	b := emptyBuffer(c, rawInputAt)
	if b != nil {
		b.Reset()
		d.raw = b.AvailableBuffer()
		*b = bytes.Buffer{}
	} else if rawInputAt >= 0 {
		d.raw = nil // the connection has failed in the middle of it
	}
	return b != nil || rawInputAt < 0
}
