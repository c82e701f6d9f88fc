package conformance

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/ringtail/ringtail/wire"
)

// server plays a script: an act for each connection, the last one for all that follow.
type server struct {
	ledger *ledger
	token  string
	script []act
	ln     net.Listener
	tls    *tls.Config

	stopping chan struct{}
	done     sync.WaitGroup
	mu       sync.Mutex
	conns    []net.Conn
}

// act is what a server does with a connection that it has greeted.
type act func(c *conn)

// conn is a connection to a server.
type conn struct {
	*server
	nc      net.Conn
	in      *bufio.Reader
	framing wire.Framing
	base    int // records done before it, as the client has it; −1: it has sent none yet
	last    int // the number of the last one taken; 0: none
}

func (s *server) start() {
	s.stopping = make(chan struct{})
	s.done.Go(func() {
		for n := 0; ; n++ {
			nc, err := s.ln.Accept()
			if err != nil {
				return
			}
			if s.tls != nil {
				nc = tls.Server(nc, s.tls)
			}
			s.mu.Lock()
			s.conns = append(s.conns, nc)
			s.mu.Unlock()
			s.script[min(n, len(s.script)-1)](&conn{server: s, nc: nc, in: bufio.NewReader(nc), base: -1})
			_ = nc.Close()
			if n == 1000 {
				s.ledger.fault("it has connected a thousand times")
			}
		}
	})
}

func (s *server) stop() {
	_ = s.ln.Close()
	close(s.stopping)
	s.mu.Lock()
	for _, nc := range s.conns {
		_ = nc.Close()
	}
	s.mu.Unlock()
	s.done.Wait()
}

// frame reads the next frame, white space around it trimmed; the first decides the framing, as auto does.
func (c *conn) frame() (string, error) {
	if c.framing == wire.Auto {
		first, err := c.in.Peek(1)
		if err != nil {
			return "", err
		}
		if c.framing = wire.Newline; first[0] == 0 {
			c.framing = wire.Length
		}
	}
	if c.framing == wire.Newline {
		line, err := c.in.ReadString('\n')
		return strings.Trim(line, " \t\r\n"), err
	}
	var n uint32
	if err := binary.Read(c.in, binary.BigEndian, &n); err != nil {
		return "", err
	}
	if n > 1<<24 {
		return "", fmt.Errorf("a length of %d", n)
	}
	body := make([]byte, n)
	_, err := io.ReadFull(c.in, body)
	return string(bytes.Trim(body, " \t\r\n")), err
}

// hello reads the token, if there is one, and the blank record, and sees to it that nothing follows.
func (c *conn) hello() bool {
	if c.token != "" {
		text, err := c.frame()
		if err != nil {
			return false
		}
		if want := `{"token":"` + c.token + `"}`; strings.ReplaceAll(text, " ", "") != want {
			c.ledger.fault("it began with %.60q, want %s", text, want)
			return false
		}
	}
	text, err := c.frame()
	if err != nil {
		return false
	}
	if text != "" {
		c.ledger.fault("it began with %.60q, and not with a blank record", text)
		return false
	}
	_ = c.nc.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	_, err = c.in.Peek(1)
	_ = c.nc.SetReadDeadline(time.Time{})
	if err == nil {
		c.ledger.fault("it sent something behind the blank record, before {\"acked\":0}")
		return false
	}
	return errors.Is(err, os.ErrDeadlineExceeded)
}

// greet is hello and its answer.
func (c *conn) greet() bool { return c.hello() && c.say(`{"acked":0}`) }

func (c *conn) framed(text string) []byte {
	if c.framing == wire.Length {
		return append(binary.BigEndian.AppendUint32(nil, uint32(len(text))), text...)
	}
	return []byte(text + "\n")
}

func (c *conn) say(text string) bool {
	_, err := c.nc.Write(c.framed(text))
	return err == nil
}

// take takes up to n records; −1: all that come. It returns false if the client has ended.
func (c *conn) take(n int) bool {
	for ; n != 0; n-- {
		text, err := c.frame()
		if err != nil {
			return false
		}
		if text == "" {
			continue
		}
		c.last = c.ledger.take(text, c.last)
		if c.base < 0 {
			c.base = c.last - 1
		}
	}
	return true
}

// ack acks what is taken, up to record k.
func (c *conn) ack(k int) {
	if c.base < 0 || k <= c.base {
		return
	}
	c.ledger.says(k)
	c.say(fmt.Sprintf(`{"acked":%d}`, k-c.base))
}

// end half-closes: the client gets all that was said, and knows it.
func (c *conn) end() {
	if half, ok := c.nc.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		if _, err := io.Copy(io.Discard, c.in); err == nil { // it has closed as well, and without a reset
			c.ledger.mu.Lock()
			c.ledger.known = c.ledger.said
			c.ledger.mu.Unlock()
		}
	}
}

// reset ends with a RST: what was said may be lost.
func (c *conn) reset() {
	if tcp, ok := c.nc.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
}
