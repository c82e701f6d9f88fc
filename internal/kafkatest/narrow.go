package kafkatest

import (
	"encoding/binary"
	"io"
	"net"
	"sync/atomic"
	"time"
)

// Narrow is l, but a connection is closed at a request of more than most bytes, as services and
// proxies do that bound requests. closed counts these.
func Narrow(l net.Listener, most int, closed *atomic.Int32) net.Listener {
	return narrow{l, most, closed}
}

type narrow struct {
	net.Listener
	most   int
	closed *atomic.Int32
}

func (l narrow) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &narrowConn{Conn: c, l: l}, nil
}

type narrowConn struct {
	net.Conn
	l    narrow
	head []byte // of a request
	left int    // bytes of it still to come
}

func (c *narrowConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	for b := p[:n]; len(b) > 0; {
		if c.left == 0 {
			k := min(4-len(c.head), len(b))
			c.head, b = append(c.head, b[:k]...), b[k:]
			if len(c.head) < 4 {
				continue
			}
			c.left, c.head = int(binary.BigEndian.Uint32(c.head)), c.head[:0]
			if c.left > c.l.most {
				c.l.closed.Add(1)
				_ = c.Close()
				return 0, io.EOF
			}
			continue
		}
		k := min(c.left, len(b))
		c.left -= k
		b = b[k:]
	}
	return n, err
}

// Slow is l, but a connection takes that many bytes a second.
func Slow(l net.Listener, rate int) net.Listener { return slow{l, rate} }

type slow struct {
	net.Listener
	rate int
}

func (l slow) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return slowConn{c, l.rate}, nil
}

type slowConn struct {
	net.Conn
	rate int
}

func (c slowConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p[:min(len(p), c.rate/50)])
	time.Sleep(time.Duration(n) * time.Second / time.Duration(c.rate))
	return n, err
}
