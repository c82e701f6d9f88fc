package faults

import (
	"fmt"
	"time"

	"github.com/ringtail/ringtail/bench"
	"github.com/ringtail/ringtail/internal/e2e"
)

// eventHubs is what Azure Event Hubs takes in one request; a longer one ends its connection.
const eventHubs = 1_046_528

// smallRings are soon full, of batches of half a MB.
var smallRings = []string{"--max-record-bytes", "500000", "--ring-bytes", "2560KiB"}

// backlog begins a load and takes Kafka away until the rings are full, so that the next requests
// are as long as the writer makes them.
func (c *Case) backlog() {
	c.Helper()
	c.SendOn()
	c.Flows(1000)
	c.Kafka.Link(1).Cut()
	used := int64(0)
	c.Server.Await("the rings are full", func() bool {
		used = c.Server.Metrics().Sum("ring_used_bytes")
		return used > 8*eventHubs
	})
	c.Quiet(2 * time.Second)
	c.Proved("backlog_bytes", used)
}

// requestsRefused: what stands between ends the connection of a request that is too long.
// Each batch alone would pass.
func requestsRefused(c *Case) {
	c.Begin(smallRings...)
	c.backlog()
	link := c.Kafka.Link(1)
	link.Refuse(eventHubs)
	c.drains(20_000, func() string { return fmt.Sprintf("%d requests were over %d bytes", link.Refused(), eventHubs) })
	c.Standard()
}

// brokerRefuses: the broker ends the connection itself, at half a MiB (lowRequest).
func brokerRefuses(c *Case) {
	c.Begin(append([]string{"-X", "batch.size=100000"}, smallRings...)...)
	c.backlog()
	ended := c.Kafka.Link(1).HungUp()
	c.Kafka.Link(1).Heal()
	c.drains(20_000, func() string { return fmt.Sprintf("the broker ended %d connections", c.Kafka.Link(1).HungUp()-ended) })
	c.Standard()
}

// slowUplink: what does not pass within socket.timeout.ms is sent again: a request that is
// too long for it never passes, one batch does.
func slowUplink(c *Case) {
	c.Begin(append([]string{"-X", "socket.timeout.ms=10000"}, smallRings...)...)
	c.backlog()
	link := c.Kafka.Link(1)
	link.Throttle(250_000)
	passed, begun := link.Passed(), time.Now()
	c.drains(20_000, func() string { return fmt.Sprintf("%d bytes passed", link.Passed()-passed) })
	c.Proved("slow_bytes_a_second", (link.Passed()-passed)*1000/time.Since(begun).Milliseconds())
	link.Heal()
	c.Standard()
}

// drains waits until so many records of a backlog are in Kafka.
func (c *Case) drains(records int64, why func() string) {
	c.Helper()
	delivered := func() int64 { return c.Server.Metrics().Sum("records_delivered_total") }
	before := delivered()
	for until := time.Now().Add(90 * time.Second); delivered() < before+records; {
		if time.Now().After(until) {
			c.Fatalf("%d records written in 90 s with over %d waiting; %s\n%s", delivered()-before, records, why(), c.Server.Output())
		}
		c.Pause(100 * time.Millisecond)
	}
}

// hiddenLimit: the topic's limit may not be read, and one record is over it. It is set aside
// alone, while the other shards are busy, and costs a few instances of the writer.
func hiddenLimit(c *Case) {
	const limit, instances = 100_000, 8
	c.Kafka.CreateTopic(topic, e2e.Shards, 1, map[string]string{"max.message.bytes": fmt.Sprint(limit)})
	c.Kafka.GrantBlind(topic)
	c.Serve()
	c.SendOn(func(o *bench.Options) {
		o.Odd = func(conn int, seq uint64) []byte {
			if conn != 0 || seq != 2_000 {
				return nil
			}
			return pad(conn, seq, 2*limit)
		}
	})
	c.Server.Await("it is set aside", func() bool {
		m := c.Server.Metrics()
		if n := m.Sum("producer_rebuilds_total"); n > instances {
			c.Fatalf("%d instances of the writer, and it is not set aside: %d\n%s", n, m.Sum("records_rejected_total"), c.Server.Output())
		}
		return m.Sum("records_rejected_total") > 0
	})
	r := c.Finished()
	c.Proved("set_aside", c.onlyOdd(r, "too_large", "refused_by_kafka"))
	c.Verify(r.Outcomes)
	if n := c.Server.Metrics().Sum("producer_rebuilds_total"); n > instances || r.Rejected != 1 {
		c.Fatalf("%d instances of the writer, %d records set aside", n, r.Rejected)
	}
	c.Healthy(r.Records, r.Rejected)
}
