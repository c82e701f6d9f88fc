package faults

import (
	"time"

	"github.com/ringtail/ringtail/bench"
)

// upgraded: a rolling upgrade as Kafka's documentation has it, under load: each broker
// starts again as the new version, among others of the old one; then the features are taken up.
func upgraded(to string) func(*Case) {
	return func(c *Case) {
		c.report.Kafka += "→" + to
		c.Begin()
		c.SendOn(func(o *bench.Options) { o.Rate = 5_000 }) // brokers that start need the processors
		c.Kafka.Upgrade(to)
		moved := int64(0)
		for _, i := range c.Rand.Perm(3) {
			c.Flows(20_000)
			moved += c.led(i + 1)
			c.Kafka.Stop(i + 1)
			c.Pause(c.Between(0, 2*time.Second))
			c.Kafka.Restart(i + 1)
			if version := c.Kafka.Version(i + 1); version != to {
				c.Fatalf("broker %d is %s after the upgrade to %s", i+1, version, to)
			}
		}
		c.Flows(20_000)
		from, level := c.Kafka.TakeUpFeatures()
		c.Standard()
		c.Proved("partitions_moved", moved)
		c.Proved("metadata_levels", int64(level-from))
	}
}
