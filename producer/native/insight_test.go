package native

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/ringtail/ringtail/internal/kafkatest"
	"github.com/ringtail/ringtail/producer/backend"
)

// told is a client whose clock and brokers are a test's, and what it tells.
type told struct {
	*Client
	post  *post
	clock time.Duration
}

func newTold() *told {
	f := &told{post: &post{}, clock: time.Second}
	f.Client = newClient(options(), []uint64{0, 0}, f.post, func() time.Duration { return f.clock })
	f.id.Store(&producerID{})
	f.newestMetadata.Store(&metadata{brokers: map[int32]string{1: "a:1"}, leaders: []leader{{1, -1}, {1, -1}, {-1, -1}}})
	return f
}

// hand hands n records of stream 0 over, and sends what may go.
func (f *told) hand(first uint64, n int) {
	f.Produce(0, 0, first, records(n), nil)
	f.Send()
}

// answers answers the newest request, which took so long, and sends what may go.
func (f *told) answers(took, throttle time.Duration) {
	f.clock += took
	r, t := kmsg.NewPtrProduceResponse(), kmsg.NewProduceResponseTopic()
	r.Version, r.ThrottleMillis = throttledAtOnce, int32(throttle/time.Millisecond)
	p := f.post.all[len(f.post.all)-1]
	for _, b := range p.request.batches {
		a := kmsg.NewProduceResponseTopicPartition()
		a.Partition = b.partition
		t.Partitions = append(t.Partitions, a)
	}
	r.Topics = append(r.Topics, t)
	p.answered(r, nil)
	f.Poll(0)
}

func (f *told) trouble(stream int) string { return text(f.opts.Insight.Troubles[stream].Load()) }

func text(t *backend.Trouble) string {
	if t == nil {
		return ""
	}
	return t.Text
}

// TestTimesOfRecords: the time of a record from the hand-over to its request is the writer's, from
// there to the response the broker's; and so is the time for which it asked to be left alone.
func TestTimesOfRecords(t *testing.T) {
	f := newTold()
	times := func(what string, writer, broker time.Duration) {
		t.Helper()
		p := f.Progress(0)
		if p.InWriter != writer || p.InBroker != broker {
			t.Errorf("%s: %v in the writer, %v in the broker, want %v and %v", what, p.InWriter, p.InBroker, writer, broker)
		}
		f.streams[0].InWriter, f.streams[0].InBroker = 0, 0
	}
	f.hand(0, 2)
	f.clock += time.Second
	f.hand(2, 3) // waits for the response: one request a broker
	f.clock += time.Second
	f.hand(5, 1)
	f.answers(time.Second, 0)
	times("two records took three seconds", 0, 6*time.Second)
	f.answers(10*time.Second, 4*time.Second)
	times("three waited for two seconds, one for one", 7*time.Second, 40*time.Second)
	f.clock += time.Second
	f.hand(6, 2) // one of four seconds is over
	if len(f.post.all) != 2 {
		t.Fatal("the broker is not left alone")
	}
	f.clock += 4 * time.Second // one more than it asked for
	f.Poll(0)
	f.answers(2*time.Second, 0)
	times("throttled", 2*time.Second, 2*(3+2)*time.Second)
	seen := f.opts.Insight.Broker(1)
	if n, _ := seen.Requests.Snapshot(nil); n != 3 || seen.Throttled() != 4*time.Second {
		t.Errorf("%d requests, throttled for %v", n, seen.Throttled())
	}
}

// TestTriedAgainIsTheBrokersTime: what the broker refuses and takes later was there all the time.
func TestTriedAgainIsTheBrokersTime(t *testing.T) {
	f := newTold()
	f.hand(0, 1)
	f.clock += time.Second
	f.post.all[0].answer(kerr.NotEnoughReplicas.Code)
	f.Poll(0)
	if f.trouble(0) != "NOT_ENOUGH_REPLICAS" || f.trouble(1) != "" {
		t.Errorf("%q, %q", f.trouble(0), f.trouble(1))
	}
	f.clock += time.Second
	f.Poll(0)
	f.answers(time.Second, 0)
	if p := f.Progress(0); p.Acked != 1 || p.InWriter != 0 || p.InBroker != 3*time.Second {
		t.Errorf("%+v", p)
	}
	if f.trouble(0) != "NOT_ENOUGH_REPLICAS" {
		t.Error("what was wrong is forgotten")
	}
}

