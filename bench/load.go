package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/ringtail/ringtail/internal/target"
)

// Load is a run under way.
type Load struct {
	options     Options
	target      target.Target
	pool        *Pool
	connections []*connection
	start       time.Time
	cpu         time.Duration // this process's, at the start

	sending chan struct{} // closed when no more is to be sent
	finish  sync.Once
	done    sync.WaitGroup
	delays  [delayShards]delays
}

// delays are latencies. Connections share a few of them: one is 200 KB.
type delays struct {
	mu        sync.Mutex
	histogram *hdrhistogram.Histogram // microseconds
}

const (
	delayShards  = 16
	delayMaxUsec = int64(time.Hour / time.Microsecond)
)

// Start connects and begins to send. The context's end breaks everything off;
// Finish ends it properly.
func Start(ctx context.Context, o Options) (*Load, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	to, err := target.Parse("--target", o.Target)
	if err != nil {
		return nil, err
	}
	l := &Load{options: o, target: to, pool: NewPool(rand.Uint32()|1, o.Size, o.Digit), sending: make(chan struct{})}
	for i := range l.delays {
		l.delays[i].histogram = hdrhistogram.New(1, delayMaxUsec, 3)
	}
	for i := range o.Connections {
		c := newConnection(l, i)
		if err := c.connect(ctx); err != nil {
			for _, c := range l.connections {
				c.socket.Close()
			}
			return nil, fmt.Errorf("--target %s: %w", o.Target, err)
		}
		l.connections = append(l.connections, c)
	}
	l.start, l.cpu = time.Now(), ProcessCPU()
	if o.Duration > 0 {
		stop := time.AfterFunc(o.Duration, l.Finish)
		context.AfterFunc(ctx, func() { stop.Stop() })
	}
	for _, c := range l.connections {
		l.done.Go(func() { c.run(ctx) })
	}
	return l, nil
}

// Run is Start and Wait.
func Run(ctx context.Context, o Options) (*Result, error) {
	l, err := Start(ctx, o)
	if err != nil {
		return nil, err
	}
	return l.Wait(), nil
}

// Checker makes a checker for what this load sends, into a topic with one
// partition a shard.
func (l *Load) Checker(shards int) *Checker { return NewChecker(l.pool, shards, l.options.Odd) }

// Odd tells whether Options.Odd replaces that record.
func (l *Load) Odd(conn int, seq uint64) bool {
	return l.options.Odd != nil && l.options.Odd(conn, seq) != nil
}

// Sent is how many records have been handed to the kernel so far.
func (l *Load) Sent() int64 { return l.sum(func(c *connection) *atomic.Uint64 { return &c.sent }) }

// Acked is how many records the server has called done so far.
func (l *Load) Acked() int64 { return l.sum(func(c *connection) *atomic.Uint64 { return &c.acked }) }

func (l *Load) sum(of func(*connection) *atomic.Uint64) int64 {
	var n uint64
	for _, c := range l.connections {
		n += of(c).Load()
	}
	return int64(n)
}

// Outcomes says what each connection has done so far.
func (l *Load) Outcomes() []Outcome {
	outcomes := make([]Outcome, len(l.connections))
	for i, c := range l.connections {
		outcomes[i] = c.outcome()
	}
	return outcomes
}

// Finish stops the sending of new records. What was sent is seen through.
func (l *Load) Finish() { l.finish.Do(func() { close(l.sending) }) }

// Wait returns when every connection has ended: all sent and, with Ack, all
// answered, or broken off.
func (l *Load) Wait() *Result {
	l.done.Wait()
	elapsed := time.Since(l.start)
	r := &Result{
		Connections: l.options.Connections,
		Framing:     l.options.Framing.String(),
		Size:        l.options.Size,
		Ack:         l.options.Ack,
		RateAsked:   l.options.Rate,
		Run:         l.pool.run,
		Seconds:     elapsed.Seconds(),
	}
	for _, o := range l.Outcomes() {
		r.add(o)
	}
	r.RecordsPerSecond = float64(r.Records) / r.Seconds
	if r.Records > 0 {
		r.CPUNanosPerRecord = float64(ProcessCPU()-l.cpu) / float64(r.Records)
	}
	if l.options.Ack {
		r.LatencyMs = l.latency()
	}
	return r
}

func (l *Load) latency() *Latency {
	all := l.delays[0].histogram
	for i := range l.delays[1:] {
		all.Merge(l.delays[i+1].histogram)
	}
	ms := func(usec int64) float64 { return float64(usec) / 1000 }
	return &Latency{
		P50: ms(all.ValueAtQuantile(50)), P90: ms(all.ValueAtQuantile(90)), P99: ms(all.ValueAtQuantile(99)),
		P999: ms(all.ValueAtQuantile(99.9)), Max: ms(all.Max()),
	}
}

// share is how many of the run's records connection i sends; without a number
// asked for, as many as there is time for.
func (l *Load) share(i int) uint64 {
	if l.options.Records == 0 {
		return maxSequence
	}
	n := l.options.Records / int64(l.options.Connections)
	if int64(i) < l.options.Records%int64(l.options.Connections) {
		n++
	}
	return uint64(n)
}
