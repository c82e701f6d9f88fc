package soak

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// Options of a fleet.
type Options struct {
	Connections int
	Rate        float64       // records a second over all connections; what a stall kept back is made up for
	Window      uint64        // records that a connection may have sent and not acked
	Target      func() string // HOST:PORT of the server at present
}

// Fleet is clients that send, read acks, and connect again, as long as it
// takes. Its Err is the first answer of a server that broke the protocol.
type Fleet struct {
	options Options
	maker   *Maker
	clients []*client
	begun   time.Time
	done    sync.WaitGroup
	finish  chan struct{} // closed: nothing new is begun
	firstError
}

// firstError is the first error of those that goroutines have found.
type firstError struct {
	mu  sync.Mutex
	err error
}

// Err is that error, nil while there is none.
func (f *firstError) Err() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

func (f *firstError) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		f.err = err
	}
}

// Start starts the clients. They end when the context does, or when all is
// acked after Finish.
func Start(ctx context.Context, maker *Maker, o Options) *Fleet {
	f := &Fleet{options: o, maker: maker, begun: time.Now(), finish: make(chan struct{})}
	for conn := range o.Connections {
		f.clients = append(f.clients, &client{fleet: f, conn: conn, length: conn%4 == 3})
	}
	for _, c := range f.clients {
		f.done.Go(func() { c.run(ctx) })
	}
	return f
}

// Finish lets the clients send no new records, and waits until what was sent
// is acked or the context ends.
func (f *Fleet) Finish() {
	close(f.finish)
	f.done.Wait()
}

// Sender is what the checker asks.
func (f *Fleet) Sender(conn int) (begun uint64, try uint32) {
	c := f.clients[conn]
	return c.begun.Load(), c.try.Load()
}

// Begun is, by connection, the latest record of which a byte may have left.
func (f *Fleet) Begun() []uint64 {
	return f.each(func(c *client) *atomic.Uint64 { return &c.begun })
}

// Acked is, by connection, how many records the server has called done.
func (f *Fleet) Acked() []uint64 {
	return f.each(func(c *client) *atomic.Uint64 { return &c.acked })
}

// Resent is how many records were sent again after a connection had broken.
func (f *Fleet) Resent() uint64 {
	return Sum(f.each(func(c *client) *atomic.Uint64 { return &c.resent }))
}

// Connects is how many connections were made.
func (f *Fleet) Connects() (n uint64) {
	for _, c := range f.clients {
		n += uint64(c.try.Load())
	}
	return n
}

func (f *Fleet) each(of func(*client) *atomic.Uint64) []uint64 {
	counts := make([]uint64, len(f.clients))
	for i, c := range f.clients {
		counts[i] = of(c).Load()
	}
	return counts
}

// Reset breaks a connection with a reset, wherever it is in its records.
func (f *Fleet) Reset(conn int) { f.clients[conn].reset() }

// due is the latest record that a connection should have sent by now.
func (f *Fleet) due() uint64 {
	return uint64(time.Since(f.begun).Seconds() * f.options.Rate / float64(f.options.Connections))
}

// Sum adds up.
func Sum(counts []uint64) (sum uint64) {
	for _, n := range counts {
		sum += n
	}
	return sum
}
