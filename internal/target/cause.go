package target

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"io/fs"
	"net"
	"strings"
	"syscall"
)

// Cause is why a connection could not be made, in words; it wraps what was seen.
type Cause struct {
	what string
	err  error
}

// Error is the sentence, without the address, which the flag's value has.
func (c *Cause) Error() string { return c.what }

// Unwrap is what was seen.
func (c *Cause) Unwrap() error { return c.err }

// explain finds the words for an error of Dial.
func explain(err error) error {
	var dns *net.DNSError
	var name x509.HostnameError
	var remote *net.OpError
	isRemote := errors.As(err, &remote) && remote.Op == "remote error"
	var what string
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		what = "no such host; check the name"
	case errors.As(err, &dns):
		what = "its name could not be looked up: " + dns.Err
	case errors.Is(err, syscall.ECONNREFUSED):
		what = "connection refused: nothing listens there; is Ringtail running, and is that its --listen?"
	case errors.Is(err, fs.ErrNotExist):
		what = "no such socket; is Ringtail running, and is that its --listen?"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		what = "no route to host; check the address, and the network between"
	case errors.As(err, new(tls.RecordHeaderError)):
		what = "the TLS handshake failed: no TLS is spoken there; write tcp://, or name the port of a --listen tls://"
	case errors.As(err, new(x509.UnknownAuthorityError)):
		what = "the TLS handshake failed: its certificate is signed by an unknown authority; name that in --tls-ca"
	case errors.As(err, &name):
		what = "the TLS handshake failed: its certificate is for another name: " + strings.TrimPrefix(name.Error(), "x509: ")
	case errors.As(err, new(x509.CertificateInvalidError)):
		what = "the TLS handshake failed: its certificate is refused: " + err.Error()
	case isRemote && strings.Contains(remote.Err.Error(), "certificate"):
		what = "the TLS handshake failed: it wants a certificate of ours, or another one; give --tls-cert and --tls-key"
	case isRemote:
		what = "the TLS handshake failed: it says " + strings.TrimPrefix(remote.Err.Error(), "tls: ") + "; it may want a certificate of ours (--tls-cert), or another version of TLS"
	case errors.Is(err, context.DeadlineExceeded):
		what = "no answer to a connection, it timed out; is the host up? a firewall between may drop what comes"
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		what = "the TLS handshake failed: it takes the connection and closes it; is that the port of a --listen tls://?"
	default:
		return err
	}
	return &Cause{what, err}
}

// Ended finds the words for the error with which a connection ended that had been made.
func Ended(err error) error {
	var remote *net.OpError
	switch {
	case err == nil, errors.As(err, new(*Cause)):
		return err
	case errors.As(err, &remote) && remote.Op == "remote error":
		return explain(err)
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ENOTCONN):
		return &Cause{"the server closed the connection; its log says why", err}
	}
	return &Cause{strings.TrimPrefix(err.Error(), "client: "), err}
}
