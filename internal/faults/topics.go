package faults

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/ringtail/ringtail/bench"
	"github.com/ringtail/ringtail/internal/e2e"
)

// absentAtStart: every way for Kafka not to be there, and the reason
// that the server gives.
func absentAtStart(c *Case) {
	refused := int64(0)
	refuse := func(code int, says string, args ...string) {
		c.Helper()
		exit := e2e.Start(c, c.serveArgs(args...)...).Wait()
		if exit.Code != code || !strings.Contains(exit.Output, says) {
			c.Fatalf("exit code %d, want %d; it must say %s:\n%s", exit.Code, code, says, exit.Output)
		}
		refused++
	}
	refuse(2, topic)
	c.Kafka.CreateTopic(topic, 3, 1, nil)
	refuse(2, "--fold-partitions")
	c.Kafka.DeleteTopic(topic)
	c.Kafka.CreateTopic(topic, e2e.Shards, 1, nil)
	c.Kafka.Kill(1)
	refuse(1, "--start-timeout", "--start-timeout", "2s")

	c.Server = e2e.Start(c, c.serveArgs()...)
	c.Server.Await("it answers that it is not ready", func() bool {
		status, _ := c.Server.Get("/readyz")
		return status == 503
	})
	c.Kafka.Restart(1)
	c.Server.Await("it is ready", c.Server.Ready)
	c.before = weigh(c, c.Server)
	c.Send(100_000, 0)
	c.Standard()
	c.Proved("starts_refused", refused)
}

// topicDeleted: what was delivered before is gone with the topic, which
// is what deleting means. Until it is back nothing is acked; then everything
// else is in the new one: what was delivered before and what is there now add
// up to what was sent. (One by one this cannot be said of the records that were
// under way: an ack names the first of a connection, and later ones of other
// digits may have been in the old topic already.)
func topicDeleted(late bool) func(*Case) {
	return func(c *Case) {
		c.Begin()
		c.SendOn()
		c.Until(100_000 + c.Rand.Int64N(200_000))
		c.Kafka.DeleteTopic(topic)
		c.Quiet(3 * time.Second)
		before, acked := c.Load.Outcomes(), c.Load.Acked()
		delivered := c.Server.Metrics().Sum("records_delivered_total")
		away := c.Between(2*time.Second, 6*time.Second)
		if late {
			away = c.Between(35*time.Second, 50*time.Second)
		}
		c.Pause(away)
		if now := c.Load.Acked(); now != acked {
			c.Fatalf("%d records acked into a topic that is not there", now-acked)
		}
		if late && c.Server.Ready() {
			c.Fatalf("it calls itself ready without a topic:\n%s", c.Server.Output())
		}
		c.Kafka.CreateTopic(topic, e2e.Shards, 1, nil)
		r := c.Finished()
		for i := range r.Outcomes {
			r.Outcomes[i].Gone = before[i].Sent
		}
		v := c.Verify(r.Outcomes)
		if v.Read+delivered != r.Records {
			c.Fatalf("%d records sent, %d delivered before the topic went, %d in the new one", r.Records, delivered, v.Read)
		}
		c.Healthy(r.Records, r.Rejected)
		c.Proved("delivered_before", delivered)
		c.Proved("in_new_topic", v.Read)
	}
}

// pad is a record of so many bytes that no checker takes for its own.
func pad(conn int, seq uint64, size int) []byte {
	head := fmt.Appendf(nil, `{"number":%d,"odd":%d,"pad":"`, seq, conn)
	return append(append(head, bytes.Repeat([]byte("x"), size-len(head)-2)...), `"}`...)
}

// every returns an Odd that replaces one record of n by a padded one.
func every(n uint64, size int) func(*bench.Options) {
	return func(o *bench.Options) {
		o.Odd = func(conn int, seq uint64) []byte {
			if (seq+uint64(conn)*31)%n != 0 {
				return nil
			}
			return pad(conn, seq, size)
		}
	}
}

