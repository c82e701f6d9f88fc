package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// Client sends records to one server at a time. All methods may be called by any goroutine.
type Client struct {
	opt Options

	// closing is closed by the first Close; ctx ends when one gives up; done is
	// closed when the writer has ended, its last connection closed.
	closing chan struct{}
	ctx     context.Context
	abort   context.CancelFunc
	done    chan struct{}

	wake chan struct{} // capacity 1: there is something for the writer to do
	turn chan struct{} // capacity 1: filled by the one Send that waits for room; others queue for it
	room chan struct{} // capacity 1: frames have been freed

	mu      sync.Mutex // protects what follows
	window  window
	waiting int   // calls of Send that wait for room, or for their turn to
	idle    bool  // the writer sleeps until woken
	closed  bool  // closing is closed
	cause   error // why the latest connection ended, or was not made; nil while one works
	fatal   error // why the Client has given up; nil: it has not
	flushes []*flush
	stats   Stats
}

// flush is a call of Flush or SendWait that waits until record seq is acked.
type flush struct {
	seq    uint64
	reason string // why the record was rejected; "": it was not
	done   chan struct{}
}

// Stats are counts since the Client was made, but for Unacked. They count records, and Bytes.
type Stats struct {
	Sent     uint64 // written, or begun to be
	Resent   uint64 // written once more, after a connection had ended; a record may count twice
	Acked    uint64 // done for good: in Kafka, or rejected
	Rejected uint64 // of Acked
	Unacked  uint64 // in the window now
	Connects uint64 // connections that a server greeted: the first, and reconnections
	Bytes    uint64 // written, framing included
}

// Stats returns what the Client has done so far.
func (c *Client) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, w := c.stats, &c.window
	s.Sent, s.Acked, s.Unacked = w.highest, w.acked, w.queued-w.acked
	return s
}

// New makes a Client. It does not wait for the server: the first record makes the
// first connection. A Client that is not needed any more must be closed.
func New(o Options) (*Client, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	c := &Client{
		opt:     o,
		window:  newWindow(&o),
		closing: make(chan struct{}),
		done:    make(chan struct{}),
		wake:    make(chan struct{}, 1),
		turn:    make(chan struct{}, 1),
		room:    make(chan struct{}, 1),
	}
	c.ctx, c.abort = context.WithCancel(context.Background())
	go c.run()
	return c, nil
}

// SendWait is Send, and waits until the record is in Kafka: then it returns nil. A *RejectError says
// that the server rejected it. After any other error it may get to Kafka or not; errors.Is tells
// whether it was taken, as with Send. Calls are best made by many goroutines: each waits for Kafka.
func (c *Client) SendWait(ctx context.Context, record []byte) error {
	f := &flush{done: make(chan struct{})}
	seq, err := c.send(ctx, record, f)
	if err != nil {
		return err
	}
	if err := c.wait(ctx, f, "send"); err != nil {
		return err
	}
	if f.reason != "" {
		return &RejectError{seq, f.reason}
	}
	return nil
}

// Send copies a record into the window. If there is no room it waits; calls that wait are served in
// order. It returns the record's number, from 1, which OnReject is called with. White space around
// the record is not sent.
//
// After an error the record was not taken. ErrEmpty, ErrTooLarge, ErrNewline and ErrNotObject say
// what is wrong with it, and ErrClosed says that Close has been called. ErrNoAcks, ErrUnauthorized,
// ErrProtocol and those of crypto/tls mean that the Client has given up. Any other error means that
// ctx has ended, and says why there was no room.
//
// A nil error does not mean that the record is in Kafka: see Flush.
func (c *Client) Send(ctx context.Context, record []byte) (uint64, error) {
	return c.send(ctx, record, nil)
}

// send is Send, and has f wait for the record.
func (c *Client) send(ctx context.Context, record []byte, f *flush) (uint64, error) {
	record = trim(record)
	if err := c.opt.check(record); err != nil {
		return 0, err
	}
	if err := ctx.Err(); err != nil {
		return 0, fmt.Errorf("client: send: %w", err)
	}
	c.mu.Lock()
	if c.closed || c.fatal != nil {
		defer c.mu.Unlock()
		return 0, c.over()
	}
	if c.waiting == 0 && c.window.fits(len(record)) {
		seq := c.put(record, f)
		c.mu.Unlock()
		return seq, nil
	}
	c.waiting++
	c.mu.Unlock()
	seq, err := c.sendLater(ctx, record, f)
	if errors.Is(err, errNoRoom) {
		err = c.stuck(ctx, "send: the window is full")
	}
	return seq, err
}

