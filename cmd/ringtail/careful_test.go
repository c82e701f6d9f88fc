package main

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
)

// newCareful is a listener for a fake cluster that ends connections whose first request is too long, as
// brokers do. A fake one would take the beginning of another protocol for a length, and make room.
func newCareful(l net.Listener) net.Listener { return careful{l} }

type careful struct{ net.Listener }

func (c careful) Accept() (net.Conn, error) {
	nc, err := c.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &lookedAt{Conn: nc, r: bufio.NewReader(nc)}, nil
}

type lookedAt struct {
	net.Conn
	r      *bufio.Reader
	looked bool
}

func (c *lookedAt) Read(b []byte) (int, error) {
	if !c.looked {
		head, err := c.r.Peek(4)
		if err != nil || binary.BigEndian.Uint32(head) > 100<<20 {
			return 0, io.EOF
		}
		c.looked = true
	}
	return c.r.Read(b)
}
