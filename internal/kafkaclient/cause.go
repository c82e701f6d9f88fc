package kafkaclient

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// Endpoint is whom one talks to.
type Endpoint struct {
	Address string // host:port
	Broker  int32  // its id; negative: not known
	Seed    bool   // it stands in --brokers; else it is what the broker advertises
	Told    string // the address that told of it, "" where that is not known
}

// String names it.
func (p Endpoint) String() string {
	if p.Broker >= 0 {
		return fmt.Sprintf("broker %d at %s", p.Broker, p.Address)
	}
	return p.Address
}

// advertised says where the address comes from.
func (p Endpoint) advertised() string {
	if p.Told == "" {
		return "the address is advertised by the broker itself"
	}
	return "the address is advertised by the broker itself, as " + p.Told + " tells"
}

// Cause is why a peer cannot be used: what happened, and what to do.
type Cause struct {
	Endpoint Endpoint
	What     string
	Do       string // "" where nobody knows
	err      error
	refused  bool // see ErrRefused
}

// ErrRefused is a cause that nobody's waiting mends: a password, a secret or a token is refused.
var ErrRefused = errors.New("refused")

// Is makes a refusal ErrRefused.
func (c *Cause) Is(target error) bool { return target == ErrRefused && c.refused }

// Error is the sentence.
func (c *Cause) Error() string {
	text := c.Endpoint.String() + ": " + c.What
	if c.Do != "" {
		text += "; " + c.Do
	}
	return text
}

// Unwrap is what was seen.
func (c *Cause) Unwrap() error { return c.err }

// Explain turns an error of a connection into its cause. Where the error alone does not tell (a
// connection that was closed may have been so for TLS's sake, or SASL's), it asks once more.
// It is the one place where causes get their words.
func Explain(ctx context.Context, p Endpoint, s Security, err error) *Cause {
	c := &Cause{Endpoint: p, err: err}
	if vague(err) {
		if found := identify(ctx, p.Address, s, err); found != nil {
			err = found
		}
	}
	c.words(s, err)
	return c
}

// Brief names the peer and says what happened, in words of Explain's. It asks nobody, and says
// nothing of what to do.
func Brief(p Endpoint, s Security, err error) string {
	c := &Cause{Endpoint: p, err: err}
	c.words(s, err)
	return p.String() + ": " + c.What
}

// words fills in What and Do.
func (c *Cause) words(s Security, err error) {
	for _, words := range []func(*Cause, Security, error) bool{(*Cause).network, (*Cause).certificate, (*Cause).login, (*Cause).protocol} {
		if words(c, s, err) {
			return
		}
	}
	c.What = strings.TrimSpace(err.Error())
}

// vague tells whether an error may have several causes.
func vague(err error) bool {
	var op *net.OpError
	var header tls.RecordHeaderError
	switch {
	case errors.As(err, &op) && op.Op == "dial":
		return false
	case errors.As(err, &header), errors.Is(err, errGarbage), errors.As(err, new(*brokenOff)):
		return true
	}
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) ||
		IsTimeout(err)
}

// IsTimeout tells whether an error is that something took too long.
func IsTimeout(err error) bool {
	var timeout net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}

// network is about the way to the peer.
func (c *Cause) network(_ Security, err error) bool {
	var dns *net.DNSError
	var op *net.OpError
	var address *net.AddrError
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		c.What, c.Do = "no such host", "check the name; neither a name server nor /etc/hosts knows it here"
	case errors.As(err, &dns):
		c.What, c.Do = "its name could not be looked up: "+dns.Err, "check this machine's name server"
	case errors.As(err, &address):
		c.What, c.Do = address.Err, "write host:port"
	case errors.Is(err, syscall.ECONNREFUSED):
		c.What, c.Do = "connection refused: nothing listens there", "is Kafka running, and is that its port?"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		c.What, c.Do = "no route to host", "check the address, and the network between"
	case errors.As(err, &op) && op.Op == "dial" && IsTimeout(err):
		c.What, c.Do = "no answer to a connection, it timed out", "is the host up? a firewall between may drop what comes"
	case errors.As(err, &op) && op.Op == "dial":
		c.What = strings.TrimSpace(op.Err.Error())
	default:
		return false
	}
	c.advertised()
	return true
}

// advertised tells where an address is mended that was the brokers' word.
func (c *Cause) advertised() {
	if !c.Endpoint.Seed {
		c.Do = c.Endpoint.advertised() + ": set its advertised.listeners to one where it can be reached from here, if it is up"
	}
}

