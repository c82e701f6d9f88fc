package native

import (
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/ringtail/ringtail/internal/kafkatest"
)

// TestDoubtful: bytes that a broker calls corrupt are not sent for ever. The ring has the
// records, so another instance encodes them anew.
func TestDoubtful(t *testing.T) {
	for _, code := range []int16{kerr.CorruptMessage.Code, kerr.UnknownServerError.Code, 999} {
		r := newRig(t, options(), 1)
		for range triesMax {
			kafkatest.Refuse(r.cluster, code)
		}
		r.hand(0, records(5))
		r.until("the end", func() bool { return r.c.Progress(0).Failed == 0 })
		if got := r.c.Progress(0); got.Err != int(code) || got.Maybe != 5 || r.c.retries != triesMax-1 {
			t.Errorf("code %d: %+v after %d retries", code, got, r.c.retries)
		}
	}
	r := newRig(t, options(), 1)
	for range triesMax - 1 {
		kafkatest.Refuse(r.cluster, kerr.CorruptMessage.Code)
	}
	r.hand(0, records(5))
	r.until("acks", r.acked(0, 5))
}

// TestSilenceIsLogged: a broker that does not answer is told aloud, once, however it went, and so
// is that it answers again.
func TestSilenceIsLogged(t *testing.T) {
	for _, first := range []error{errCut, &unsent{errCut}} {
		c := newClient(options(), []uint64{0}, nil, func() time.Duration { return 0 })
		br := &brokerState{broker: 3}
		c.brokers[3] = br
		end := func(err error) {
			req := &inflightRequest{broker: 3, cancel: func() {}}
			br.request = req
			c.finishRequest(&result{request: req, err: err, response: kmsg.NewPtrProduceResponse()})
		}
		end(nil)
		end(first)
		for range 20 {
			end(&unsent{errCut})
		}
		end(nil)
		end(nil)
		var aloud []string
		events, _ := c.Events()
		for _, e := range events {
			if e.Level < levelDebug {
				aloud = append(aloud, e.Text)
			}
		}
		if len(aloud) != 2 || !strings.HasPrefix(aloud[0], "broker 3, trying again: connection cut") || aloud[1] != "broker 3 answers again" {
			t.Errorf("%q", aloud)
		}
	}
}

// TestTrouble: what a stream's records wait for is told while they do.
func TestTrouble(t *testing.T) {
	o := options()
	o.Backoff, o.BackoffMax = time.Hour, time.Hour
	r := newRig(t, o, 2)
	kafkatest.Refuse(r.cluster, kerr.NotEnoughReplicas.Code)
	r.hand(0, records(1))
	r.until("the answer", func() bool { return strings.HasPrefix(r.c.Trouble(0), "partition 0: NOT_ENOUGH_REPLICAS: ") })
	if got := r.c.Trouble(1); got != "" {
		t.Errorf("of another stream: %q", got)
	}
	r.c.partitions[0].retryAt = 0
	r.c.Send()
	r.until("an ack", r.acked(0, 1))
	if got := r.c.Trouble(0); got != "" {
		t.Errorf("%q, and all is written", got)
	}
	r.c.partitionFor(9).streams = nil
	r.c.streams[1].partition = r.c.partitionFor(9)
	if got := r.c.Trouble(1); got != "partition 9: nobody leads it" {
		t.Errorf("%q", got)
	}
}

// TestThrottle: a broker that answers at once and asks for time gets it; one that answers late, as
// brokers did before version 6, has had it. A word that nobody can mean is not kept for weeks.
func TestThrottle(t *testing.T) {
	for _, c := range []struct {
		version int16
		ask     int32
		want    time.Duration
	}{{13, 50, 50 * time.Millisecond}, {6, 50, 50 * time.Millisecond}, {5, 50, 0}, {13, 1<<31 - 1, throttleMax}, {13, -5, 0}} {
		client := newClient(options(), []uint64{0}, nil, func() time.Duration { return 0 })
		br := &brokerState{}
		client.brokers[0] = br
		response := kmsg.NewPtrProduceResponse()
		response.Version, response.ThrottleMillis = c.version, c.ask
		client.finishRequest(&result{request: &inflightRequest{cancel: func() {}}, response: response})
		if br.throttledUntil != c.want {
			t.Errorf("version %d asks for %d ms: %v", c.version, c.ask, br.throttledUntil)
		}
	}
}

