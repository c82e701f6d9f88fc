package native

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/plain"
)

// TestRequestAsKafkaReadsIt: in every version that is spoken, a request says what it is to say, to
// franz-go's reader. Above all, that all in-sync replicas are to have the batches before an answer.
func TestRequestAsKafkaReadsIt(t *testing.T) {
	for version := int16(produceMin); version <= produceMax; version++ {
		q := &produceRequest{topic: "topic", id: [16]byte{1, 2, 3}, timeout: 1234 * time.Millisecond, batches: []requestBatch{
			{5, chunks{[]byte("ba"), []byte("tch")}, 5}, {70_000, chunks{[]byte("another")}, 7},
		}}
		_, pieces := q.encode(nil, nil, version, 1<<30+7, "client")
		b := kbin.Reader{Src: slices.Concat(pieces...)}
		if n := b.Int32(); int(n) != len(b.Src) {
			t.Errorf("version %d: %d bytes, said to be %d", version, len(b.Src), n)
		}
		if key, v, id, client := b.Int16(), b.Int16(), b.Int32(), b.NullableString(); key != 0 || v != version || id != 1<<30+7 || client == nil || *client != "client" {
			t.Errorf("version %d: header says key %d, version %d, correlation id %d, client id %v", version, key, v, id, client)
		}
		if flexible(version) {
			kmsg.SkipTags(&b)
		}
		p := kmsg.NewPtrProduceRequest()
		p.Version = version
		if err := p.ReadFrom(b.Src); err != nil {
			t.Errorf("version %d: %v", version, err)
			continue
		}
		if p.TransactionID != nil || p.Acks != -1 || p.TimeoutMillis != 1234 {
			t.Errorf("version %d: transaction %v, acks %d, timeout %d ms; want none, all, 1234", version, p.TransactionID, p.Acks, p.TimeoutMillis)
		}
		if len(p.Topics) != 1 || len(p.Topics[0].Partitions) != 2 {
			t.Errorf("version %d: %+v", version, p.Topics)
			continue
		}
		topic := p.Topics[0]
		if byID := version >= 13; byID && topic.TopicID != q.id || !byID && topic.Topic != "topic" {
			t.Errorf("version %d: topic %q with id %v", version, topic.Topic, topic.TopicID)
		}
		for i, want := range []string{"batch", "another"} {
			if got := topic.Partitions[i]; got.Partition != q.batches[i].partition || string(got.Records) != want {
				t.Errorf("version %d: partition %d gets %q, want %q", version, got.Partition, got.Records, want)
			}
		}
	}
}

// TestWhatBrokersAreAsked: on the whole way from options to the broker, that all replicas are
// waited for, how long, and that records have the time at which they were sent.
func TestWhatBrokersAreAsked(t *testing.T) {
	o := options()
	o.RequestTimeout = 4321 * time.Millisecond
	r := newRig(t, o, 1)
	asked := make(chan *kmsg.ProduceRequest, 1)
	r.cluster.ControlKey(produceKey, func(q kmsg.Request) (kmsg.Response, error, bool) {
		asked <- q.(*kmsg.ProduceRequest)
		return nil, nil, false
	})
	before := time.Now().UnixMilli()
	r.hand(0, records(3))
	r.until("acks", r.acked(0, 3))
	after := time.Now().UnixMilli()
	q := <-asked
	if q.Acks != -1 || q.TimeoutMillis != 4321 {
		t.Errorf("acks %d, timeout %d ms; want -1 (all), 4321", q.Acks, q.TimeoutMillis)
	}
	if b, _ := decode(t, q.Topics[0].Partitions[0].Records); b.FirstTimestamp < before || b.FirstTimestamp > after {
		t.Errorf("records are of %d ms, and were sent between %d and %d", b.FirstTimestamp, before, after)
	}
}

// large is a request that no socket's buffers hold.
func large() []requestBatch {
	piece := make([]byte, 1<<20)
	return []requestBatch{{0, slices.Repeat(chunks{piece}, 64), 64 << 20}}
}

// TestBrokerThatStopsIsGivenUp: socket.timeout.ms ends a request to a broker that reads nothing, or
// answers nothing. It may be written, and its connection is not used again.
func TestBrokerThatStopsIsGivenUp(t *testing.T) {
	for name, parts := range map[string][]requestBatch{"answers nothing": nil, "reads nothing": large()} {
		t.Run(name, func(t *testing.T) {
			release := make(chan struct{})
			s := newScripted(t, func(*asked) { <-release })
			t.Cleanup(func() { close(release) })
			o := options()
			o.SocketTimeout = 50 * time.Millisecond
			a := newAsking(t, o, s)
			if parts != nil {
				a.request.batches = parts
			}
			for try := 1; try <= 2; try++ {
				if _, err := a.ask(); !errors.Is(err, os.ErrDeadlineExceeded) || notSent(err) {
					t.Errorf("%v, not sent: %v", err, notSent(err))
				}
				if n := s.connected(); n != try {
					t.Errorf("%d connections after %d requests", n, try)
				}
			}
		})
	}
}