// TestUnderWayIsTold: a request is under way until its response, or until the client is destroyed.
func TestUnderWayIsTold(t *testing.T) {
	f := newTold()
	seen := f.opts.Insight.Broker(1)
	for i, step := range []struct {
		do   func()
		want int
	}{
		{func() {}, 0},
		{func() { f.hand(0, 1) }, 1},
		{func() { f.answers(time.Second, 0) }, 0},
		{func() { f.hand(1, 1) }, 1},
		{f.Destroy, 0},
	} {
		step.do()
		if n, _ := seen.UnderWay(); n != step.want {
			t.Errorf("step %d: %d, want %d", i, n, step.want)
		}
	}
	if state, _, _ := seen.State(); state != backend.BrokerUp {
		t.Errorf("a broker that answered is %v", state)
	}
}

// TestTroublesAreNamed: the words of what goes wrong, of partition and broker.
func TestTroublesAreNamed(t *testing.T) {
	timeout := &net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}
	for want, err := range map[string]error{
		"broker 1 at a:1: it closed the connection instead of answering": io.EOF,
		"broker 1 at a:1: request timed out, no answer in 1m0s":          timeout,
		"broker 1 at a:1: its answer cannot be understood":               errResponse,
		"broker 1 at a:1: odd": errors.New("odd"),
		"broker 1 at a:1: connection refused: nothing listens there": nil,
	} {
		f := newTold()
		seen := f.opts.Insight.Broker(1)
		seen.SetAddress("a:1")
		f.hand(0, 1)
		state := backend.BrokerDown
		if err == nil { // dialAndTell has told the broker's part
			_, refused := (&net.Dialer{}).Dial("tcp", kafkatest.Nobody(t))
			err, state = &unsent{refused}, backend.BrokerIdle
		}
		f.post.all[0].answered(nil, err)
		f.Poll(0)
		if got, _, _ := seen.State(); f.trouble(0) != want || f.trouble(1) != "" || got != state || state == backend.BrokerDown && text(seen.Trouble()) != want {
			t.Errorf("%q: %q, broker %v: %q", want, f.trouble(0), got, text(seen.Trouble()))
		}
	}
}

// TestNoLeaderIsTold: a partition that nobody leads says so.
func TestNoLeaderIsTold(t *testing.T) {
	f := newTold()
	f.Produce(1, 2, 0, records(1), nil)
	f.Send()
	if f.trouble(1) != backend.NobodyLeads || f.trouble(0) != "" {
		t.Errorf("%q, %q", f.trouble(1), f.trouble(0))
	}
}

// TestConnectionsAreTold: whether a broker can be connected, and why not.
func TestConnectionsAreTold(t *testing.T) {
	r := newRig(t, options(), 1)
	r.hand(0, records(1))
	r.until("an ack", r.acked(0, 1))
	in := r.c.opts.Insight
	b := in.Broker(0)
	if state, up, _ := b.State(); state != backend.BrokerUp || time.Since(up) > patience || b.Address() != r.cluster.ListenAddrs()[0] || b.Trouble() != nil {
		t.Errorf("%v since %v at %q: %q", state, up, b.Address(), text(b.Trouble()))
	}
	if md := in.Metadata(); md.Leader(0) != 0 || md.Brokers[0] != b.Address() || len(md.Partitions) != 3 || len(md.Partitions[0].Replicas) != 1 || md.Partitions[0].InSync != 1 {
		t.Errorf("%+v", md)
	}
	r.cluster.Close()
	r.c.Produce(0, 0, 1, records(1), nil)
	r.c.Send()
	want := "broker 0 at " + b.Address() + ": connection refused: nothing listens there"
	r.until("the end of the broker to be told", func() bool {
		state, _, _ := b.State()
		return state == backend.BrokerDown && text(b.Trouble()) == want && text(in.Troubles[0].Load()) == want
	})
}
