package server

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ringtail/ringtail/internal/invariant"
	"github.com/ringtail/ringtail/server/ack"
)

// tap is the client's side of a socket. What the client writes can be caught instead of sent.
type tap struct {
	net.Conn
	passes int // writes that are still sent; −1: all
	caught bytes.Buffer
}

func (c *tap) Write(p []byte) (int, error) {
	if c.passes == 0 {
		return c.caught.Write(p)
	}
	c.passes--
	return c.Conn.Write(p)
}

// release sends what was caught, at once.
func (c *tap) release() error {
	c.passes = -1
	_, err := c.Conn.Write(c.caught.Bytes())
	return err
}

// sockets are the two ends of a connection: ours as a descriptor and as net.Conn, and the client's.
func sockets(t testing.TB) (fd int, ours, client net.Conn) {
	t.Helper()
	fds, err := socketPair()
	if err != nil {
		t.Fatal(err)
	}
	dup, err := unix.FcntlInt(uintptr(fds[0]), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if ours, err = fileConn(dup); err != nil {
		t.Fatal(err)
	}
	if client, err = fileConn(fds[1]); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _, _ = unix.Close(fds[0]), ours.Close(), client.Close() })
	return fds[0], ours, client
}

// shaken is a connection behind its handshake. What the client writes then is caught.
func shaken(t testing.TB, version uint16) (c *tlsConn, fd int, client *tls.Conn, wire *tap) {
	t.Helper()
	fd, ours, theirs := sockets(t)
	wire = &tap{Conn: theirs, passes: -1}
	config := clientTLS(t)
	config.MaxVersion = version
	client = tls.Client(wire, config)
	failed := make(chan error, 1)
	go func() { failed <- client.Handshake() }()
	c, err := handshake(ours, testTLS(t))
	if err = errors.Join(err, <-failed); err != nil {
		t.Fatal(err)
	}
	wire.passes = 0
	return c, fd, client, wire
}

// decryptCut decrypts a stream that is cut where cut says.
func decryptCut(d *decrypter, c *tlsConn, stream []byte, cut func(left int) int) (plain []byte) {
	for len(stream) > 0 {
		n := max(1, min(cut(len(stream)), len(stream)))
		chunk := bytes.Clone(stream[:n])
		plain = append(plain, d.decrypt(c, chunk)...)
		clear(chunk) // nobody may look at it any more
		stream = stream[n:]
	}
	return plain
}

var versions = map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}

// Wherever ciphertext is cut, the same comes out of it.
func TestCiphertextIsCutAnywhere(t *testing.T) {
	for name, version := range versions {
		c, _, client, wire := shaken(t, version)
		var d decrypter
		rng := rand.New(rand.NewPCG(1, 2))
		for _, most := range []int{1, 2, 5, 6, 100, 5000, wholeRead} {
			wire.caught.Reset()
			var want []byte
			for _, n := range []int{1, 100, 16 << 10, 0, 50_000, 3} {
				p := make([]byte, n)
				for i := range p {
					p[i] = byte(rng.Uint32())
				}
				want = append(want, p...)
				if _, err := client.Write(p); err != nil {
					t.Fatal(err)
				}
			}
			got := decryptCut(&d, c, wire.caught.Bytes(), func(int) int { return 1 + rng.IntN(most) })
			if !bytes.Equal(got, want) || c.ended != closedNot || c.begun != nil {
				t.Errorf("TLS %s, up to %d bytes at a time: %d bytes of %d, ended %q (%v), begun %d",
					name, most, len(got), len(want), c.ended, c.err, len(c.begun))
			}
		}
	}
}

func FuzzCiphertext(f *testing.F) {
	f.Add([]byte("records"), []byte{1, 5, 6, 0, 255})
	f.Add(bytes.Repeat([]byte("x"), 20_000), []byte{200})
	c, _, client, wire := shaken(f, tls.VersionTLS13)
	var d decrypter
	f.Fuzz(func(t *testing.T, want, cuts []byte) {
		wire.caught.Reset()
		if _, err := client.Write(want); err != nil {
			t.Fatal(err)
		}
		i := 0
		got := decryptCut(&d, c, wire.caught.Bytes(), func(left int) int {
			if len(cuts) == 0 {
				return left
			}
			i++
			return int(cuts[i%len(cuts)]) * 17
		})
		if !bytes.Equal(got, want) || c.ended != closedNot || c.begun != nil {
			t.Errorf("%d bytes of %d, ended %q (%v)", len(got), len(want), c.ended, c.err)
		}
	})
}

