package native

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"golang.org/x/sys/unix"

	"github.com/ringtail/ringtail/internal/kafkaclient"
	"github.com/ringtail/ringtail/internal/platform"
	"github.com/ringtail/ringtail/producer/backend"
)

// wire carries requests to brokers. It is network, or the model's in tests.
type wire interface {
	// produce sends a request. It calls answered once, on any goroutine. cancel makes that happen
	// soon, but does not undo the request. A broker has at most one request under way.
	produce(broker int32, address string, q *produceRequest, answered func(*kmsg.ProduceResponse, error)) (cancel func())
	// connect returns nil once there is a connection to the broker that takes our produce requests.
	// It may be called while a request is under way.
	connect(ctx context.Context, broker int32, address string) error
	// closeIdle closes connections that brokers have closed, or that were unused for long.
	closeIdle()
}

const (
	idleLimit   = 3 * time.Minute  // brokers close an idle connection after ten, some load balancers after four
	dialLimit   = 30 * time.Second // from dialling to being logged in
	responseMax = 16 << 20         // bytes of a response: some 100 a partition, and texts about marked records
)

// network has the connections to brokers.
type network struct {
	opts   Options
	ctx    context.Context
	cancel context.CancelFunc
	busy   sync.WaitGroup

	mu    sync.Mutex
	slots map[int32]*slot
}

// slot is the place of the connection to a broker. A goroutine that has locked it may dial and use
// c.
type slot struct {
	lock chan struct{} // capacity 1: full while it is locked
	c    *conn         // nil: none
	seen *backend.Broker
}

func newNetwork(o Options) *network {
	n := &network{opts: o.withInsight(0), slots: map[int32]*slot{}}
	n.ctx, n.cancel = context.WithCancel(context.Background())
	return n
}

// close closes all connections, and waits until no goroutine uses them.
func (n *network) close() {
	n.cancel()
	n.busy.Wait()
	for _, s := range n.slots {
		s.drop()
	}
}