// oversize: the topic takes less than --max-record-bytes: what it would
// refuse never reaches librdkafka, where one such record would cost everybody
// a restart.
func oversize(c *Case) {
	const limit = 20_000
	c.Kafka.CreateTopic(topic, e2e.Shards, 1, map[string]string{"max.message.bytes": fmt.Sprint(limit)})
	c.Serve()
	c.Send(1_000_000, 0, every(997, limit+c.Rand.IntN(2*limit)))
	r := c.Finished()
	odd := c.onlyOdd(r, "too_large")
	c.Verify(r.Outcomes)
	m := c.Server.Metrics()
	if rebuilds := m.Sum("producer_rebuilds_total"); rebuilds != 0 {
		c.Fatalf("librdkafka was started anew %d times", rebuilds)
	}
	if counted := m.With("records_rejected_total", "reason", "too_large"); counted != odd {
		c.Fatalf("%d counted as too large, %d sent", counted, odd)
	}
	c.Healthy(r.Records, r.Rejected)
	c.Proved("set_aside", odd)
}

// onlyOdd fails unless just the odd records were rejected, all of them, for
// one of these reasons. It returns how many.
func (c *Case) onlyOdd(r *bench.Result, reasons ...string) (n int64) {
	c.Helper()
	for _, o := range r.Outcomes {
		for _, rejection := range o.Rejected {
			if !c.Load.Odd(o.Conn, rejection.Seq) {
				c.Fatalf("record %d of connection %d is small and was rejected: %s", rejection.Seq, o.Conn, rejection.Reason)
			}
			if !strings.Contains(strings.Join(reasons, " "), rejection.Reason) {
				c.Fatalf("record %d of connection %d was rejected as %s", rejection.Seq, o.Conn, rejection.Reason)
			}
		}
		for seq := uint64(1); seq <= o.Sent; seq++ {
			if c.Load.Odd(o.Conn, seq) {
				n++
			}
		}
	}
	if r.Rejected != n && len(reasons) == 1 {
		c.Fatalf("%d rejected, %d of those sent are over the limit", r.Rejected, n)
	}
	return n
}

// limitLowered: records that the topic took a moment ago
// are refused by the broker, whole batches at a time: librdkafka has to be
// started anew, and only the large ones may be set aside.
func limitLowered(c *Case) {
	c.Begin()
	c.SendOn(every(4999, 30_000))
	c.Until(100_000 + c.Rand.Int64N(100_000))
	c.Kafka.AlterTopic(topic, "max.message.bytes", "20000")
	c.Server.Await("large records are set aside", func() bool { return c.Server.Metrics().Sum("records_rejected_total") > 0 })
	r := c.Finished()
	odd := c.onlyOdd(r, "too_large", "refused_by_kafka")
	v := c.Verify(r.Outcomes)
	if v.Foreign+r.Rejected != odd {
		c.Fatalf("%d large records sent: %d in the topic, %d rejected", odd, v.Foreign, r.Rejected)
	}
	c.Proved("set_aside", r.Rejected)
	c.Healthy(r.Records, r.Rejected) // reports the rebuilds: none if the topic's watcher saw the limit first
}

// writeRevoked: nobody's record is to blame for a missing permission.
func writeRevoked(c *Case) {
	c.Kafka.CreateTopic(topic, e2e.Shards, 1, nil)
	c.Kafka.Grant(topic)
	c.Serve()
	c.SendOn()
	c.Until(100_000 + c.Rand.Int64N(100_000))
	c.Kafka.RevokeWrite(topic)
	c.Server.Await("it says that it is not ready", func() bool { return !c.Server.Ready() })
	c.NoAcks("without permission to write", c.Between(2*time.Second, 8*time.Second))
	c.Kafka.Grant(topic)
	c.Proved("rebuilds", c.Server.Metrics().Sum("producer_rebuilds_total"))
	c.Standard()
	if c.report.Stall < 2*time.Second {
		c.Fatalf("acks never stopped")
	}
}

// compacted: a compacted topic takes no record without a key: the
// server does not call itself ready until that is put right.
func compacted(c *Case) {
	c.Kafka.CreateTopic(topic, e2e.Shards, 1, map[string]string{"cleanup.policy": "compact"})
	c.Server = e2e.Start(c, c.serveArgs()...)
	c.Server.Await("it says why it is not ready", func() bool {
		status, body := c.Server.Get("/readyz")
		return status == 503 && strings.Contains(body, "--key-field")
	})
	c.Kafka.AlterTopic(topic, "cleanup.policy", "delete")
	c.Server.Await("it is ready", c.Server.Ready)
	c.before = weigh(c, c.Server)
	c.Send(100_000, 0)
	c.Standard()
	c.Proved("not_ready", 1)
}
