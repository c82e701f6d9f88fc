package kafkaclient

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// talk is a connection to whatever listens at an address, to find out what that is. Requests are of
// versions that every broker from 0.10 on knows, and small.
type talk struct {
	nc   net.Conn
	r    *bufio.Reader
	last int32 // correlation id
}

const (
	talkLimit = 5 * time.Second // for all that is asked of one address
	answerMax = 16 << 20        // bytes: metadata of every broker, none of topics
)

// errGarbage is an answer that no Kafka gives.
var errGarbage = errors.New("it answers, but not as Kafka does")

// errHTTP is an answer of an HTTP server.
var errHTTP = errors.New("HTTP is spoken there, not Kafka")

// begin connects, and does TLS's handshake unless t is nil.
func begin(ctx context.Context, address string, t *tls.Config) (*talk, error) {
	nc, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	if deadline, ok := ctx.Deadline(); ok {
		_ = nc.SetDeadline(deadline)
	}
	if t != nil {
		t = t.Clone()
		if t.ServerName == "" {
			t.ServerName, _, _ = net.SplitHostPort(address)
		}
		secure := tls.Client(nc, t)
		if err := secure.HandshakeContext(ctx); err != nil {
			_ = nc.Close()
			return nil, err
		}
		nc = secure
	}
	return &talk{nc: nc, r: bufio.NewReader(nc)}, nil
}

func (t *talk) end() { _ = t.nc.Close() }