// FuzzNoCiphertext: whatever comes instead of TLS ends the connection, or waits for more of it.
func FuzzNoCiphertext(f *testing.F) {
	f.Add([]byte("GET / HTTP/1.0\r\n\r\n"), 3)
	f.Add([]byte{23, 3, 3, 0, 5, 1, 2, 3, 4, 5}, 5)
	f.Add([]byte{23, 3, 3, 255, 255}, 4)
	f.Add([]byte(",\x03\x0300"), -21) // of no type there is, and not whole
	f.Fuzz(func(t *testing.T, garbage []byte, cut int) {
		c, _, _, _ := shaken(t, tls.VersionTLS13)
		var d decrypter
		if plain := decryptCut(&d, c, garbage, func(int) int { return cut }); len(plain) > 0 {
			t.Errorf("%q came out of it", plain)
		}
		if whole := wholeRecords(garbage); whole > 0 && c.ended == closedNot || cap(c.begun) > tlsRecordMax {
			t.Errorf("not ended, %d bytes begun", cap(c.begun))
		}
	})
}

// A tls.Conn has no memory of its own between two reads, whatever was read.
func TestBuffersAreLent(t *testing.T) {
	if rawInputAt < 0 || handAt < 0 {
		t.Fatal("this Go's tls.Conn has other fields: see tlsbuffers.go")
	}
	for name, version := range versions {
		c, _, client, wire := shaken(t, version)
		memory := func(when string) {
			t.Helper()
			for _, at := range []int{rawInputAt, handAt} {
				if b := emptyBuffer(c.conn, at); b == nil || b.Cap() > 0 {
					t.Errorf("TLS %s, %s: %v", name, when, b)
				}
			}
		}
		memory("behind the handshake")
		if _, err := client.Write(make([]byte, 60_000)); err != nil {
			t.Fatal(err)
		}
		var d decrypter
		stream := wire.caught.Bytes()
		d.decrypt(c, stream[:len(stream)-1])
		if memory("in a record"); cap(c.begun) > tlsRecordMax || len(c.begun) == 0 {
			t.Errorf("begun: %d bytes", cap(c.begun))
		}
		raw := &d.raw[:1][0]
		d.decrypt(c, stream[len(stream)-1:])
		if memory("behind it"); raw != &d.raw[:1][0] || c.begun != nil {
			t.Error("the buffer was not taken back")
		}
	}
}

// A read of records that are whole takes no memory but what crypto/tls takes for it itself.
func TestNothingIsAllocatedForTLS(t *testing.T) {
	c, _, client, wire := shaken(t, tls.VersionTLS13)
	var d decrypter
	line := []byte(strings.Repeat("x", 5000))
	theirs := 2.0 // the client's, and the reader with which tls.Conn asks for a TLS record
	if invariant.Enabled {
		theirs = 10 // assertions box their arguments, and crypto/tls's pool drops some under the race detector
	}
	if n := testing.AllocsPerRun(100, func() {
		wire.caught.Reset()
		_, _ = client.Write(line)
		d.decrypt(c, wire.caught.Bytes())
	}); n > theirs {
		t.Errorf("%v allocations for each read", n)
	}
}

// Bytes behind the client's Finished, in the same segment, are in the socket and not in tls.Conn.
func TestHandshakeReadsNotBeyondItself(t *testing.T) {
	for name, version := range versions {
		fd, ours, theirs := sockets(t)
		wire := &tap{Conn: theirs, passes: 1} // the ClientHello
		config := clientTLS(t)
		config.MaxVersion = version
		client := tls.Client(wire, config)
		failed := make(chan error, 1)
		go func() {
			if version == tls.VersionTLS12 { // the client waits for the server's Finished
				wire.passes = 4
			}
			err := client.Handshake()
			if version == tls.VersionTLS12 {
				wire.passes = 0
			}
			_, werr := client.Write([]byte("early"))
			failed <- errors.Join(err, werr, wire.release())
		}()
		c, err := handshake(ours, testTLS(t))
		if err = errors.Join(err, <-failed); err != nil {
			t.Fatal(name, err)
		}
		var d decrypter
		if got := d.decrypt(c, readSome(t, fd)); string(got) != "early" {
			t.Errorf("TLS %s: %q behind the handshake", name, got)
		}
	}
}

