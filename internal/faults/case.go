package faults

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/ringtail/ringtail/bench"
	"github.com/ringtail/ringtail/internal/e2e"
	"github.com/ringtail/ringtail/internal/kafkatest"
)

// patience ends runs that would otherwise hang. The slowest row takes half.
const patience = 20 * time.Minute

// topic is the topic of every row: each has a Kafka of its own.
const topic = "records"

// Case is one run of a row.
type Case struct {
	kafkatest.TB
	Rand   *rand.Rand
	Kafka  *kafkatest.Cluster
	Server *e2e.Server
	Load   *bench.Load

	ctx    context.Context
	report *Report
	before weight // of the server when it had just become ready
	stall  atomic.Int64
	watch  chan struct{}

	sendsOn bool // the load goes on until Finish
}

// Proved notes what shows that the fault happened, and fails if it did not.
func (c *Case) Proved(what string, n int64) {
	c.Helper()
	if n <= 0 {
		c.Fatalf("the fault cannot be proved: %s=%d", what, n)
	}
	c.report.Proof = append(c.report.Proof, fmt.Sprintf("%s=%d", what, n))
}

// Begin creates the topic, starts a server that acks, and waits until it is
// ready.
func (c *Case) Begin(args ...string) {
	c.Helper()
	c.Kafka.CreateTopic(topic, e2e.Shards, c.replicas(), nil)
	c.Serve(args...)
}

// Serve starts the server on an existing topic.
func (c *Case) Serve(args ...string) {
	c.Helper()
	c.Server = e2e.Serve(c, c.serveArgs(args...)...)
	c.before = weigh(c, c.Server)
}

func (c *Case) serveArgs(args ...string) []string {
	all := []string{"--brokers", c.Kafka.Bootstrap(), "--topic", topic, "--ack", "kafka", "--pprof"}
	for key, value := range c.Kafka.ClientProperties() {
		all = append(all, "-X", key+"="+value)
	}
	return append(all, args...)
}

func (c *Case) replicas() int { return min(3, c.Kafka.Brokers()) }

// Send starts a load of so many records a second (0: as fast as possible) and
// watches how its acks come.
func (c *Case) Send(records int64, rate float64, change ...func(*bench.Options)) {
	c.Helper()
	o := bench.Defaults()
	o.Target, o.Records, o.Rate, o.Ack = c.Server.Target, records, rate, true
	for _, f := range change {
		f(&o)
	}
	c.Load = c.start(o)
	c.watch = make(chan struct{})
	go c.watchStalls(c.Load, records)
}

func (c *Case) start(o bench.Options) *bench.Load {
	c.Helper()
	load, err := bench.Start(c.ctx, o)
	c.must(err)
	return load
}

// must fails where there is an error.
func (c *Case) must(err error) {
	c.Helper()
	if err != nil {
		c.Fatalf("%v", err)
	}
}

// SendOn starts a load that goes on until Finish.
func (c *Case) SendOn(change ...func(*bench.Options)) {
	c.Helper()
	const more = 1_000_000_000 // than any row lasts
	c.Send(more, loadRate, change...)
	c.sendsOn = true
}

// watchStalls keeps the longest time for which no ack came.
func (c *Case) watchStalls(load *bench.Load, records int64) {
	last, at := int64(0), time.Now()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-c.watch:
			return
		case <-tick.C:
		}
		acked := load.Acked()
		c.stall.Store(max(c.stall.Load(), int64(time.Since(at))))
		if acked > last {
			last, at = acked, time.Now()
		}
		if acked == records {
			return
		}
	}
}

// Until waits until so many records are sent.
func (c *Case) Until(sent int64) {
	c.Helper()
	c.Server.Await(fmt.Sprintf("%d records are sent", sent), func() bool { return c.Load.Sent() >= sent })
}

