package native

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strconv"
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
var Traits = backend.Traits{Name: "native writer"}

var _ backend.Client = (*Client)(nil)

// Options say what to write to, and how. Names in comments are the properties of
// librdkafka that they come from.
type Options struct {
	Brokers    []string // bootstrap.servers
	Topic      string
	Partitions []int32        // those that will be written: Ready is about their leaders
	ClientID   string         // client.id
	TLS        *tls.Config    // security.protocol, ssl.*; nil: none
	SASL       sasl.Mechanism // sasl.*; nil: none

	BatchBytes     int            // batch.size; a record that is larger goes alone
	BatchRecords   int            // batch.num.messages
	Compressor     kgo.Compressor // compression.type; nil: none
	RequestTimeout time.Duration  // request.timeout.ms: how long a broker may wait for replicas
	SocketTimeout  time.Duration  // socket.timeout.ms: until an answer counts as lost
	Backoff        time.Duration  // retry.backoff.ms: doubles up to BackoffMax
	BackoffMax     time.Duration  // retry.backoff.max.ms
	LookEvery      time.Duration  // topic.metadata.refresh.interval.ms: at who leads what
	TellEvery      time.Duration  // statistics.interval.ms; 0: never
}

func (o *Options) security() kafkaclient.Security {
	return kafkaclient.Security{TLS: o.TLS, SASL: o.SASL}
}

// producerID is what brokers know the writer by.
type producerID struct {
	id    int64
	epoch int16
}

// Client writes to one topic. Its methods but Wake are for one goroutine, the engine's.
type Client struct {
	opts Options
	wire wire
	now  func() time.Duration // monotonic
	stop context.CancelFunc

	sizes     sizes         // requestSizes
	moveAfter time.Duration // see moved

	pool    pool
	lines   []*line
	parts   []*part
	partOf  map[int32]*part // by partition
	peers   map[int32]*peer
	seen    *view   // what leaders are by
	last    []*part // scratch of Send
	ready   []*flight
	halted  bool          // something failed: nothing new is sent
	retryAt time.Duration // when the next batch is to be tried again; 0: none
	timer   *time.Timer
	measure measure

	id     atomic.Pointer[producerID]
	newest atomic.Pointer[view]
	woken  chan struct{} // capacity 1
	ask    chan struct{} // capacity 1: a look at the leaders is wanted

	unready atomic.Pointer[string] // why nothing can be written yet; nil: it can
	rewinds int                    // watch: looks in a row that told older leaders

	fatal   atomic.Int32
	noted   atomic.Bool // there are events
	mu      sync.Mutex
	answers []answer // that Poll has not taken yet
	spare   []answer
	events  []backend.Event
	lost    int
}

// line is one of the engine's, on its way to a partition.
type line struct {
	backend.Progress
	part  *part
	open  encoder
	first uint64 // number of the first record in open
}

// part is a partition. Lines may share it, so sequences are its own.
type part struct {
	partition int32
	lines     []*line
	turn      int   // whose records go next
	sequence  int32 // of the next batch
	batch     *batch
	retryAt   time.Duration
	backoff   time.Duration
	trouble   string // why its batch is not written yet; "" where nothing is wrong
}

// batch is sealed: its bytes, id and sequence do not change until its fate is known.
type batch struct {
	line   *line
	first  uint64
	count  int
	data   chunks
	bytes  int     // of data
	flight *flight // the request that it is under way with; nil: waits for one
	maybe  bool    // a request that held it has no known end
	tries  int     // answers that were doubtful
	alone  int     // requests without answer, in a row, that held nothing else

	// Requests that it was taken from, since its leader moved and they were not answered. They
	// read data still, and may be answered yet.
	earlier []*flight
	shared  bool // there was one
}

// peer is a broker.
type peer struct {
	broker int32
	flight *flight       // the request that is made or under way, at most one
	notYet time.Duration // it asked for time
	told   bool          // that it does not answer
	size   size          // of requests to it
}

// flight is one request.
type flight struct {
	broker   int32
	parts    []*part // a batch that was taken out since points elsewhere
	bytes    int
	full     bool // something was left out
	launched bool
	begun    time.Duration
	cancel   func()
}

// answer is how a request ended. Nobody writes response any more.
type answer struct {
	flight   *flight
	response *kmsg.ProduceResponse
	err      error
	at       time.Duration
}

// New makes a client. first is, line by line, the number of the first record that will
// be handed over. It does not wait for a broker. The error is about options.
func New(o Options, first []uint64) (*Client, error) {
	kc, err := connect(o)
	if err != nil {
		return nil, err
	}
	begun := time.Now()
	w := newNetwork(o)
	c := newClient(o, first, w, func() time.Duration { return time.Since(begun) })
	ctx, cancel := context.WithCancel(context.Background())
	var watching sync.WaitGroup
	watching.Go(func() { c.watch(ctx, kc) })
	watching.Go(func() { c.greet(ctx) })
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
		opts: o, wire: w, now: now, stop: func() {}, peers: map[int32]*peer{}, partOf: map[int32]*part{}, measure: newMeasure(),
		sizes: requestSizes, moveAfter: moveAfter,
		woken: make(chan struct{}, 1), ask: make(chan struct{}, 1), timer: time.NewTimer(time.Hour),
	}
	c.notReady(errStarting)
	for _, n := range first {
		l := &line{Progress: backend.Progress{Acked: n, Failed: backend.None}}
		l.open.pool = &c.pool
		c.lines = append(c.lines, l)
	}
	return c
}