// ask makes one request.
func (t *talk) ask(q kmsg.Request) (kmsg.Response, error) {
	t.last++
	if _, err := t.nc.Write(kmsg.NewRequestFormatter(kmsg.FormatterClientID("ringtail")).AppendRequest(nil, q, t.last)); err != nil {
		return nil, err
	}
	var head [8]byte
	if _, err := io.ReadFull(t.r, head[:4]); err != nil {
		return nil, err
	}
	if bytes.HasPrefix(head[:], []byte("HTTP")) {
		return nil, errHTTP
	}
	if _, err := io.ReadFull(t.r, head[4:]); err != nil {
		return nil, err
	}
	n := int64(binary.BigEndian.Uint32(head[:])) - 4
	if n < 0 || n > answerMax || binary.BigEndian.Uint32(head[4:]) != uint32(t.last) {
		return nil, errGarbage
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(t.r, body); err != nil {
		return nil, err
	}
	r := q.ResponseKind()
	if err := r.ReadFrom(body); err != nil {
		return nil, errGarbage
	}
	return r, nil
}

// versions asks what every Kafka answers, also to those it does not know yet.
func (t *talk) versions() error {
	_, err := t.ask(kmsg.NewPtrApiVersionsRequest())
	return err
}

// mismatch is a SASL mechanism that a broker does not offer.
type mismatch struct {
	want  string
	offer []string
}

func (m *mismatch) Error() string {
	return fmt.Sprintf("it offers SASL mechanism %s, not %q", strings.Join(m.offer, ", "), m.want)
}

func (m *mismatch) Unwrap() error { return kerr.UnsupportedSaslMechanism }

// handshake names a SASL mechanism.
func (t *talk) handshake(mechanism string) error {
	q := kmsg.NewPtrSASLHandshakeRequest()
	q.Version, q.Mechanism = 1, mechanism
	answer, err := t.ask(q)
	if err != nil {
		return err
	}
	r := answer.(*kmsg.SASLHandshakeResponse)
	if r.ErrorCode == kerr.UnsupportedSaslMechanism.Code {
		return &mismatch{mechanism, r.SupportedMechanisms}
	}
	return kerr.ErrorForCode(r.ErrorCode)
}

// brokenOff is a login whose connection was closed. Some brokers say no by that.
type brokenOff struct{ error }

func (b *brokenOff) Unwrap() error { return kerr.SaslAuthenticationFailed }

// login is let in by SASL.
func (t *talk) login(ctx context.Context, address string, s Security) error {
	if err := t.handshake(s.mechanism()); err != nil {
		return err
	}
	session, say, err := s.SASL.Authenticate(ctx, address)
	for done := false; err == nil && (!done || len(say) > 0); {
		q := kmsg.NewPtrSASLAuthenticateRequest()
		q.Version, q.SASLAuthBytes = 1, say
		answer, e := t.ask(q)
		if e != nil && !IsTimeout(e) {
			return &brokenOff{e}
		} else if e != nil {
			return e
		}
		r := answer.(*kmsg.SASLAuthenticateResponse)
		if e := kerr.ErrorForCode(r.ErrorCode); e != nil {
			return e
		}
		if say = nil; !done {
			if done, say, err = session.Challenge(r.SASLAuthBytes); err != nil {
				err = fmt.Errorf("%w: %w", kerr.SaslAuthenticationFailed, err)
			}
		}
	}
	return err
}

// brokers asks for what the cluster's brokers advertise, by their ids.
func (t *talk) brokers() (map[int32]string, error) {
	q := kmsg.NewPtrMetadataRequest()
	q.Version, q.Topics = 1, []kmsg.MetadataRequestTopic{} // none
	answer, err := t.ask(q)
	if err != nil {
		return nil, err
	}
	all := map[int32]string{}
	for _, b := range answer.(*kmsg.MetadataResponse).Brokers {
		all[b.NodeID] = net.JoinHostPort(b.Host, strconv.Itoa(int(b.Port)))
	}
	return all, nil
}

// hello connects, and asks what every Kafka answers; of one that only librdkafka knows how to talk to,
// nothing.
func hello(ctx context.Context, address string, s Security) (*talk, error) {
	if s.Partial {
		s.TLS = nil
	}
	t, err := begin(ctx, address, s.TLS)
	if err != nil || s.Partial {
		return t, err
	}
	if err := t.versions(); err != nil {
		t.end()
		return nil, err
	}
	return t, nil
}

// knock returns nil if there is a broker.
func knock(ctx context.Context, address string, s Security) error {
	ctx, cancel := context.WithTimeout(ctx, talkLimit)
	defer cancel()
	t, err := hello(ctx, address, s)
	if err == nil {
		t.end()
	}
	return err
}

// greet does all that a client does before its first request, and returns what brokers advertise.
// Where only librdkafka knows how to go on it ends, without them: before the login, or once there is
// a connection.
func greet(ctx context.Context, address string, s Security) (map[int32]string, error) {
	ctx, cancel := context.WithTimeout(ctx, talkLimit)
	defer cancel()
	t, err := hello(ctx, address, s)
	if err != nil {
		return nil, err
	}
	defer t.end()
	if s.Partial {
		return nil, nil
	}
	switch {
	case s.SASL != nil:
		if err := t.login(ctx, address, s); err != nil {
			return nil, err
		}
	case s.Mechanism != "":
		return nil, t.handshake(s.Mechanism)
	}
	return t.brokers()
}

// identify is asked of an address that closed the connection, was silent or said what nobody
// understands (seen): what does it speak instead? It returns nil where that is not found out.
func identify(ctx context.Context, address string, s Security, seen error) error {
	try := func(t *tls.Config, f func(*talk) error) error {
		ctx, cancel := context.WithTimeout(ctx, talkLimit)
		defer cancel()
		c, err := begin(ctx, address, t)
		if err != nil {
			return err
		}
		defer c.end()
		return f(c)
	}
	if !IsTimeout(seen) && try(s.TLS, (*talk).versions) == nil { // it is Kafka, as it should be, and had its reasons
		var m *mismatch
		switch {
		case s.mechanism() == "" && errors.As(try(s.TLS, func(t *talk) error { return t.handshake("") }), &m):
			return &wantsSASL{m.offer}
		case s.mechanism() != "" && try(s.TLS, func(t *talk) error { _, err := t.brokers(); return err }) == nil:
			return kerr.IllegalSaslState
		case s.SASL != nil:
			if err := try(s.TLS, func(t *talk) error { return t.login(ctx, address, s) }); errors.As(err, new(*kerr.Error)) {
				return err
			}
		}
		return nil
	}
	anybody := &tls.Config{InsecureSkipVerify: true} // what it speaks is asked, not who it is; nothing is told to it
	plain, secure, http, https := seen, seen, seen, seen
	shaken := false // hands, of TLS
	var asking sync.WaitGroup
	asking.Go(func() {
		if s.TLS != nil {
			plain = try(nil, (*talk).versions)
		}
		if plain != nil {
			http = try(nil, (*talk).http)
		}
	})
	asking.Go(func() {
		secure = try(anybody, func(t *talk) error { shaken = true; return t.versions() })
		if secure != nil && shaken {
			https = try(anybody, (*talk).http)
		}
	})
	asking.Wait()
	switch {
	case http == nil || https == nil:
		return errHTTP
	case s.TLS == nil && shaken:
		return errSpeaksTLS
	case s.TLS != nil && plain == nil:
		return errSpeaksPlain
	}
	return nil
}

// http returns nil if HTTP is spoken.
func (t *talk) http() error {
	if _, err := io.WriteString(t.nc, "GET / HTTP/1.0\r\n\r\n"); err != nil {
		return err
	}
	if start, _ := t.r.Peek(5); string(start) != "HTTP/" {
		return errGarbage
	}
	return nil
}

var (
	errSpeaksTLS   = errors.New("TLS is spoken there, not plain text")
	errSpeaksPlain = errors.New("plain text is spoken there, not TLS")
)

// wantsSASL is a broker that lets nobody in without SASL.
type wantsSASL struct{ offer []string }

func (w *wantsSASL) Error() string {
	return "it wants SASL (" + strings.Join(w.offer, ", ") + ")"
}
