package server

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"

	"golang.org/x/sys/unix"

	"github.com/ringtail/ringtail/codec"
)

// useTLS has a listener's clients shake hands. turns bounds those that compute at a time.
func (l *listener) useTLS(config *tls.Config, turns chan struct{}) {
	l.handshake = func(g *greeting) error {
		turns <- struct{}{}
		t, err := handshake(inTurn{g, turns}, config)
		<-turns
		g.tls = t
		return explainHandshake(err)
	}
}

// inTurn is the socket of a handshake, which has a turn but while it reads or writes. A handshake
// takes a millisecond of a core. If hundreds of them were runnable at a time, an event loop would
// come behind them all.
type inTurn struct {
	net.Conn
	turns chan struct{}
}

func (c inTurn) Read(p []byte) (int, error) {
	<-c.turns
	n, err := c.Conn.Read(p)
	c.turns <- struct{}{}
	return n, err
}

func (c inTurn) Write(p []byte) (int, error) {
	<-c.turns
	n, err := c.Conn.Write(p)
	c.turns <- struct{}{}
	return n, err
}

// endSeen returns why nothing comes behind what was read; closedNot: more may come.
func (c *conn) endSeen() closeReason {
	if c.tls != nil {
		return c.tls.ended
	}
	return closedNot
}

// endOfStream returns what the client's FIN means.
func (c *conn) endOfStream() closeReason {
	if c.tls != nil {
		return c.tls.endOfStream()
	}
	return closedByClient
}

// write writes lines of the acks to c's descriptor, and returns how many bytes the socket has taken.
func (c *conn) write(fd int, lines []byte) (int, error) {
	if c.tls != nil {
		return c.tls.write(fd, lines)
	}
	return unix.Write(fd, lines)
}

// halfClose sends our FIN. It returns EAGAIN if the socket has no room for what TLS says before it.
func (c *conn) halfClose(fd int) error {
	if c.tls != nil {
		if err := c.tls.closeNotify(fd); err == unix.EAGAIN {
			return err
		}
	}
	_ = unix.Shutdown(fd, unix.SHUT_WR)
	return nil
}

// sayEnd has TLS say that the connection ends, if the socket has room for that. The caller closes
// fd next.
func (c *conn) sayEnd(fd int) {
	if c.tls != nil && c.why != closedReset {
		_ = c.tls.closeNotify(fd)
	}
}

// explainHandshake says what is wrong where the client speaks no TLS at all.
func explainHandshake(err error) error {
	var first tls.RecordHeaderError
	if !errors.As(err, &first) || first.Conn == nil {
		return err
	}
	speaks := "something else"
	if kind := codec.LooksLike(first.RecordHeader[:]); kind == "HTTP" {
		speaks = kind
	} else if bytes.IndexFunc(first.RecordHeader[:], func(c rune) bool { return (c < ' ' || c > '~') && c != '\n' && c != '\r' && c != '\t' }) < 0 {
		speaks = "plain text"
	}
	return fmt.Errorf("the client speaks %s to a tls:// listener", speaks)
}

// nameOf is whom a client's certificate is for: its common name, else its first other name.
func nameOf(cert *x509.Certificate) string {
	switch {
	case cert.Subject.CommonName != "":
		return cert.Subject.CommonName
	case len(cert.DNSNames) > 0:
		return cert.DNSNames[0]
	case len(cert.URIs) > 0:
		return cert.URIs[0].String()
	}
	return ""
}

// clientName is the name in the certificate that the client has shown, "" if it has shown none.
func (t *tlsConn) clientName() string {
	if certs := t.conn.ConnectionState().PeerCertificates; len(certs) > 0 {
		return nameOf(certs[0])
	}
	return ""
}
