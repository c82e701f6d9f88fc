package client

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
)

// fake is a server that does one wrong thing a connection. What it takes it takes for
// good, and it acks nothing else, unless lying is what it does.
type fake struct {
	t       *testing.T
	ln      net.Listener
	framing Framing
	ledger  *ledger
	rng     *rand.Rand // under mu

	stopping chan struct{}
	done     sync.WaitGroup

	mu     sync.Mutex
	script []act // one a connection; good when used up
	conns  []net.Conn
}

// act is what a fake does with a connection. n is drawn before: how far it gets.
type act struct {
	name string
	do   func(p *fakeConn, n int)
	rude bool // it does not greet
}

// fakeConn is one connection to a fake.
type fakeConn struct {
	*fake
	conn  net.Conn
	in    *bufio.Reader
	count uint64 // taken on this connection
}

func newFake(t *testing.T, f Framing, rng *rand.Rand, script ...act) *fake {
	t.Helper()
	ln, err := net.Listen("tcp", anyPort())
	if err != nil {
		t.Fatal(err)
	}
	return newFakeOn(t, ln, f, rng, script...)
}

func newFakeOn(t *testing.T, ln net.Listener, f Framing, rng *rand.Rand, script ...act) *fake {
	t.Helper()
	k := &fake{t: t, ln: ln, framing: f, ledger: newLedger(t), rng: rng, script: script, stopping: make(chan struct{})}
	goIn(&k.done, k.accept)
	t.Cleanup(k.stop)
	return k
}

func (k *fake) address() string { return "tcp://" + k.ln.Addr().String() }

// stop may be called again.
func (k *fake) stop() {
	_ = k.ln.Close()
	k.mu.Lock()
	if !isClosed(k.stopping) {
		close(k.stopping)
	}
	for _, nc := range k.conns {
		_ = nc.Close()
	}
	k.mu.Unlock()
	k.done.Wait()
}

func (k *fake) accept() {
	for {
		nc, err := k.ln.Accept()
		if err != nil {
			return
		}
		k.mu.Lock()
		if isClosed(k.stopping) {
			_ = nc.Close()
		}
		a := act{name: "good", do: good}
		if len(k.script) > 0 {
			a, k.script = k.script[0], k.script[1:]
		}
		n := k.rng.IntN(60)
		k.conns = append(k.conns, nc)
		k.mu.Unlock()
		goIn(&k.done, func() {
			p := &fakeConn{fake: k, conn: nc, in: bufio.NewReader(nc)}
			if a.rude || p.greet() {
				a.do(p, n)
			}
			_ = nc.Close()
		})
	}
}

// greet answers the blank record of a client that says hello.
func (p *fakeConn) greet() bool {
	blank := hello(p.framing, "")
	begun, err := p.in.Peek(len(blank))
	if err == nil && bytes.Equal(begun, blank) {
		_, err = p.in.Discard(len(blank))
		p.ack(0)
	}
	return err == nil
}

// take reads one record and takes it.
func (p *fakeConn) take() error {
	var b []byte
	var err error
	if p.framing == Length {
		var length [4]byte
		if _, err = io.ReadFull(p.in, length[:]); err != nil {
			return err
		}
		b = make([]byte, binary.BigEndian.Uint32(length[:]))
		_, err = io.ReadFull(p.in, b)
	} else if b, err = p.in.ReadBytes('\n'); err == nil {
		b = b[:len(b)-1]
	}
	if err != nil {
		return err
	}
	p.count++
	p.ledger.take(string(b))
	return nil
}

// takeSome takes up to n records.
func (p *fakeConn) takeSome(n int) {
	for range n {
		if p.take() != nil {
			return
		}
	}
}

func (p *fakeConn) ack(n uint64) { p.say(fmt.Sprintf(`{"acked":%d}`, n)) }

func (p *fakeConn) say(s string) { _, _ = io.WriteString(p.conn, framed(p.framing, s)) }

// hang waits until the client has closed, or the fake is stopped.
func (p *fakeConn) hang() { _, _ = io.Copy(io.Discard, p.conn) }

func reset(nc net.Conn) {
	_ = nc.(*net.TCPConn).SetLinger(0)
	_ = nc.Close()
}

// good takes and acks everything, in groups.
func good(p *fakeConn, _ int) {
	for p.take() == nil {
		if p.in.Buffered() == 0 || p.count%7 == 0 {
			p.ack(p.count)
		}
	}
	p.ack(p.count)
}