// TestCutWhileItIsWritten: some of the request was sent, and nobody knows what became of it.
func TestCutWhileItIsWritten(t *testing.T) {
	s := newScripted(t, func(q *asked) {
		_, _ = io.CopyN(io.Discard, q.conn, 1<<20)
		_ = q.conn.(*net.TCPConn).SetLinger(0) // a reset
		_ = q.conn.Close()
	})
	a := newAsking(t, options(), s)
	a.request.batches = large()
	if _, err := a.ask(); err == nil || notSent(err) {
		t.Errorf("%v, not sent: %v", err, notSent(err))
	}
}

// TestResponseToSomethingElse: what does not answer this request says nothing of it, and what comes
// over that connection later does not either.
func TestResponseToSomethingElse(t *testing.T) {
	var off atomic.Uint32
	off.Store(1)
	s := newScripted(t, func(q *asked) { q.written(q.correlation - off.Load()) })
	a := newAsking(t, options(), s)
	if r, err := a.ask(); err == nil || notSent(err) {
		t.Errorf("%+v, %v, not sent: %v", r, err, notSent(err))
	}
	off.Store(0)
	if _, err := a.ask(); err != nil || s.connected() != 2 {
		t.Errorf("the next request: %v; %d connections, want 2", err, s.connected())
	}
}

// TestCancelled: a request that is given up ends at once, and what its answer may still be is not
// waited for over a connection that is used again.
func TestCancelled(t *testing.T) {
	asks, release := make(chan struct{}, 2), make(chan struct{})
	s := newScripted(t, func(q *asked) {
		asks <- struct{}{}
		<-release
		q.written(q.correlation)
	})
	a := newAsking(t, options(), s)
	if _, err := a.askAnd(func(cancel func()) { <-asks; cancel() }); err == nil || notSent(err) {
		t.Errorf("%v, not sent: %v", err, notSent(err))
	}
	close(release)
	if _, err := a.ask(); err != nil || s.connected() != 2 {
		t.Errorf("the next request: %v; %d connections, want 2", err, s.connected())
	}
}

// lateCancel is a connection over which an answer comes while the request is given up.
type lateCancel struct {
	net.Conn
	cancel func()
}

func (c *lateCancel) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.cancel()
	return n, err
}

// TestCancelledAtTheResponse: whoever gives a request up sets its connection's deadline, and may do
// so at any time from then on. So that connection is not used again, even if the answer came.
func TestCancelledAtTheResponse(t *testing.T) {
	s := newScripted(t, func(q *asked) { q.written(q.correlation) })
	a := newAsking(t, options(), s)
	if _, err := a.ask(); err != nil {
		t.Fatal(err)
	}
	c := a.slots[1].c
	late := &lateCancel{Conn: c.nc}
	c.nc, c.r = late, bufio.NewReader(late)
	a.mu.Lock() // nobody gets a connection before cancel is known
	_, _ = a.askAnd(func(cancel func()) {
		late.cancel = cancel
		a.mu.Unlock()
	})
	if a.slots[1].c == c {
		t.Error("its connection is kept")
	}
	if _, err := a.ask(); err != nil || s.connected() != 2 {
		t.Errorf("the next request: %v; %d connections, want 2", err, s.connected())
	}
}

// TestSessionEnds: a broker that lets nobody stay closes the connection when a SASL session is
// over, with a request under way. So it is left before that, and not before its time.
func TestSessionEnds(t *testing.T) {
	for _, c := range []struct {
		lifetime time.Duration
		ends     bool
	}{{time.Millisecond, true}, {time.Hour, false}, {0, false}} {
		s := newScripted(t, func(q *asked) { q.written(q.correlation) })
		s.lifetime = c.lifetime
		o := options()
		o.SASL = plain.Auth{User: "user", Pass: "secret"}.AsMechanism()
		a := newAsking(t, o, s)
		for end := time.Now().Add(patience); ; {
			if _, err := a.ask(); err != nil {
				t.Fatal(err)
			}
			if n := s.connected(); !c.ends || n > 2 {
				break
			} else if time.Now().After(end) {
				t.Errorf("a session of %v never ends", c.lifetime)
				break
			}
		}
		if _, err := a.ask(); err != nil || !c.ends && s.connected() != 1 {
			t.Errorf("a session of %v: %v, %d connections", c.lifetime, err, s.connected())
		}
	}
}