// Flows waits until n more records are acked than now.
func (c *Case) Flows(n int64) {
	c.Helper()
	target := c.Load.Acked() + n
	c.Server.Await(fmt.Sprintf("%d records are acked", target), func() bool { return c.Load.Acked() >= target })
}

// Quiet waits until no ack has come for d.
func (c *Case) Quiet(d time.Duration) {
	c.Helper()
	last, at := c.Load.Acked(), time.Now()
	c.Server.Await("no more acks come", func() bool {
		if acked := c.Load.Acked(); acked != last {
			last, at = acked, time.Now()
		}
		return time.Since(at) >= d
	})
}

// NoAcks waits until acks have ceased, since what was delivered before is acked late on a busy
// machine, and fails if another one comes within d.
func (c *Case) NoAcks(how string, d time.Duration) {
	c.Helper()
	c.Quiet(2 * time.Second)
	before := c.Load.Acked()
	c.Pause(d)
	if acked := c.Load.Acked(); acked != before {
		c.Fatalf("%d records acked %s", acked-before, how)
	}
}

// Between is a random duration.
func (c *Case) Between(from, to time.Duration) time.Duration {
	return from + time.Duration(c.Rand.Int64N(int64(to-from)))
}

// Pause lets time pass while the fault lasts. It fails if the server ends.
func (c *Case) Pause(d time.Duration) {
	c.Helper()
	for until := time.Now().Add(d); time.Now().Before(until); {
		step := time.Now().Add(min(time.Second, time.Until(until)))
		c.Server.Await("time passes", func() bool { return time.Now().After(step) })
	}
}

// Standard ends a row as most have to end: everything sent arrived, in order,
// once, unchanged; the server's books agree; memory is back; fresh records
// flow; the server stops cleanly.
func (c *Case) Standard() {
	c.Helper()
	r := c.Finished()
	c.Verify(r.Outcomes)
	c.Healthy(r.Records, r.Rejected)
}

// Finish waits for the load's end. One that goes on shows first that it does.
func (c *Case) Finish() *bench.Result {
	c.Helper()
	if c.sendsOn {
		c.Flows(100_000)
		c.Load.Finish()
	}
	r := c.Load.Wait()
	close(c.watch)
	c.report.Records += r.Records
	c.report.Stall = time.Duration(c.stall.Load())
	return r
}

// Finished is Finish, and fails unless every connection lasted and all is acked.
func (c *Case) Finished() *bench.Result {
	c.Helper()
	r := c.Finish()
	if err := r.Err(); err != nil || r.Acked != r.Records {
		c.Fatalf("%d of %d records acked: %v\n%s", r.Acked, r.Records, err, c.Server.Output())
	}
	return r
}

// Verify reads the topic back and fails if any promise is broken.
func (c *Case) Verify(sent []bench.Outcome) bench.Verdict {
	c.Helper()
	v := e2e.Verify(c, c.Kafka, topic, c.Load, sent)
	c.report.Verdict.Add(v)
	if err := v.Err(); err != nil {
		c.Fatalf("%v\n%s", err, c.Server.Output())
	}
	return v
}

// Healthy fails unless the server, with nothing under way, is as good as new.
func (c *Case) Healthy(received, rejected int64) {
	c.Helper()
	c.Server.Await("it is ready", c.Server.Ready)
	m := c.Server.Metrics()
	m.CheckSettled(c)
	c.report.Rebuilds = m.Sum("producer_rebuilds_total")
	c.report.PossibleDuplicates = m.Sum("possible_duplicates_total")
	e2e.Fresh(c, c.Kafka, topic, c.Server)
	c.report.weigh(c, c.Server, c.before)
	received += e2e.FreshRecords
	ledger := c.Server.Stop().Ledger(c)
	want := e2e.Ledger{Received: received, Delivered: received - rejected, Rejected: rejected}
	if ledger != want {
		c.Fatalf("ledger %+v, want %+v\n%s", ledger, want, c.Server.Output())
	}
}