// lock returns the slot of a broker once it has locked it.
func (n *network) lock(ctx context.Context, broker int32) (*slot, error) {
	n.mu.Lock()
	s := n.slots[broker]
	if s == nil {
		s = &slot{lock: make(chan struct{}, 1), seen: n.opts.Insight.Broker(broker)}
		n.slots[broker] = s
	}
	n.mu.Unlock()
	select {
	case s.lock <- struct{}{}:
		return s, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (s *slot) unlock() { <-s.lock }

func (s *slot) drop() {
	if s.c != nil {
		_ = s.c.nc.Close()
		s.c = nil
	}
}

func (n *network) connect(ctx context.Context, broker int32, address string) error {
	s, err := n.lock(ctx, broker)
	if err != nil {
		return err
	}
	defer s.unlock()
	if _, err = n.connection(ctx, s, address); err != nil {
		return kafkaclient.Explain(ctx, kafkaclient.EndpointOf(broker, address, "", n.opts.Brokers), n.opts.security(), err)
	}
	return nil
}

func (n *network) closeIdle() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, s := range n.slots {
		select {
		case s.lock <- struct{}{}:
			if s.c != nil && !s.c.usable() {
				s.drop()
			}
			s.unlock()
		default: // a goroutine uses it
		}
	}
}

// conn is a connection to a broker, logged in.
type conn struct {
	nc          net.Conn
	raw         syscall.RawConn // of the TCP connection
	r           *bufio.Reader
	w           *bufio.Writer // with TLS, which would encrypt each piece by itself; nil without
	address     string
	version     int16     // of produce requests
	used        time.Time // last time
	sessionEnd  time.Time // when the SASL login ends; zero: never
	correlation int32     // id of the last request
	in          []byte    // buffer for responses
	out         []byte    // buffer for what is between batches
	pieces      net.Buffers
}

func (n *network) produce(broker int32, address string, q *produceRequest, answered func(*kmsg.ProduceResponse, error)) func() {
	ctx, cancel := context.WithCancel(n.ctx)
	n.busy.Go(func() { answered(n.roundTrip(ctx, broker, address, q)) })
	return cancel
}

func (n *network) roundTrip(ctx context.Context, broker int32, address string, q *produceRequest) (*kmsg.ProduceResponse, error) {
	s, err := n.lock(ctx, broker)
	if err != nil {
		return nil, &unsent{err}
	}
	defer s.unlock()
	c, err := n.connection(ctx, s, address)
	if err != nil {
		return nil, &unsent{err}
	}
	stop := context.AfterFunc(ctx, func() { _ = c.nc.SetDeadline(time.Unix(1, 0)) })
	r, err := c.produce(ctx, q, n.opts)
	if !stop() || err != nil {
		s.drop()
	}
	return r, err
}

// unsent is the error of a request that was not sent.
type unsent struct{ error }

func (e *unsent) Unwrap() error { return e.error }

// connection returns the connection of a slot, a new one where there is none that is usable.
func (n *network) connection(ctx context.Context, s *slot, address string) (c *conn, err error) {
	if s.c != nil && (s.c.address != address || !s.c.usable()) {
		s.drop()
	}
	if s.c == nil {
		s.c, err = n.dialAndTell(ctx, s.seen, address)
	} else {
		s.c.used = time.Now()
	}
	return s.c, err
}

// usable reports whether the next request may go over c. On a connection that the broker has closed
// it would get no response, and its batches would count as possibly written.
func (c *conn) usable() bool {
	now := time.Now()
	return now.Sub(c.used) < idleLimit && (c.sessionEnd.IsZero() || now.Before(c.sessionEnd)) && !c.closed()
}

// closed reports whether the broker has closed the connection, even if there is something left to
// read.
func (c *conn) closed() bool {
	closed := true
	err := c.raw.Control(func(fd uintptr) {
		p := []unix.PollFd{{Fd: int32(fd), Events: platform.PollClosed}}
		n, err := unix.Poll(p, 0)
		closed = n != 0 || err != nil && !errors.Is(err, unix.EINTR)
	})
	return closed || err != nil
}

func (n *network) dial(ctx context.Context, address string) (*conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialLimit)
	defer cancel()
	nc, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	raw, err := nc.(syscall.Conn).SyscallConn()
	if err != nil {
		_ = nc.Close()
		return nil, err
	}
	if n.opts.TLS != nil {
		o := n.opts.TLS.Clone()
		if o.ServerName == "" {
			o.ServerName, _, _ = net.SplitHostPort(address)
		}
		nc = tls.Client(nc, o)
	}
	c := &conn{nc: nc, raw: raw, r: bufio.NewReader(nc), address: address, used: time.Now()}
	if n.opts.TLS != nil {
		c.w = bufio.NewWriterSize(nc, 16<<10)
	}
	stop := context.AfterFunc(ctx, func() { _ = nc.SetDeadline(time.Unix(1, 0)) })
	err = c.handshake(ctx, n.opts)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = nc.Close()
		return nil, err
	}
	return c, nil
}

// produceMin and produceMax bound the versions of produce requests that are used: from record
// batches (Kafka 0.11) to topic ids. produceByName is the last that names the topic.
const (
	produceMin    = 3
	produceByName = 12
	produceMax    = 13
)

// handshake asks for the versions that the broker knows, and logs in.
func (c *conn) handshake(ctx context.Context, o Options) error {
	request := kmsg.NewPtrApiVersionsRequest() // version 0, which every broker knows
	response, err := c.call(request, o.ClientID)
	if err != nil {
		return err
	}
	versions := response.(*kmsg.ApiVersionsResponse)
	if err := kerr.ErrorForCode(versions.ErrorCode); err != nil {
		return err
	}
	c.version = -1
	for _, k := range versions.ApiKeys {
		if k.ApiKey == produceKey && k.MinVersion <= produceMax && k.MaxVersion >= produceMin {
			c.version = min(k.MaxVersion, produceMax)
		}
	}
	if c.version < 0 {
		return fmt.Errorf("broker at %s speaks no version of produce requests between %d and %d", c.address, produceMin, produceMax)
	}
	if o.SASL == nil {
		return nil
	}
	return c.authenticate(ctx, o)
}

const sessionMax = 365 * 24 * 60 * 60 * 1000 // milliseconds