func readSome(t testing.TB, fd int) []byte {
	t.Helper()
	buf := make([]byte, wholeRead)
	n, err := unix.Read(fd, buf)
	if err != nil {
		t.Fatal(err)
	}
	return buf[:n]
}

// A line counts as taken when all of its ciphertext is in the socket, and is encrypted once.
func TestLinesIntoAFullSocket(t *testing.T) {
	c, fd, client, _ := shaken(t, tls.VersionTLS13)
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 4096)
	line := []byte(strings.Repeat("y", 3000) + "\n")
	said, err := 0, error(nil)
	for err == nil {
		var n int
		if n, err = c.write(fd, line); n > 0 {
			said++
		}
	}
	if err != ack.ErrPart && err != unix.EAGAIN || len(c.out) == 0 {
		t.Fatalf("%v, %d bytes wait", err, len(c.out))
	}
	waiting := len(c.out)
	for range 100 {
		if n, err := c.write(fd, line); n != 0 || err != unix.EAGAIN || len(c.out) > waiting {
			t.Fatalf("%d, %v: %d bytes wait", n, err, len(c.out))
		}
	}
	got := make([]byte, said*len(line))
	if _, err := io.ReadFull(client, got); err != nil {
		t.Fatal(err)
	}
	for n := 0; n == 0; {
		if n, err = c.write(fd, line); err != nil && err != unix.EAGAIN && err != ack.ErrPart {
			t.Fatal(err)
		}
	}
	for err := c.closeNotify(fd); err != nil; err = c.closeNotify(fd) {
		if err != unix.EAGAIN {
			t.Fatal(err)
		}
	}
	rest, err := io.ReadAll(client)
	if err != nil || string(rest) != string(line) {
		t.Errorf("then %d bytes, %v; want one line and close_notify", len(rest), err)
	}
}

// Who makes the server answer, and reads nothing, does not take memory without limit.
func TestAnswersAreBounded(t *testing.T) {
	c, _, _, _ := shaken(t, tls.VersionTLS13)
	s := (*tlsSocket)(c)
	err := error(nil)
	for range 10_000 {
		if _, err = s.Write(make([]byte, 27)); err != nil {
			break
		}
	}
	if err != errOutFull || len(c.out) > sealMax+2*outSlack {
		t.Errorf("%v: %d bytes wait", err, len(c.out))
	}
}

// How a stream ends: by close_notify, and by a FIN between TLS records or in the middle of one.
func TestEndsOfTLS(t *testing.T) {
	c, _, client, wire := shaken(t, tls.VersionTLS13)
	var d decrypter
	_, _ = client.Write([]byte("last"))
	if got := string(d.decrypt(c, wire.caught.Bytes())); got != "last" || c.endOfStream() != closedByClient {
		t.Errorf("%q, then a FIN: %q", got, c.endOfStream())
	}
	wire.caught.Reset()
	_, _ = client.Write([]byte("cut"))
	stream := bytes.Clone(wire.caught.Bytes())
	if d.decrypt(c, stream[:10]); c.endOfStream() != closedTLS {
		t.Errorf("a FIN inside of a TLS record: %q", c.endOfStream())
	}
	d.decrypt(c, stream[10:])
	wire.caught.Reset()
	_, _ = client.Write([]byte("end"))
	_ = client.CloseWrite()
	if got := string(d.decrypt(c, append(wire.caught.Bytes(), "not looked at"...))); got != "end" || c.ended != closedByClient {
		t.Errorf("%q, then close_notify: %q", got, c.ended)
	}
	if got := d.decrypt(c, []byte("more")); got != nil || c.ended != closedByClient {
		t.Errorf("%q behind the end", got)
	}
}
