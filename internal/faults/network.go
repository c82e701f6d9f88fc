package faults

import (
	"time"

	"github.com/ringtail/ringtail/bench"
	"github.com/ringtail/ringtail/internal/e2e"
)

// badNetwork: latency, jitter and loss between Ringtail and its broker;
// then a cut; then silence, which nobody is told of.
func badNetwork(c *Case) {
	c.Begin()
	link := c.Kafka.Link(1)
	c.SendOn()
	c.Flows(50_000)
	link.Worsen(20*time.Millisecond, 60*time.Millisecond, 5)
	c.Flows(100_000)
	link.Cut()
	c.Quiet(2 * time.Second)
	c.Pause(c.Between(0, 5*time.Second))
	link.Worsen(20*time.Millisecond, 60*time.Millisecond, 5)
	c.Flows(50_000)
	link.Silence()
	c.NoAcks("through a silent link", c.Between(2*time.Second, 10*time.Second))
	link.Heal()
	c.Flows(1)
	c.Standard()
	c.Proved("stalled_reads", link.Stalled())
	c.Proved("resets", link.Resets())
	c.Proved("silence_ms", c.report.Stall.Milliseconds()-2000)
}

// oneUnreachable: of three brokers one cannot be reached by anybody,
// the others included.
func oneUnreachable(c *Case) {
	c.Begin()
	c.SendOn()
	c.Flows(100_000)
	partition := c.Rand.IntN(e2e.Shards)
	lonely := c.Kafka.Leader(topic, partition)
	link := c.Kafka.Link(lonely)
	link.Cut()
	c.Pause(c.Between(10*time.Second, 20*time.Second))
	resets := link.Resets()
	link.Heal()
	c.Standard()
	c.Proved("resets", resets)
}

// idleEnded: the broker ends what has been idle for four seconds, and a record comes every
// ten: each finds a connection that has ended, or is about to.
func idleEnded(c *Case) {
	c.Begin()
	ended := c.Kafka.Link(1).HungUp()
	c.Send(6, 0.1, func(o *bench.Options) { o.Connections = 1 })
	c.Load.Wait()
	ended = c.Kafka.Link(1).HungUp() - ended
	c.Standard()
	if ended < 5 {
		c.Fatalf("the broker has ended %d connections", ended)
	}
	c.Proved("ended_by_broker", ended)
}