func (c *conn) authenticate(ctx context.Context, o Options) error {
	begun := time.Now()
	shake := kmsg.NewPtrSASLHandshakeRequest()
	shake.Version, shake.Mechanism = 1, o.SASL.Name()
	response, err := c.call(shake, o.ClientID)
	if err != nil {
		return err
	}
	if err := kerr.ErrorForCode(response.(*kmsg.SASLHandshakeResponse).ErrorCode); err != nil {
		return fmt.Errorf("sasl.mechanism %s: %w", shake.Mechanism, err)
	}
	session, say, err := o.SASL.Authenticate(ctx, c.address)
	if err != nil {
		return err
	}
	for done := false; !done || len(say) > 0; {
		q := kmsg.NewPtrSASLAuthenticateRequest()
		q.Version, q.SASLAuthBytes = 1, say
		response, err := c.call(q, o.ClientID)
		if err != nil {
			return err
		}
		r := response.(*kmsg.SASLAuthenticateResponse)
		if err := kerr.ErrorForCode(r.ErrorCode); err != nil {
			if r.ErrorMessage != nil {
				return fmt.Errorf("%w: %s", err, *r.ErrorMessage)
			}
			return err
		}
		if life := min(r.SessionLifetimeMillis, sessionMax); life > 0 {
			c.sessionEnd = begun.Add(time.Duration(life) * time.Millisecond * 9 / 10) // then it makes a new connection
		}
		say = nil
		if !done {
			if done, say, err = session.Challenge(r.SASLAuthBytes); err != nil {
				return fmt.Errorf("%w: %w", kerr.SaslAuthenticationFailed, err) // OAUTHBEARER says no by text
			}
		}
	}
	return nil
}

// call makes a request other than produce.
func (c *conn) call(q kmsg.Request, clientID string) (kmsg.Response, error) {
	c.correlation++
	f := kmsg.NewRequestFormatter(kmsg.FormatterClientID(clientID))
	if _, err := c.nc.Write(f.AppendRequest(nil, q, c.correlation)); err != nil {
		return nil, err
	}
	body, err := c.read()
	if err != nil {
		return nil, err
	}
	r := q.ResponseKind()
	return r, r.ReadFrom(body)
}

// produce sends a produce request and reads its response.
func (c *conn) produce(ctx context.Context, q *produceRequest, o Options) (*kmsg.ProduceResponse, error) {
	if err := c.nc.SetDeadline(time.Now().Add(o.SocketTimeout)); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil { // its deadline may just have been replaced
		return nil, err
	}
	version := c.version
	if q.id == [16]byte{} { // a broker may know topic ids in produce requests and not tell them in metadata
		version = min(version, produceByName)
	}
	c.correlation++
	c.out, c.pieces = q.encode(c.out[:0], c.pieces[:0], version, c.correlation, o.ClientID)
	err := c.write(c.pieces)
	clear(c.pieces)
	if err != nil {
		return nil, err
	}
	q.written.Store(true)
	body, err := c.read()
	if err != nil {
		return nil, err
	}
	r := kmsg.NewPtrProduceResponse()
	r.Version = version
	return r, readResponse(r, body)
}

func (c *conn) write(pieces net.Buffers) (err error) {
	if c.w == nil {
		_, err = pieces.WriteTo(c.nc)
		return err
	}
	if _, err = pieces.WriteTo(c.w); err != nil {
		return err
	}
	return c.w.Flush()
}

var errResponse = errors.New("not an answer to what was asked")

// read returns the next response, without its correlation id. It is valid until the next read.
func (c *conn) read() ([]byte, error) {
	var head [8]byte
	if _, err := io.ReadFull(c.r, head[:]); err != nil {
		return nil, err
	}
	n := int64(binary.BigEndian.Uint32(head[:])) - 4
	if n < 0 || n > responseMax || binary.BigEndian.Uint32(head[4:]) != uint32(c.correlation) {
		return nil, errResponse
	}
	if int64(cap(c.in)) < n {
		c.in = make([]byte, n)
	}
	c.in = c.in[:n]
	_, err := io.ReadFull(c.r, c.in)
	return c.in, err
}
