package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ringtail/ringtail/internal/target"
	"github.com/ringtail/ringtail/wire"
)

// connection is one of a load. If it breaks and Resend is on, its successors are the same
// connection.
//
// Two goroutines share its counts and marks: run sends, answers reads. A record has two numbers.
// Its sequence number counts from 1 over all successors. Its ordinal, with which the server
// answers, counts from 1 within one of them. base is the difference.
type connection struct {
	load   *Load
	conn   int
	socket net.Conn
	seq    uint64 // of the next record, from 1
	share  uint64 // records to send
	base   uint64 // sequence numbers up to here lie before this connection

	begun atomic.Uint64 // highest sequence number of which any byte may have left
	sent  atomic.Uint64 // highest one handed to the kernel whole
	acked atomic.Uint64 // highest one that the server has called done

	mu    sync.Mutex // protects what follows
	marks []mark     // what is sent and not acked, as fast as possible only
	out   Outcome

	writeBytes int
	buffer     []byte
	ends       []int // of each frame in buffer
}

// mark says when records up to seq were handed to the kernel.
type mark struct {
	seq uint64
	at  time.Time
}

// writeBytes is how much is written at once: more saves no system call's worth
// of time, less costs some. Thousands of connections share buffersBytes.
const (
	writeBytes   = 64 << 10
	writeLeast   = 8 << 10
	buffersBytes = 64 << 20
)

// lastAnswers is how long a connection that cannot be written to is still read: its acks
// may be on the way. One that is reset ends at once.
const lastAnswers = 10 * time.Second

func newConnection(l *Load, conn int) *connection {
	c := &connection{load: l, conn: conn, seq: 1, share: l.share(conn)}
	c.writeBytes = max(writeLeast, min(writeBytes, buffersBytes/l.options.Connections))
	c.out.Conn = conn
	return c
}

func (c *connection) connect(ctx context.Context) error {
	socket, err := c.load.target.Dial(ctx, c.load.options.TLS)
	if err != nil {
		return err
	}
	c.socket = socket
	if o := &c.load.options; o.Token != "" {
		if _, err := socket.Write(wire.AppendToken(nil, o.Framing, o.Token)); err != nil {
			socket.Close()
			return err
		}
	}
	return nil
}

// run sends the client's share and sees it through. With Resend it goes on
// over new connections until all is acked.
func (c *connection) run(ctx context.Context) {
	pause := 20 * time.Millisecond
	for {
		err := c.session(ctx)
		if err == nil {
			return
		}
		c.mu.Lock()
		c.out.Broken = target.Ended(err).Error()
		c.mu.Unlock()
		if !c.load.options.Resend {
			return
		}
		for {
			select {
			case <-ctx.Done():
				return
			case <-time.After(pause):
			}
			if c.connect(ctx) == nil {
				break
			}
			pause = min(2*pause, time.Second)
		}
		c.mu.Lock()
		c.out.Reconnects++
		c.out.Broken = ""
		c.marks = c.marks[:0]
		c.mu.Unlock()
		c.base = c.acked.Load()
		c.seq = c.base + 1
	}
}

// session uses one connection up: nil if everything was sent and, with Ack,
// answered.
func (c *connection) session(ctx context.Context) error {
	defer c.socket.Close()
	defer context.AfterFunc(ctx, func() { c.socket.Close() })()
	answers := make(chan error, 1)
	go func() { answers <- c.answers() }()
	err := c.send(ctx)
	if err != nil {
		// What the server answered before the end counts.
		c.socket.SetReadDeadline(time.Now().Add(lastAnswers))
		<-answers
		return fmt.Errorf("sending record %d: %w", c.seq, err)
	}
	if half, ok := c.socket.(interface{ CloseWrite() error }); ok {
		if err := half.CloseWrite(); err != nil {
			c.socket.Close()
			<-answers
			return err
		}
	}
	if err := <-answers; err != nil {
		return err
	}
	if sent, acked := c.sent.Load(), c.acked.Load(); c.load.options.Ack && acked < sent {
		return fmt.Errorf("closed with %d records sent and %d acked", sent, acked)
	}
	return nil
}

