package faults

import (
	"bytes"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringtail/ringtail/bench"
	"github.com/ringtail/ringtail/internal/e2e"
)

// harm is what a bad server could do to record 500 of connection 1.
type harm struct {
	name string
	do   func(p *bench.Pool, records []*kgo.Record, at, next int) []*kgo.Record
	want func(v bench.Verdict) int64
}

var harms = []harm{
	{"dropped", func(_ *bench.Pool, r []*kgo.Record, at, _ int) []*kgo.Record {
		return append(r[:at:at], r[at+1:]...)
	}, func(v bench.Verdict) int64 { return min(v.Missing, v.AckedMissing) }},
	{"doubled", func(_ *bench.Pool, r []*kgo.Record, at, _ int) []*kgo.Record {
		again := *r[at]
		return append(r, &again)
	}, func(v bench.Verdict) int64 { return v.Duplicates }},
	{"swapped", func(_ *bench.Pool, r []*kgo.Record, at, next int) []*kgo.Record {
		r[at], r[next] = r[next], r[at]
		return r
	}, func(v bench.Verdict) int64 { return v.Reordered }},
	{"changed", func(_ *bench.Pool, r []*kgo.Record, at, _ int) []*kgo.Record {
		r[at].Value = bytes.Replace(r[at].Value, []byte(`"number"`), []byte(`"Number"`), 1)
		return r
	}, func(v bench.Verdict) int64 { return v.Changed }},
	{"misrouted", func(_ *bench.Pool, r []*kgo.Record, at, _ int) []*kgo.Record {
		r[at].Partition = (r[at].Partition + 1) % e2e.Shards
		return r
	}, func(v bench.Verdict) int64 { return v.Misrouted }},
}

// control is the row of negative controls: a topic written by franz-go with
// one record harmed, read back by the same checker that every other row uses.
func control(c *Case) {
	whole := c.written(topic+"-whole", uint32(c.Rand.Uint64())|1, nil)
	if err := whole.Err(); err != nil { // it is the harm that the checker is to see
		c.Fatalf("nothing was harmed, and the checker says: %v", err)
	}
	for i, h := range harms {
		name := topic + "-" + h.name
		v := c.written(name, uint32(c.Rand.Uint64())|1, &harms[i])
		if v.Err() == nil || h.want(v) != 1 {
			c.Fatalf("one record %s, and the checker says: %s", h.name, v.String())
		}
		c.Proved(h.name, h.want(v))
	}
}

// written makes a topic of 3 connections' 1,000 records each, harmed or not,
// and returns the checker's verdict.
func (c *Case) written(name string, run uint32, h *harm) bench.Verdict {
	c.Helper()
	c.Kafka.CreateTopic(name, e2e.Shards, 1, nil)
	pool := bench.NewPool(run, 220, -1)
	var records []*kgo.Record
	var sent []bench.Outcome
	const conns, each, victim = 3, 1000, 500
	for conn := range conns {
		for seq := uint64(1); seq <= each; seq++ {
			records = append(records, &kgo.Record{
				Topic: name, Partition: int32(pool.Shard(conn, seq, e2e.Shards)), Value: pool.Append(nil, conn, seq),
			})
		}
		sent = append(sent, bench.Outcome{Conn: conn, Sent: each, Acked: each})
	}
	if h != nil {
		at := each + victim - 1
		next := at + 1
		for records[next].Partition != records[at].Partition {
			next++
		}
		records = h.do(pool, records, at, next)
	}
	client := c.Kafka.Client(c, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	c.must(client.ProduceSync(c.ctx, records...).FirstErr())
	back := bench.Readback{Options: c.Kafka.ClientOptions(), Topic: name, Patience: 1}
	v, err := back.Check(c.ctx, bench.NewChecker(pool, e2e.Shards, nil), sent)
	c.must(err)
	return v
}
