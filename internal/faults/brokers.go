package faults

import (
	"slices"
	"time"

	"github.com/ringtail/ringtail/internal/e2e"
)

// loadRate is that of the rows' loads where it does not matter: half of what a small
// machine does, so that the server catches up after a stall.
const loadRate = 30_000

// brokerKilled: kills come at random moments; the broker stays away for
// a random while, and comes back when its controller lets it.
func brokerKilled(kills int64) func(*Case) {
	return func(c *Case) {
		c.Begin()
		c.SendOn()
		for range kills {
			c.Flows(10_000 + c.Rand.Int64N(300_000))
			c.Kafka.Kill(1)
			c.NoAcks("without a broker", c.Between(0, 3*time.Second))
			c.Kafka.Restart(1)
			c.Flows(1)
		}
		c.Standard()
		c.Proved("kills", kills)
		c.Proved("stall_ms", c.report.Stall.Milliseconds()-2000)
	}
}

// allGone: row 6, longer than librdkafka's default message timeout of 5
// minutes. Rings fill and clients are not read; nothing expires.
func allGone(c *Case) {
	c.Begin()
	c.SendOn()
	c.Flows(100_000)
	c.Kafka.Kill(1)
	c.Quiet(2 * time.Second)
	before := c.Load.Acked()
	c.Pause(5 * time.Minute)
	sent, rss := c.Load.Sent(), c.Server.RSS()
	c.Pause(time.Minute)
	if acked := c.Load.Acked(); acked != before {
		c.Fatalf("%d records acked without a broker", acked-before)
	}
	if more := c.Load.Sent() - sent; more > 0 {
		c.Fatalf("%d records taken with the rings full for long", more)
	}
	if grown := c.Server.RSS() - rss; grown > 8<<20 {
		c.Fatalf("memory grew by %d KiB within a minute of waiting", grown>>10)
	}
	c.Proved("backpressure_s", c.Server.Metrics().Sum("backpressure_seconds_total"))
	c.Kafka.Restart(1)
	c.Standard()
	c.Proved("stall_s", int64(c.report.Stall.Seconds())-300)
}

// rollingRestart: what an operator does on a good day; clients notice
// nothing but a pause.
func rollingRestart(c *Case) {
	c.Begin()
	c.SendOn()
	moved := int64(0)
	for _, i := range c.Rand.Perm(3) {
		c.Flows(50_000)
		led := c.led(i + 1)
		c.Kafka.Stop(i + 1)
		c.Pause(c.Between(0, 2*time.Second))
		c.Kafka.Restart(i + 1)
		moved += led
	}
	c.Standard()
	c.Proved("partitions_moved", moved)
}

// led is how many of the topic's partitions broker i leads.
func (c *Case) led(i int) (n int64) {
	c.Helper()
	for partition := range e2e.Shards {
		if c.Kafka.Leader(topic, partition) == i {
			n++
		}
	}
	return n
}

// leaderKilled: whoever leads a partition is hunted down.
func leaderKilled(times int64) func(*Case) {
	return func(c *Case) {
		c.Begin()
		c.SendOn()
		moved := int64(0)
		for range times {
			c.Flows(100_000)
			partition := c.Rand.IntN(e2e.Shards)
			leader := c.Kafka.Leader(topic, partition)
			c.Kafka.Kill(leader)
			c.Server.Await("another broker leads", func() bool {
				now := c.Kafka.Leader(topic, partition)
				return now != 0 && now != leader
			})
			moved++
			c.Flows(1)
			c.Kafka.Restart(leader)
		}
		c.Standard()
		c.Proved("leaders_moved", moved)
	}
}

// leaderFrozen: digits led elsewhere wait for the frozen replica to be
// fenced; the frozen broker's own until their leadership has moved.
func leaderFrozen(c *Case) {
	c.Begin()
	c.SendOn()
	c.Flows(100_000)
	frozen := c.Kafka.Leader(topic, c.Rand.IntN(e2e.Shards))
	var own, others []int
	for partition := range e2e.Shards {
		if c.Kafka.Leader(topic, partition) == frozen {
			own = append(own, partition)
		} else {
			others = append(others, partition)
		}
	}
	c.Kafka.Freeze(frozen)
	begun := time.Now()
	elsewhere := c.resume(others, begun)
	itself := c.resume(own, begun)
	if left := 30*time.Second - time.Since(begun); left > 0 {
		c.Pause(left)
	}
	c.Kafka.Continue(frozen)
	if elsewhere > 15*time.Second || itself > 40*time.Second {
		c.Fatalf("digits led elsewhere resumed after %v, the frozen leader's own after %v", elsewhere, itself)
	}
	c.Proved("partitions_frozen", int64(len(own)))
	c.Proved("elsewhere_ms", elsewhere.Milliseconds())
	c.Proved("own_ms", itself.Milliseconds())
	c.Standard()
}

// resume is how long after `begun` all of these digits had deliveries again. A
// second passes first: reports of requests from before come late.
func (c *Case) resume(shards []int, begun time.Time) time.Duration {
	c.Helper()
	if time.Since(begun) < time.Second {
		c.Pause(time.Second)
	}
	delivered := func(m e2e.Metrics, shard int) int64 {
		return m.With("records_delivered_total", "shard", string(rune('0'+shard)))
	}
	before := c.Server.Metrics()
	c.Server.Await("deliveries resume", func() bool {
		now := c.Server.Metrics()
		return !slices.ContainsFunc(shards, func(shard int) bool { return delivered(now, shard) == delivered(before, shard) })
	})
	return time.Since(begun)
}

// quorumGone: one broker of three may not ack for min.insync 2.
func quorumGone(c *Case) {
	c.Begin()
	c.SendOn()
	c.Flows(100_000)
	gone := c.Rand.Perm(3)[:2]
	for _, i := range gone {
		c.Kafka.Kill(i + 1)
	}
	used := c.Server.Metrics().Sum("ring_used_bytes")
	c.NoAcks("by one broker of three", c.Between(5*time.Second, 10*time.Second))
	c.Proved("rings_grew_bytes", c.Server.Metrics().Sum("ring_used_bytes")-used)
	done := make(chan struct{})
	go func() { // together: neither comes up without the other
		defer close(done)
		c.Kafka.Restart(gone[0] + 1)
	}()
	c.Kafka.Restart(gone[1] + 1)
	<-done
	c.Standard()
	c.Proved("stall_ms", c.report.Stall.Milliseconds()-5000)
}

// throttled: the broker holds back answers to keep a quota far below
// the load.
func throttled(c *Case) {
	c.Begin("--max-record-bytes", "50000", "--ring-bytes", "1MiB")
	c.Kafka.SetProduceQuota(500_000)
	c.SendOn()
	c.Server.Await("clients are held back", func() bool {
		return c.Server.Metrics().Sum("backpressure_seconds_total") > 0
	})
	c.Flows(1000) // slowly, but it goes on
	c.Proved("behind", c.Load.Sent()-c.Load.Acked())
	c.Proved("backpressure_s", c.Server.Metrics().Sum("backpressure_seconds_total"))
	c.Kafka.SetProduceQuota(0)
	c.Standard()
}

// serverFrozen: a long pause of the whole process, as a suspended
// virtual machine has, disconnects nobody and loses nothing.
func serverFrozen(c *Case) {
	c.Begin()
	c.SendOn()
	c.Flows(100_000)
	c.Server.Freeze()
	time.Sleep(90 * time.Second) // the fault itself
	c.Server.Continue()
	c.Standard()
	c.Proved("stall_s", int64(c.report.Stall.Seconds())-89)
}
