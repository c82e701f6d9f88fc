package native

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl"

	"github.com/ringtail/ringtail/internal/kafkaclient"
	"github.com/ringtail/ringtail/producer/backend"
)

// Traits are those of Client.
var Traits = backend.Traits{Name: "native writer", ErrorText: backend.ErrorText, WholeBatches: true, TellsTroubles: true}

var _ backend.BatchClient = (*Client)(nil)

// Options say where to write, and how. The comments name the properties of librdkafka that they
// come from.
type Options struct {
	Brokers    []string // bootstrap.servers
	Topic      string
	Partitions []int32        // that will be written: Ready is about their leaders
	ClientID   string         // client.id
	TLS        *tls.Config    // security.protocol, ssl.*; nil: none
	SASL       sasl.Mechanism // sasl.*; nil: none

	BatchBytes     int            // batch.size; a record that is larger goes alone
	BatchRecords   int            // batch.num.messages
	Compressor     kgo.Compressor // compression.type; nil: none
	RequestTimeout time.Duration  // request.timeout.ms: how long a broker may wait for replicas
	SocketTimeout  time.Duration  // socket.timeout.ms: how long to wait for a response
	Backoff        time.Duration  // retry.backoff.ms: doubles up to BackoffMax
	BackoffMax     time.Duration  // retry.backoff.max.ms
	RefreshEvery   time.Duration  // topic.metadata.refresh.interval.ms

	Insight *backend.Insight // what to tell others of partitions and brokers; nil: nobody asks
}

func (o *Options) security() kafkaclient.Security {
	return kafkaclient.Security{TLS: o.TLS, SASL: o.SASL}
}

// producerID is how brokers know the client.
type producerID struct {
	id    int64
	epoch int16
}

// Client writes to one topic. All methods but Wake are for one goroutine, the engine's.
type Client struct {
	opts Options
	wire wire
	now  func() time.Duration // monotonic
	stop context.CancelFunc

	sizes     sizeBounds    // requestSizeBounds; tests set others
	moveAfter time.Duration // moveAfter; tests set others

	pool        pool
	streams     []*stream
	partitions  []*partitionState
	partitionOf map[int32]*partitionState // by number
	brokers     map[int32]*brokerState
	metadata    *metadata          // that is in use; nil: none yet
	turnsTaken  []*partitionState  // scratch of Send
	toSend      []*inflightRequest // scratch of Send
	halted      bool               // something failed: nothing new is sealed
	retryAt     time.Duration      // when the next batch is due; 0: none is
	timer       *time.Timer
	retries     uint64

	packings atomic.Int32   // how many batches are being compressed
	packed   atomic.Bool    // all of them are, and Send was not called since
	busy     sync.WaitGroup // who compresses

	id             atomic.Pointer[producerID]
	newestMetadata atomic.Pointer[metadata]
	woken          chan struct{} // capacity 1
	metadataWanted chan struct{} // capacity 1: a refresh is wanted

	unready atomic.Pointer[string] // why nothing can be written yet; nil: it can
	stale   int                    // watchMetadata: refreshes in a row that had older leaders

	fatal         atomic.Int32
	hasEvents     atomic.Bool // there are events to take
	mu            sync.Mutex
	results       []result // that Poll has not taken yet
	taken         []result // scratch of takeResults
	events        []backend.Event
	eventsDropped int
}

// stream is one of the engine's, on its way to a partition.
type stream struct {
	backend.Progress
	partition *partitionState
	open      encoder       // records that came one by one; empty where whole is not
	whole     batchRecords  // a batch that came whole
	packing   *packing      // of whole, compressed; nil: it is not to be
	first     uint64        // number of the first record in open or whole
	openedAt  time.Duration // when that was handed over
	waited    time.Duration // sum over the records: how long after that they were
	trouble   *atomic.Pointer[backend.Trouble]
}

// partitionState is a partition. Streams may share it, so the sequence is the partition's.
type partitionState struct {
	number   int32
	streams  []*stream
	turn     int   // index of the stream whose records go next
	sequence int32 // of the next batch
	batch    *batch
	retryAt  time.Duration
	backoff  time.Duration
	trouble  string // why its batch is not written yet; "" where nothing is wrong
}

// batch is sealed: its bytes, id and sequence do not change until its fate is known.
type batch struct {
	batchRecords
	stream    *stream
	first     uint64
	request   *inflightRequest // that carries it; nil: it waits for one
	maybe     bool             // it may be in the log
	tries     int              // responses that were doubtful
	handedAt  time.Duration    // when its records were handed over, on average
	sentAt    time.Duration    // when it was sent first, if tried is set
	tried     bool
	throttled time.Duration // of the time before sentAt: its broker asked to be left alone
	lostAlone int           // requests in a row without response that carried nothing else

	// Requests that carried it to a former leader and got no response so far. They have read data,
	// and may still get a response.
	earlier []*inflightRequest
}

// brokerState is a broker.
type brokerState struct {
	broker         int32
	request        *inflightRequest // that is being made or is under way; nil: none
	throttledFrom  time.Duration
	throttledUntil time.Duration   // the broker asked to be left alone until then
	toldSilent     bool            // it was logged that it does not respond
	size           requestSize     // of requests to it
	seen           *backend.Broker // see Client.seen
}