var errNoRoom = errors.New("client: no room")

// sendLater is Send where it has to wait. The call has been counted in waiting.
func (c *Client) sendLater(ctx context.Context, record []byte, f *flush) (seq uint64, err error) {
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		err = errNoRoom
	case <-c.closing:
		err = errOver
	case <-c.done:
		err = errOver
	}
	for err == nil {
		c.mu.Lock()
		if !c.closed && c.fatal == nil && c.window.fits(len(record)) {
			c.waiting--
			seq = c.put(record, f)
			c.mu.Unlock()
			return seq, nil
		}
		c.mu.Unlock()
		select {
		case <-c.room:
		case <-ctx.Done():
			err = errNoRoom
		case <-c.closing:
			err = errOver
		case <-c.done:
			err = errOver
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting--
	if err == errOver {
		err = c.over()
	}
	return 0, err
}

// over is why nothing is taken any more. mu is held.
func (c *Client) over() error {
	if c.fatal != nil {
		return c.fatal
	}
	return ErrClosed
}

// put queues a record that fits. mu is held.
func (c *Client) put(record []byte, f *flush) uint64 {
	seq := c.window.put(record)
	if f != nil {
		f.seq = seq
		c.flushes = append(c.flushes, f)
	}
	c.wakeWriter()
	return seq
}

// wakeWriter wakes the writer if it sleeps. mu is held.
func (c *Client) wakeWriter() {
	if c.idle {
		c.idle = false
		poke(c.wake)
	}
}

func poke(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// Flush waits until every record that Send took before the call is acked: it is in Kafka, or was
// rejected, and OnReject has returned.
func (c *Client) Flush(ctx context.Context) error {
	c.mu.Lock()
	f := &flush{seq: c.window.queued, done: make(chan struct{})}
	if c.window.acked >= f.seq {
		c.mu.Unlock()
		return nil
	}
	c.flushes = append(c.flushes, f)
	c.mu.Unlock()
	return c.wait(ctx, f, "flush")
}

// wait waits until f is done.
func (c *Client) wait(ctx context.Context, f *flush, doing string) error {
	select {
	case <-f.done:
		return nil
	case <-c.done:
	case <-ctx.Done():
	}
	c.mu.Lock()
	if c.window.acked >= f.seq {
		c.mu.Unlock()
		return nil
	}
	c.flushes = slices.DeleteFunc(c.flushes, func(g *flush) bool { return g == f })
	over := c.over()
	c.mu.Unlock()
	if isClosed(c.done) && ctx.Err() == nil {
		return over
	}
	return c.stuck(ctx, doing)
}

// Close sends what is in the window, half-closes the connection, and waits until every record is
// acked. Send takes no more records from then on. When Close returns, the connection is closed and
// the Client's goroutines have ended. If ctx ends first, Close gives up, and its error says how
// many records were not acked: they may or may not be in Kafka.
func (c *Client) Close(ctx context.Context) error {
	c.mu.Lock()
	if !c.closed {
		c.closed = true
		close(c.closing)
	}
	c.wakeWriter()
	c.mu.Unlock()
	var err error
	select {
	case <-c.done:
	case <-ctx.Done():
		err = c.stuck(ctx, "close")
		c.abort()
		<-c.done
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.window.acked == c.window.queued:
		return nil
	case c.fatal != nil:
		err = fmt.Errorf("client: close; %d records not acked, of %d sent: %w", c.window.queued-c.window.acked, c.window.queued, inner{c.fatal})
	case err == nil: // another Close has given up
		err = ErrClosed
	}
	return err
}

// stuck makes the error of a call whose context has ended: what it waited for, and what is known of
// the reason.
func (c *Client) stuck(ctx context.Context, doing string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := &c.window
	err := fmt.Errorf("client: %s; %d records not acked, of %d sent: %w", doing, w.queued-w.acked, w.queued, ctx.Err())
	if c.cause != nil {
		err = fmt.Errorf("%w; latest connection: %w", err, inner{c.cause})
	}
	return err
}