// acts are all the wrong things.
var acts = []act{
	{name: "refuses before it greets", do: func(*fakeConn, int) {}, rude: true},
	{name: "resets before it greets", do: func(p *fakeConn, _ int) { reset(p.conn) }, rude: true},
	{name: "greets with rubbish", do: func(p *fakeConn, _ int) { p.say("hello"); p.hang() }, rude: true},
	{name: "greets with an ack", do: func(p *fakeConn, _ int) { p.ack(1); p.hang() }, rude: true},
	{name: "greets in part", do: func(p *fakeConn, n int) {
		whole := framed(p.framing, `{"acked":0}`)
		_, _ = io.WriteString(p.conn, whole[:n%len(whole)])
	}, rude: true},
	{name: "refuses", do: func(*fakeConn, int) {}},
	{name: "resets at once", do: func(p *fakeConn, _ int) { reset(p.conn) }},
	{name: "closes between records", do: func(p *fakeConn, n int) { p.takeSome(n) }},
	{name: "closes in a record", do: func(p *fakeConn, n int) {
		p.takeSome(n / 2)
		_, _ = io.CopyN(io.Discard, p.in, int64(n%20))
	}},
	{name: "resets in a record", do: func(p *fakeConn, n int) {
		p.takeSome(n / 2)
		_, _ = io.CopyN(io.Discard, p.in, int64(n%20))
		reset(p.conn)
	}},
	{name: "acks and closes", do: func(p *fakeConn, n int) {
		p.takeSome(n)
		p.ack(p.count)
	}},
	{name: "acks some and resets", do: func(p *fakeConn, n int) {
		p.takeSome(n)
		p.ack(p.count / 2)
		p.ack(p.count)
		reset(p.conn)
	}},
	{name: "says part of an ack", do: func(p *fakeConn, n int) {
		p.takeSome(n)
		p.ack(p.count / 3)
		// Cut where the number looks like a smaller one, or would like a larger.
		whole := framed(p.framing, fmt.Sprintf(`{"acked":%d}`, p.count))
		_, _ = io.WriteString(p.conn, whole[:len(whole)-1-n%len(whole)])
	}},
	{name: "says an ack byte by byte, and slowly takes", do: func(p *fakeConn, n int) {
		for range n {
			if p.take() != nil {
				return
			}
			for _, c := range []byte(framed(p.framing, fmt.Sprintf(`{"acked":%d}`, p.count))) {
				_, _ = p.conn.Write([]byte{c})
			}
		}
	}},
	{name: "talks rubbish", do: func(p *fakeConn, n int) {
		p.takeSome(n)
		p.ack(p.count)
		_, _ = io.WriteString(p.conn, "HTTP/1.1 400 Bad Request\r\n\r\n")
		p.hang()
	}},
	{name: "says an object that is no answer", do: func(p *fakeConn, n int) {
		p.takeSome(n)
		p.say(`{"nacked":1}`)
		p.hang()
	}},
	{name: "acks what was never sent", do: func(p *fakeConn, n int) {
		p.takeSome(n)
		p.ack(1 << 40)
		p.hang()
	}},
	{name: "acks backwards", do: func(p *fakeConn, n int) {
		p.takeSome(n + 2)
		p.ack(p.count)
		p.ack(p.count / 2)
		p.hang()
	}},
	{name: "rejects what was acked", do: func(p *fakeConn, n int) {
		p.takeSome(n + 1)
		p.ack(p.count)
		p.say(`{"rejected":1,"reason":"bad_json"}`)
		p.hang()
	}},
	{name: "never acks", do: func(p *fakeConn, _ int) {
		for p.take() == nil {
		}
	}},
	{name: "stops reading", do: func(p *fakeConn, n int) {
		p.takeSome(n)
		p.ack(p.count)
		<-p.stopping
	}},
	{name: "half-closes and reads on", do: func(p *fakeConn, n int) {
		p.takeSome(n)
		p.ack(p.count)
		_ = p.conn.(*net.TCPConn).CloseWrite()
		p.hang()
	}},
}

// framed is s as the server writes it.
func framed(f Framing, s string) string {
	if f == Length {
		return string(binary.BigEndian.AppendUint32(nil, uint32(len(s)))) + s
	}
	return s + "\n"
}

// ackOne ends without a reset, so that the ack is certain to be read.
func ackOne(p *fakeConn, _ int) {
	p.takeSome(1)
	p.ack(1)
	_ = p.conn.(*net.TCPConn).CloseWrite()
	p.hang()
}