// send writes until the client's share is sent or the load is to finish.
func (c *connection) send(ctx context.Context) error {
	clock := c.load.clock(c.conn)
	for c.seq <= c.share {
		until := c.share
		select {
		case <-c.load.sending:
			// Nothing new, but what a broken connection left is seen through.
			if until = min(until, c.sent.Load()); c.seq > until {
				return nil
			}
		default:
		}
		if clock.paced() {
			now := time.Now()
			due := clock.due(now)
			if due < c.seq {
				c.sleep(ctx, clock.wait(c.seq, now))
				if ctx.Err() != nil {
					return ctx.Err()
				}
				continue
			}
			until = min(until, due)
		}
		if err := c.write(until); err != nil {
			return err
		}
	}
	return nil
}

// sleep ends early when the sending does.
func (c *connection) sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.load.sending:
	case <-ctx.Done():
	}
}

// write sends the next records up to seq `until`, one buffer of them at most.
func (c *connection) write(until uint64) error {
	c.buffer, c.ends = c.buffer[:0], c.ends[:0]
	first := c.seq
	for c.seq <= until && len(c.buffer) < c.writeBytes {
		c.buffer = c.appendNext(c.buffer)
		c.ends = append(c.ends, len(c.buffer))
	}
	if c.load.options.Ack && c.load.options.Rate == 0 {
		c.mu.Lock()
		c.marks = append(c.marks, mark{c.seq - 1, time.Now()})
		c.mu.Unlock()
	}
	// Before the write: an ack may be here before the write returns.
	c.begun.Store(max(c.begun.Load(), c.seq-1))
	n, err := c.socket.Write(c.buffer)
	if err != nil {
		whole := uint64(0)
		for whole < uint64(len(c.ends)) && c.ends[whole] <= n {
			whole++
		}
		c.seq = first + whole
	}
	c.sent.Store(max(c.sent.Load(), c.seq-1))
	return err
}

// answers reads to the end of the connection: acks, or nothing at all.
func (c *connection) answers() error {
	if !c.load.options.Ack {
		n, err := io.Copy(io.Discard, c.socket)
		c.mu.Lock()
		c.out.Unasked += n
		c.mu.Unlock()
		return err
	}
	answers := wire.Answers{Framing: c.load.options.Framing}
	clock := c.load.clock(c.conn)
	for {
		answer, err := answers.Read(c.socket)
		switch {
		case err == io.EOF:
			return nil
		case errors.Is(err, net.ErrClosed):
			return errors.New("broken off")
		case err != nil:
			return err
		case answer.Reason == wire.Unauthorized:
			return errors.New("the server does not know the token; see --token-file")
		case answer.Rejected > 0:
			c.rejected(answer)
		default:
			c.ack(answer.Acked, clock)
		}
	}
}

func (c *connection) rejected(answer wire.Answer) {
	seq := c.base + answer.Rejected
	if seq <= c.acked.Load() {
		c.violation("record %d rejected after an ack that covers it", seq)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out.RejectedCount++
	if len(c.out.Rejected) < maxRejections {
		c.out.Rejected = append(c.out.Rejected, Rejection{seq, answer.Reason})
	}
}

// ack takes note that the first n records of the connection are done, and how
// long each took.
func (c *connection) ack(n uint64, clock sendClock) {
	now, before, seq := time.Now(), c.acked.Load(), c.base+n
	switch {
	case seq > c.begun.Load():
		c.violation("ack of record %d, %d were sent", seq, c.begun.Load())
		return
	case seq < before:
		c.violation("ack went back from %d to %d", before, seq)
		return
	}
	c.acked.Store(seq)
	d := &c.load.delays[c.conn%delayShards]
	d.mu.Lock()
	defer d.mu.Unlock()
	if clock.paced() {
		for s := before + 1; s <= seq; s++ {
			d.record(now.Sub(clock.intended(s)), 1)
		}
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	used := 0
	for _, m := range c.marks {
		upto := min(m.seq, seq)
		if upto > before {
			d.record(now.Sub(m.at), int64(upto-before))
			before = upto
		}
		if m.seq > seq {
			break
		}
		used++
	}
	c.marks = append(c.marks[:0], c.marks[used:]...)
}

func (d *delays) record(delay time.Duration, n int64) {
	usec := min(max(1, delay.Microseconds()), delayMaxUsec)
	_ = d.histogram.RecordValues(usec, n) // in range, so it cannot fail
}

func (c *connection) violation(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out.violation(fmt.Sprintf("connection %d: ", c.conn) + fmt.Sprintf(format, args...))
}

func (c *connection) outcome() Outcome {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := c.out
	// The server rejects, and then acks, a record that was cut short.
	out.Sent = c.sent.Load()
	out.Acked = min(c.acked.Load(), out.Sent)
	return out
}