// Produce takes records of one line, numbered from first, for one partition. It copies
// them. It answers how many it took, and ErrQueueFull where the line's batch is full
// until the one before is answered.
func (c *Client) Produce(line int, partition int32, first uint64, records []backend.Record) (taken, code int) {
	if c.halted {
		return 0, backend.ErrFatal
	}
	l := c.open(line, partition, first)
	for i := range records {
		r := &records[i]
		if !c.room(l, len(r.Value)+len(r.Key)) {
			return i, backend.ErrQueueFull
		}
		l.open.add(r.Value, r.Key, nil)
	}
	return len(records), 0
}

// ProduceDeadLetter takes one dead letter; it answers 0 or an error code.
func (c *Client) ProduceDeadLetter(line int, partition int32, number uint64, value []byte, letter backend.DeadLetter) int {
	if c.halted {
		return backend.ErrFatal
	}
	l := c.open(line, partition, number)
	truncated := ""
	if letter.Truncated > 0 {
		truncated = strconv.Itoa(letter.Truncated)
	}
	headers := letterHeaders(letter, truncated)
	size := len(value)
	for _, h := range headers {
		size += len(h) + recordExtra
	}
	if !c.room(l, size) {
		return backend.ErrQueueFull
	}
	l.open.add(value, nil, headers)
	return 0
}

// open answers the line, whose next record is number n.
func (c *Client) open(i int, partition int32, n uint64) *line {
	l := c.lines[i]
	if l.part == nil {
		l.part = c.part(partition)
		l.part.lines = append(l.part.lines, l)
	}
	if l.open.count == 0 {
		l.first = n
	}
	return l
}

func (c *Client) part(partition int32) *part {
	p := c.partOf[partition]
	if p == nil {
		p = &part{partition: partition}
		c.partOf[partition] = p
		c.parts = append(c.parts, p)
	}
	return p
}

// room tells whether the open batch of l takes that many bytes more.
func (c *Client) room(l *line, bytes int) bool {
	return l.open.count == 0 || l.open.count < c.opts.BatchRecords && l.open.size()+bytes+recordExtra <= c.opts.BatchBytes
}

// Poll takes answers and new leaders for at most timeout milliseconds, and sends what
// may go then. It returns early once there was something, and on Wake.
func (c *Client) Poll(timeout int) {
	if c.serve() || timeout == 0 {
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
	c.serve()
}

// serve does what Poll is for, without waiting; it tells whether there was anything.
func (c *Client) serve() bool {
	c.pool.age(c.now())
	some := c.take()
	some = c.look() || some
	if some || c.retryAt > 0 && c.retryAt <= c.now() {
		c.Send()
	}
	return some
}

// Wake makes the current Poll, or the next one, return at once. Any goroutine.
func (c *Client) Wake() {
	select {
	case c.woken <- struct{}{}:
	default:
	}
}

// Track answers what is known of one line as of the last Poll.
func (c *Client) Progress(line int) backend.Progress { return c.lines[line].Progress }

// Purge drops what was not sent, and with inflight also what was; what it drops counts as
// failed. It may be called again: of a batch that was sent, and whose fate is not known, only
// inflight gives up to find it out.
func (c *Client) Purge(inflight bool) {
	c.halted = true
	for _, p := range c.parts {
		if b := p.batch; b != nil && (inflight || b.flight == nil && !b.maybe) {
			if b.flight != nil {
				b.maybe = true
				b.flight.cancel() // the rest of it goes as well
			}
			c.fail(p, backend.ErrPurged)
		}
		for _, l := range p.lines {
			if n := l.open.count; n > 0 {
				l.failed(l.first, uint64(n), backend.ErrPurged)
				l.open.discard()
			}
		}
	}
}

// Fatal answers the code of what ended the client, 0 while nothing did.
func (c *Client) Fatal() int { return int(c.fatal.Load()) }

// InjectFatal ends the client as a refusal of a producer id would. For tests.
func (c *Client) InjectFatal(code int) {
	c.fatal.Store(int32(code))
	c.Wake()
}

// Ready returns nil once the client has been seen to be able to write: it has a producer
// id, knows the leader of each of Options.Partitions, and every one of these brokers has let
// it in. Until then it returns what is in the way.
func (c *Client) Ready() error {
	if why := c.unready.Load(); why != nil {
		return errors.New(*why)
	}
	return nil
}

// Events takes what was noted since the last call, and how much was dropped for want of
// room.
func (c *Client) Events() ([]backend.Event, int) {
	if !c.noted.Load() {
		return nil, 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	e, n := c.events, c.lost
	c.events, c.lost = nil, 0
	c.noted.Store(false)
	return e, n
}

const eventsMax = 64

// note is called by any goroutine.
func (c *Client) note(e backend.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.noted.Store(true)
	if len(c.events) == eventsMax {
		c.lost++
		return
	}
	c.events = append(c.events, e)
}

// Trouble returns what the records of a line wait for, "" where nothing is wrong.
func (c *Client) Trouble(line int) string {
	p := c.lines[line].part
	switch {
	case p == nil:
		return ""
	case c.seen.leader(p.partition) < 0:
		return fmt.Sprintf("partition %d: %v", p.partition, errNobodyLeads)
	}
	return p.trouble
}

// Relief gives up memory that a stall took and nobody uses now.
func (c *Client) Relief() { c.pool.first, c.pool.more = stock{}, stock{} }

// Destroy ends the client. Requests under way are given up.
func (c *Client) Destroy() {
	for _, pe := range c.peers {
		if pe.flight != nil && pe.flight.cancel != nil {
			pe.flight.cancel()
		}
	}
	c.stop()
}
