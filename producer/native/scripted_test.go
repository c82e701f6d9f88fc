package native

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/ringtail/ringtail/internal/loopback"
)

// scripted is a broker that lets everybody in, and does with a produce request what a test says.
type scripted struct {
	t        *testing.T
	listener net.Listener
	script   func(*asked)
	lifetime time.Duration // of a SASL session; 0: for ever
	busy     sync.WaitGroup

	mu    sync.Mutex
	conns []net.Conn // all that ever were
}

// asked is a request, of which the header has been read.
type asked struct {
	*scripted
	conn        net.Conn
	version     int16
	correlation uint32
	clientID    string
	rest        int64 // bytes behind the header, unread
}

func newScripted(t *testing.T, script func(*asked)) *scripted {
	t.Helper()
	l, err := net.Listen("tcp", loopback.Any())
	if err != nil {
		t.Fatal(err)
	}
	s := &scripted{t: t, listener: l, script: script}
	s.busy.Go(s.accept)
	t.Cleanup(func() {
		_ = l.Close()
		s.mu.Lock()
		for _, c := range s.conns {
			_ = c.Close()
		}
		s.mu.Unlock()
		s.busy.Wait()
	})
	return s
}

func (s *scripted) address() string { return s.listener.Addr().String() }

// connected is how many connections were ever made.
func (s *scripted) connected() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

func (s *scripted) accept() {
	for {
		c, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.conns = append(s.conns, c)
		s.mu.Unlock()
		s.busy.Go(func() {
			defer c.Close()
			for s.serve(c) == nil {
			}
		})
	}
}

// serve takes one request.
func (s *scripted) serve(c net.Conn) error {
	var head [14]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return err
	}
	be := binary.BigEndian
	q := &asked{scripted: s, conn: c, version: int16(be.Uint16(head[6:])), correlation: be.Uint32(head[8:])}
	name := make([]byte, be.Uint16(head[12:]))
	if _, err := io.ReadFull(c, name); err != nil {
		return err
	}
	q.clientID, q.rest = string(name), int64(be.Uint32(head[:]))-10-int64(len(name))
	if key := be.Uint16(head[4:]); key != produceKey {
		q.body()
		return q.handshake(key)
	}
	s.script(q)
	return nil
}

// handshake answers what a client asks before it may write.
func (q *asked) handshake(key uint16) error {
	var r kmsg.Response
	switch key {
	case 18:
		a := kmsg.NewPtrApiVersionsResponse()
		k := kmsg.NewApiVersionsResponseApiKey()
		k.ApiKey, k.MinVersion, k.MaxVersion = produceKey, 0, produceMax
		a.ApiKeys = append(a.ApiKeys, k)
		r = a
	case 17:
		r = &kmsg.SASLHandshakeResponse{Version: 1, SupportedMechanisms: []string{"PLAIN"}}
	case 36:
		r = &kmsg.SASLAuthenticateResponse{Version: 1, SessionLifetimeMillis: q.lifetime.Milliseconds()}
	default:
		return errors.New("not asked for")
	}
	return q.send(q.correlation, r.AppendTo(nil))
}

// body reads the rest of a request.
func (q *asked) body() []byte {
	b := make([]byte, q.rest)
	if _, err := io.ReadFull(q.conn, b); err != nil {
		return nil
	}
	return b
}

func (q *asked) send(correlation uint32, body []byte) error {
	var b bytes.Buffer
	_ = binary.Write(&b, binary.BigEndian, []uint32{uint32(4 + len(body)), correlation})
	b.Write(body)
	_, err := q.conn.Write(b.Bytes())
	return err
}

// written reads the request and answers that partition 0 is written.
func (q *asked) written(correlation uint32) {
	q.body()
	r := kmsg.NewPtrProduceResponse()
	r.Version = q.version
	t := kmsg.NewProduceResponseTopic()
	t.Topic = "t"
	t.Partitions = append(t.Partitions, kmsg.NewProduceResponseTopicPartition())
	r.Topics = append(r.Topics, t)
	_ = q.send(correlation, r.AppendTo([]byte{0})) // no tags in the header
}

// asking is a network that knows one broker, and a request to it.
type asking struct {
	*network
	t       *testing.T
	broker  *scripted
	request *produceRequest
}

func newAsking(t *testing.T, o Options, s *scripted) *asking {
	n := newNetwork(o)
	t.Cleanup(n.close)
	return &asking{n, t, s, &produceRequest{topic: "t", timeout: time.Second, batches: []requestBatch{{0, chunks{[]byte("batch")}, 5}}}}
}

// ask sends the request and waits for its end.
func (a *asking) ask() (*kmsg.ProduceResponse, error) {
	a.t.Helper()
	return a.askAnd(func(func()) {})
}

// askAnd does something while the request is under way.
func (a *asking) askAnd(do func(cancel func())) (r *kmsg.ProduceResponse, err error) {
	a.t.Helper()
	done := make(chan struct{})
	cancel := a.produce(1, a.broker.address(), a.request, func(response *kmsg.ProduceResponse, e error) {
		r, err = response, e
		close(done)
	})
	defer cancel()
	do(cancel)
	select {
	case <-done:
	case <-time.After(patience):
		a.t.Fatal("the request never ends")
	}
	return r, err
}