// inflightRequest is a request that is being made or is under way.
type inflightRequest struct {
	broker     int32
	partitions []*partitionState // whose batches it carries; a batch that moved on since points elsewhere
	bytes      int
	full       bool // a batch found no room in it
	sent       bool
	sentAt     time.Duration
	carried    *produceRequest // once it is sent
	cancel     func()
}

// result is how a request ended.
type result struct {
	request  *inflightRequest
	response *kmsg.ProduceResponse
	err      error
	at       time.Duration
}

// New makes a client. first has, for each stream, the number of the first record that will be
// handed over. New does not wait for a broker. Its error is about options.
func New(o Options, first []uint64) (*Client, error) {
	o = o.withInsight(len(first))
	kc, err := newKafkaClient(o)
	if err != nil {
		return nil, err
	}
	begun := time.Now()
	w := newNetwork(o)
	c := newClient(o, first, w, func() time.Duration { return time.Since(begun) })
	ctx, cancel := context.WithCancel(context.Background())
	var watching sync.WaitGroup
	watching.Go(func() { c.watchMetadata(ctx, kc) })
	watching.Go(func() { c.connectLeaders(ctx) })
	c.stop = func() {
		cancel()
		kc.Close()
		watching.Wait() // they use the network
		w.close()
	}
	return c, nil
}

var errStarting = errors.New("starting")

func newClient(o Options, first []uint64, w wire, now func() time.Duration) *Client {
	c := &Client{
		opts: o.withInsight(len(first)), wire: w, now: now, stop: func() {}, brokers: map[int32]*brokerState{}, partitionOf: map[int32]*partitionState{},
		sizes: requestSizeBounds, moveAfter: moveAfter,
		woken: make(chan struct{}, 1), metadataWanted: make(chan struct{}, 1), timer: time.NewTimer(time.Hour),
	}
	c.setUnready(errStarting)
	for i, n := range first {
		s := &stream{Progress: backend.Progress{Acked: n, Failed: backend.None}, trouble: &c.opts.Insight.Troubles[i]}
		s.open.pool = &c.pool
		c.streams = append(c.streams, s)
	}
	return c
}

// Poll takes results and new metadata for at most timeout milliseconds, and sends what may go then.
// It returns early once there was something, and on Wake.
func (c *Client) Poll(timeout int) {
	if c.pollOnce() || timeout == 0 {
		return
	}
	d := time.Duration(timeout) * time.Millisecond
	if c.retryAt > 0 {
		d = min(d, max(c.retryAt-c.now(), 0))
	}
	c.timer.Reset(d)
	select {
	case <-c.woken:
	case <-c.timer.C:
	}
	c.pollOnce()
}

// pollOnce is Poll without waiting. It reports whether there was anything.
func (c *Client) pollOnce() bool {
	c.pool.age(c.now())
	some := c.takeResults()
	some = c.adoptMetadata() || some
	some = c.packed.Swap(false) || some
	if some || c.retryAt > 0 && c.retryAt <= c.now() {
		c.Send()
	}
	return some
}

// Wake makes the current Poll, or the next one, return at once. Any goroutine may call it.
func (c *Client) Wake() {
	select {
	case c.woken <- struct{}{}:
	default:
	}
}

// Progress returns what is known of one stream as of the last Poll.
func (c *Client) Progress(stream int) backend.Progress { return c.streams[stream].Progress }

// Purge drops what was not sent. With inflight it also gives up what was sent. What it drops is
// reported as failed. It may be called again. A batch that was sent, and whose fate is not known,
// is only given up with inflight.
func (c *Client) Purge(inflight bool) {
	c.halted = true
	for _, p := range c.partitions {
		if b := p.batch; b != nil && (inflight || b.request == nil && !b.maybe) {
			if b.request != nil {
				b.maybe = true
				b.request.cancel() // its other batches are given up as well
			}
			c.giveUp(p, backend.ErrPurged)
		}
		for _, s := range p.streams {
			if n := s.waiting(); n > 0 {
				s.noteFailed(s.first, uint64(n), backend.ErrPurged)
				s.drop()
			}
		}
	}
}

// Fatal returns the error code of what ended the client, 0 while nothing did.
func (c *Client) Fatal() int { return int(c.fatal.Load()) }

// InjectFatal ends the client as a refusal of a producer id would. For tests.
func (c *Client) InjectFatal(code int) {
	c.fatal.Store(int32(code))
	c.Wake()
}

// Ready returns nil once the client can write: it has a producer id, it knows the leader of each of
// Options.Partitions, and it has a connection to each of them on which it is logged in. Until then
// it returns what is in the way.
func (c *Client) Ready() error {
	if why := c.unready.Load(); why != nil {
		return errors.New(*why)
	}
	return nil
}

// Trouble returns what the records of a stream wait for, "" where nothing is wrong.
func (c *Client) Trouble(stream int) string {
	p := c.streams[stream].partition
	switch {
	case p == nil:
		return ""
	case c.metadata.leader(p.number) < 0:
		return fmt.Sprintf("partition %d: %v", p.number, errNobodyLeads)
	}
	return p.trouble
}

// Relief gives up memory that a stall took and that is free now.
func (c *Client) Relief() { c.pool.first, c.pool.rest = freePieces{}, freePieces{} }

// Destroy ends the client, and gives up the requests under way.
func (c *Client) Destroy() {
	for _, br := range c.brokers {
		if br.request != nil && br.request.cancel != nil {
			br.request.cancel()
		}
		c.seen(br).SetUnderWay(0, 0)
	}
	c.busy.Wait()
	c.stop()
}