// certificate is about who the peer is, and about who we are by certificate.
func (c *Cause) certificate(_ Security, err error) bool {
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var name x509.HostnameError
	var refused *tls.CertificateVerificationError
	var remote *net.OpError
	switch {
	case errors.As(err, &unknown):
		c.What, c.Do = "its certificate is not trusted: it is signed by an unknown authority", "name the authority's certificate in ssl.ca.location"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		c.What = fmt.Sprintf("its certificate is expired or not yet valid: it is for %s to %s",
			invalid.Cert.NotBefore.Format(time.DateOnly), invalid.Cert.NotAfter.Format(time.DateOnly))
		c.Do = "renew it on the broker, or set this machine's clock"
	case errors.As(err, &name):
		c.What = "its certificate is for another name: " + strings.TrimPrefix(name.Error(), "x509: ")
		c.Do = "use a name that the certificate has, or, to trust any name, set ssl.endpoint.identification.algorithm=none"
		if !c.Endpoint.Seed {
			c.Do = c.Endpoint.advertised() + ": set its advertised.listeners to a name that the certificate has, or, to trust any name, set ssl.endpoint.identification.algorithm=none"
		}
	case errors.As(err, &refused), errors.As(err, &invalid):
		c.What, c.Do = "its certificate is refused: "+err.Error(), "see ssl.ca.location"
	case errors.As(err, &remote) && remote.Op == "remote error" && strings.Contains(remote.Err.Error(), "certificate"):
		c.What = "it wants a certificate of ours, or another one: " + remote.Err.Error()
		c.Do = "set ssl.certificate.location and ssl.key.location"
	case errors.As(err, &remote) && remote.Op == "remote error":
		c.What, c.Do = "it ends the TLS handshake: "+remote.Err.Error(), "its versions of TLS or its ciphers are others"
	default:
		return false
	}
	return true
}

// login is about SASL.
func (c *Cause) login(s Security, err error) bool {
	var other *mismatch
	var wants *wantsSASL
	var token *tokenError
	switch {
	case errors.As(err, &token):
		c.What, c.Do, c.refused = "it wants a token, and "+token.what, token.do, token.refused
	case errors.As(err, &wants):
		protocol := "sasl_plaintext"
		if s.TLS != nil {
			protocol = "sasl_ssl"
		}
		c.What, c.Do = wants.Error(), "set security.protocol="+protocol+", sasl.mechanism, sasl.username and sasl.password"
	case errors.As(err, &other):
		c.What, c.Do = other.Error(), "set sasl.mechanism to one that it offers"
	case errors.Is(err, kerr.UnsupportedSaslMechanism):
		c.What, c.Do = fmt.Sprintf("it does not offer SASL mechanism %q", s.mechanism()), "set sasl.mechanism to one that it offers"
	case errors.Is(err, kerr.IllegalSaslState):
		protocol := "plaintext"
		if s.TLS != nil {
			protocol = "ssl"
		}
		c.What, c.Do = "it takes no SASL", "set security.protocol="+protocol
	case errors.Is(err, kerr.SaslAuthenticationFailed):
		c.What, c.Do = "authentication failed: sasl.username or sasl.password is wrong", "check both, and that the account may use "+s.mechanism()
		if s.mechanism() == oauthMechanism {
			c.What = "authentication failed: it refuses the token that sasl.oauthbearer.token.endpoint.url gave"
			c.Do = "check sasl.oauthbearer.scope, and whose tokens the broker takes"
		}
		c.refused = !errors.As(err, new(*brokenOff)) // a broker that stops breaks off, too
	default:
		return false
	}
	return true
}

// protocol is about what is spoken.
func (c *Cause) protocol(s Security, err error) bool {
	const other = "is that the port of a Kafka broker?"
	sasl := ""
	if s.mechanism() != "" {
		sasl = "sasl_"
	}
	plain := sasl + "plaintext"
	if sasl == "" {
		plain = "plaintext (or leave it out)"
	}
	switch {
	case errors.Is(err, errHTTP):
		c.What, c.Do = err.Error(), other
	case errors.Is(err, errSpeaksTLS):
		c.What, c.Do = err.Error(), "set security.protocol="+sasl+"ssl"
	case errors.Is(err, errSpeaksPlain):
		c.What, c.Do = err.Error(), "set security.protocol="+plain
	case errors.Is(err, errGarbage):
		c.What, c.Do = errGarbage.Error(), other
	case errors.As(err, new(tls.RecordHeaderError)):
		c.What, c.Do = "it does not speak TLS", other
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		c.What, c.Do = "it takes the connection and closes it", other
	case IsTimeout(err):
		c.What, c.Do = "it takes the connection and does not answer, it timed out", "is the broker well? "+other
	default:
		return false
	}
	c.advertised()
	return true
}