// severed is a listener whose connections can be closed as a broker closes them.
type severed struct {
	net.Listener
	mu    sync.Mutex
	conns []net.Conn
}

func (l *severed) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	l.mu.Lock()
	l.conns = append(l.conns, c)
	l.mu.Unlock()
	return c, err
}

func (l *severed) sever() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.conns {
		_ = c.Close()
	}
	l.conns = nil
}

// TestClosedWhileIdle: a connection that the broker has closed is not used, so nothing is in
// doubt and nobody waits for a back-off. Without a request it is closed on our side too.
func TestClosedWhileIdle(t *testing.T) {
	l := &severed{}
	r := newRig(t, options(), 1, kfake.ListenFn(func(network, address string) (net.Listener, error) {
		var err error
		l.Listener, err = net.Listen(network, address)
		return l, err
	}))
	n := r.c.wire.(*network)
	r.hand(0, records(1))
	r.until("an ack", r.acked(0, 1))
	l.sever()
	r.until("the end to be seen", func() bool { // on loopback; the request below must not be quicker
		n.slots[0].lock <- struct{}{}
		defer n.slots[0].unlock()
		return n.slots[0].c == nil || n.slots[0].c.closed()
	})
	r.c.Produce(0, 0, 1, records(1), nil)
	r.c.Send()
	r.until("an ack", r.acked(0, 2))
	if r.c.retries > 0 {
		t.Errorf("%d retries", r.c.retries)
	}
	l.sever()
	r.until("the connection to be closed", func() bool {
		r.c.wantMetadata()
		n.slots[0].lock <- struct{}{}
		defer n.slots[0].unlock()
		return n.slots[0].c == nil
	})
}

// TestBrokersAreForgotten: brokers that are no more are not kept.
func TestBrokersAreForgotten(t *testing.T) {
	c := newClient(options(), []uint64{0}, nil, func() time.Duration { return 0 })
	c.brokers[1], c.brokers[2], c.brokers[3] = &brokerState{}, &brokerState{}, &brokerState{request: &inflightRequest{}}
	c.newestMetadata.Store(&metadata{brokers: map[int32]string{1: "a:1"}})
	c.adoptMetadata()
	if len(c.brokers) != 2 || c.brokers[2] != nil {
		t.Errorf("%v", c.brokers)
	}
}

// TestPoolShrinks: what a stall made it keep goes, what is used turn after turn stays.
func TestPoolShrinks(t *testing.T) {
	var p pool
	turn := func(n int) {
		var out chunks
		for i := range n {
			out = append(out, p.get(i == 0))
		}
		p.put(out)
	}
	turn(1000)
	p.age(ageEvery)
	for range 5 {
		turn(10)
	}
	p.age(2*ageEvery - 1)
	if n := len(p.rest.free); n != 999 {
		t.Errorf("%d pieces before the time", n)
	}
	p.age(2 * ageEvery)
	if f, m := len(p.first.free), len(p.rest.free); f != 1 || m != 9 {
		t.Errorf("%d and %d pieces, with 1 and 9 in use", f, m)
	}
	if n := testing.AllocsPerRun(10, func() { p.get(true) }); n > 1 {
		t.Errorf("%v allocations", n)
	}
	p.age(4 * ageEvery)
	p.age(5 * ageEvery)
	if f, m := len(p.first.free), len(p.rest.free); f+m != 0 {
		t.Errorf("%d and %d pieces that nobody uses", f, m)
	}
	turn(10)
	c := &Client{pool: p}
	if c.Relief(); c.pool.rest.free != nil || c.pool.first.free != nil {
		t.Error("something is kept after a stall")
	}
}
