package faults

import (
	"slices"
	"time"

	"github.com/ringtail/ringtail/bench"
	"github.com/ringtail/ringtail/internal/e2e"
)

// oneDigitStuck: one digit's only replica is on a frozen broker that
// leads nothing else. Its ring fills and its connections wait; connections
// without that digit keep their rate.
func oneDigitStuck(c *Case) {
	stuck, frozen := c.Rand.IntN(e2e.Shards), c.Rand.IntN(3)+1
	leaders := make([]int, e2e.Shards)
	for partition := range leaders {
		leaders[partition] = (frozen+partition%2)%3 + 1 // the two others
	}
	leaders[stuck] = frozen
	c.Kafka.CreateTopicOn(topic, leaders)
	c.Serve("--max-record-bytes", "50000", "--ring-bytes", "1MiB")

	const perDigit = 1000 // records a second
	var free []*bench.Load
	var all []*bench.Load
	for digit := range e2e.Shards {
		l := c.digitLoad(digit, perDigit)
		all = append(all, l)
		if digit != stuck {
			free = append(free, l)
		}
	}
	acked := func() (n int64) {
		for _, l := range free {
			n += l.Acked()
		}
		return n
	}
	c.Server.Await("all digits flow", func() bool {
		return !slices.ContainsFunc(all, func(l *bench.Load) bool { return l.Acked() < perDigit })
	})
	c.Kafka.Freeze(frozen)
	c.Server.Await("the stuck digit's clients are held back", func() bool {
		return c.Server.Metrics().Sum("backpressure_seconds_total") > 0
	})
	before, begun := acked(), time.Now()
	c.Pause(15 * time.Second)
	share := float64(acked()-before) / (time.Since(begun).Seconds() * perDigit * float64(len(free)))
	stuckAcked := all[stuck].Acked()
	c.Pause(time.Second)
	if all[stuck].Acked() != stuckAcked {
		c.Fatalf("the stuck digit is not stuck")
	}
	c.Kafka.Continue(frozen)
	if share < 0.9 {
		c.Fatalf("the other digits kept %.0f%% of their rate", share*100)
	}
	c.Proved("others_percent", int64(share*100))
	total := int64(0)
	for _, l := range all {
		l.Finish()
		r := l.Wait()
		if err := r.Err(); err != nil {
			c.Fatalf("%v\n%s", err, c.Server.Output())
		}
		c.Load = l
		c.Verify(r.Outcomes)
		total += r.Records
	}
	c.report.Records = total
	c.Healthy(total, 0)
}

func (c *Case) digitLoad(digit int, rate float64) *bench.Load {
	c.Helper()
	o := bench.Defaults()
	o.Target, o.Ack, o.Digit, o.Rate, o.Connections, o.Records = c.Server.Target, true, digit, rate, 1, 10_000_000
	return c.start(o)
}
