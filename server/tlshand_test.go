package server

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// sealer is a client that encrypts what crypto/tls would not let it say: handshake messages behind
// the handshake, in TLS 1.3.
type sealer struct {
	secret []byte
	seq    uint64 // records encrypted with it
}

// sealed is a connection behind its handshake, and a client of which nothing has been encrypted yet.
func sealed(t testing.TB) (*tlsConn, *sealer) {
	t.Helper()
	_, ours, theirs := sockets(t)
	var keys bytes.Buffer
	config := clientTLS(t)
	config.MinVersion, config.KeyLogWriter = tls.VersionTLS13, &keys
	config.CurvePreferences = []tls.CurveID{tls.X25519}
	client := tls.Client(theirs, config)
	failed := make(chan error, 1)
	go func() { failed <- client.Handshake() }()
	c, err := handshake(ours, testTLS(t))
	if err = errors.Join(err, <-failed); err != nil {
		t.Fatal(err)
	}
	_, line, _ := strings.Cut(keys.String(), "CLIENT_TRAFFIC_SECRET_0 ")
	text, _, _ := strings.Cut(line, "\n")
	_, text, _ = strings.Cut(text, " ")
	secret, err := hex.DecodeString(text)
	if err != nil || len(secret) != sha256.Size {
		t.Fatalf("%s: a secret of %d bytes, %v", tls.CipherSuiteName(client.ConnectionState().CipherSuite), len(secret), err)
	}
	return c, &sealer{secret: secret}
}

func expand(secret []byte, label string, n int) []byte {
	info := binary.BigEndian.AppendUint16(nil, uint16(n))
	info = append(append(info, byte(len("tls13 "+label))), "tls13 "+label...)
	key, _ := hkdf.Expand(sha256.New, secret, string(append(info, 0)), n) // it fails for n that are too large
	return key
}

// record encrypts one TLS record of a type.
func (s *sealer) record(typ byte, content []byte) []byte {
	block, _ := aes.NewCipher(expand(s.secret, "key", 16)) // nor do these, of 16 bytes
	aead, _ := cipher.NewGCM(block)
	nonce := expand(s.secret, "iv", aead.NonceSize())
	for i := range 8 {
		nonce[4+i] ^= byte(s.seq >> (56 - 8*i))
	}
	s.seq++
	size := len(content) + 1 + aead.Overhead()
	head := []byte{23, 3, 3, byte(size >> 8), byte(size)}
	return aead.Seal(head, nonce, append(bytes.Clone(content), typ), head)
}

const (
	typeHandshake = 22
	typeData      = 23
)

// TestLongMessageBehindTheHandshake: crypto/tls would gather up to 256 KiB of a handshake message
// that nobody charges, for a client that has shown no token, and for as long as it likes.
func TestLongMessageBehindTheHandshake(t *testing.T) {
	for _, message := range [][]byte{{11, 3, 0, 0}, {24, 0, 0xff, 0}, {4, 0, 1, 0}} { // Certificate, KeyUpdate, ticket
		c, client := sealed(t)
		var d decrypter
		d.decrypt(c, client.record(typeHandshake, append(message, make([]byte, 10_000)...)))
		kept := 0
		if b := bufferOf(c.conn, handAt); b != nil {
			kept = b.Cap()
		}
		if c.ended != closedTLS || c.err == nil || kept > handMax { // at once
			t.Errorf("ended %q (%v), %d bytes of a message kept", c.ended, c.err, kept)
		}
	}
}

// TestKeyUpdateInPieces: a message that may come does, wherever it is cut, and leaves nothing.
func TestKeyUpdateInPieces(t *testing.T) {
	c, client := sealed(t)
	var d decrypter
	update := []byte{24, 0, 0, 1, 0}
	for i := range update {
		if d.decrypt(c, client.record(typeHandshake, update[i:i+1])); c.ended != closedNot {
			t.Fatalf("behind %d bytes: %q (%v)", i+1, c.ended, c.err)
		}
	}
	if b := emptyBuffer(c.conn, handAt); b == nil || b.Cap() > 0 {
		t.Errorf("it leaves %v", b)
	}
	client.secret, client.seq = expand(client.secret, "traffic upd", sha256.Size), 0
	if got := d.decrypt(c, client.record(typeData, []byte("x"))); string(got) != "x" {
		t.Errorf("with the next key: %q, ended %q (%v)", got, c.ended, c.err)
	}
}

// TestHandshakesComputeInTurn: those that compute at a time leave event loops a core. Those that
// wait for their clients have no turn: TestStalledHandshakes sees to that.
func TestHandshakesComputeInTurn(t *testing.T) {
	const conns = 60
	var computing, most atomic.Int64
	r := newRig(t, func(o *rigOptions) {
		encrypted(o)
		o.useTLS(t)
		o.TLS.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
			for n := computing.Add(1); n > most.Load(); {
				most.Store(n)
			}
			for range 100 {
				runtime.Gosched()
			}
			computing.Add(-1)
			return nil, nil
		}
	})
	var clients sync.WaitGroup
	for i := range conns {
		clients.Go(func() {
			nc, err := r.connect(0, net.Dialer{})
			if err != nil {
				t.Errorf("%v", err)
				return
			}
			_, _ = nc.Write([]byte(record(i) + "\n"))
			_ = nc.Close()
		})
	}
	clients.Wait()
	r.eventually("all records", func() bool { return r.w.count() == conns })
	if n, limit := most.Load(), max(1, runtime.GOMAXPROCS(0)/2); n > int64(limit) {
		t.Errorf("%d handshakes at a time, want %d", n, limit)
	}
}

// TestLongHandshake: a certificate of 200 KB, before the server knows whose, is not waited for.
func TestLongHandshake(t *testing.T) {
	_, ours, theirs := sockets(t)
	wire := &tap{Conn: theirs} // catches the hello
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		config := clientTLS(t)
		config.MaxVersion = tls.VersionTLS12
		client := tls.Client(wire, config)
		_ = theirs.SetReadDeadline(time.Unix(1, 0))
		_ = client.Handshake()
		_ = theirs.SetReadDeadline(time.Time{})
		err := wire.release()
		content := append([]byte{11, 3, 0x0d, 0x40}, make([]byte, 200_000)...)
		for len(content) > 0 && err == nil {
			n := min(len(content), 16<<10)
			_, err = theirs.Write(append([]byte{22, 3, 3, byte(n >> 8), byte(n)}, content[:n]...))
			content = content[n:]
		}
	}()
	if _, err := handshake(ours, testTLS(t)); !errors.Is(err, errLongHandshake) {
		t.Errorf("%v", err)
	}
	_ = ours.Close()
	<-sent
}
