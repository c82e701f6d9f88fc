package soak

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
)

// Verdict is what the checker has found so far.
type Verdict struct {
	Read    int64 // records in the topic
	First   int64 // first copies among them
	Resent  int64 // copies that a client sent again
	Doubled int64 // copies that the server made

	// Each of these is a broken promise.
	Missing   int64 // passed over, or not there at the end
	FalseAcks int64 // called done, and not there
	Reordered int64 // first copies behind a later record of their connection and digit
	Misrouted int64 // in another partition than their digit's
	Changed   int64 // other bytes than were sent, or never sent

	Examples []string // the first few findings, for a person
}

// Err is nil if no promise is broken. Copies are the caller's to judge: they
// know how many there may be.
func (v *Verdict) Err() error {
	if v.Missing|v.FalseAcks|v.Reordered|v.Misrouted|v.Changed == 0 {
		return nil
	}
	return fmt.Errorf("soak: %s", v)
}

func (v *Verdict) String() string {
	return fmt.Sprintf("%d read: %d missing, %d falsely acked, %d reordered, %d misrouted, %d changed; %d doubled, %d resent (%s)",
		v.Read, v.Missing, v.FalseAcks, v.Reordered, v.Misrouted, v.Changed, v.Doubled, v.Resent, strings.Join(v.Examples, "; "))
}

// Sender says what a connection's client has done: no record later than begun
// and no try above this one can be in Kafka.
type Sender func(conn int) (begun uint64, try uint32)

// Bounds of what the checker keeps of a connection.
const (
	triesMax    = 64     // copies of older tries cannot be judged, and are a breach
	gapsMax     = 10_000 // passed over records that may come yet
	maxExamples = 8
)

// Checker compares a topic with what a fleet sends, while it sends. Any number
// of goroutines may use it.
type Checker struct {
	maker  *Maker
	shards int
	sent   Sender

	mu    sync.Mutex
	conns []progress
	v     Verdict
	again []byte // the record as it must be
}

// progress of one connection.
type progress struct {
	next  []uint64            // by shard: all below have come, or are in gaps
	gaps  map[uint64]struct{} // passed over
	told  map[uint64]struct{} // those of the gaps that are counted as falsely acked
	tries [triesMax]try       // by number modulo triesMax
}

type try struct {
	number uint32
	last   []uint64 // by shard: the latest record that has come from it
}

// NewChecker checks so many connections' records in a topic with a partition a
// shard.
func NewChecker(maker *Maker, conns, shards int, sent Sender) *Checker {
	c := &Checker{maker: maker, shards: shards, sent: sent, conns: make([]progress, conns)}
	for i := range c.conns {
		p := &c.conns[i]
		p.next, p.gaps, p.told = make([]uint64, shards), map[uint64]struct{}{}, map[uint64]struct{}{}
		for shard := range p.next {
			p.next[shard] = 1
		}
		for t := range p.tries {
			p.tries[t].last = make([]uint64, shards)
		}
	}
	return c
}

// Add takes note of the topic's next record of a partition.
func (c *Checker) Add(partition int, value []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.v.Read++
	id, ok := c.maker.Identify(value)
	if !ok || id.Conn >= len(c.conns) {
		c.find(&c.v.Changed, "a record that nobody made: %.200q", value)
		return
	}
	c.again = c.maker.Append(c.again[:0], id)
	if !bytes.Equal(value, c.again) {
		c.find(&c.v.Changed, "%v has other bytes", id)
		return
	}
	if begun, newest := c.sent(id.Conn); id.Seq == 0 || id.Seq > begun || id.Try == 0 || id.Try > newest {
		c.find(&c.v.Changed, "%v was never sent", id)
		return
	}
	shard := c.maker.Shard(id.Conn, id.Seq, c.shards)
	if shard != partition {
		c.find(&c.v.Misrouted, "%v is in partition %d, not %d", id, partition, shard)
		return
	}
	c.place(&c.conns[id.Conn], id, shard)
}

// place says what the record is: a first copy, a copy, or one too late.
func (c *Checker) place(p *progress, id ID, shard int) {
	again, ok := p.comes(id, shard)
	if !ok {
		c.find(&c.v.Changed, "%v comes when its client had made %d connections more", id, triesMax)
		return
	}
	_, gap := p.gaps[id.Seq]
	switch {
	case id.Seq >= p.next[shard]:
		c.passOver(p, id, shard)
		p.next[shard] = id.Seq + 1
		c.v.First++
	case gap:
		delete(p.gaps, id.Seq)
		c.v.First++
		c.v.Missing--
		c.find(&c.v.Reordered, "%v is behind a later one of its shard %d", id, shard)
	case again:
		c.v.Doubled++
	default:
		c.v.Resent++
	}
}

// comes moves the try's last record on. Again tells whether this one, or one
// behind it, had come from this try already; ok is false if that is forgotten.
func (p *progress) comes(id ID, shard int) (again, ok bool) {
	t := &p.tries[id.Try%triesMax]
	switch {
	case id.Try < t.number:
		return false, false
	case id.Try > t.number:
		t.number = id.Try
		clear(t.last)
	}
	again = id.Seq <= t.last[shard]
	t.last[shard] = max(t.last[shard], id.Seq)
	return again, true
}

// passOver notes the shard's records before this one that have not come.
func (c *Checker) passOver(p *progress, id ID, shard int) {
	for seq := p.next[shard]; seq < id.Seq; seq++ {
		if c.maker.Shard(id.Conn, seq, c.shards) != shard {
			continue
		}
		c.find(&c.v.Missing, "record %d of connection %d, shard %d, is passed over by %v", seq, id.Conn, shard, id)
		if len(p.gaps) < gapsMax {
			p.gaps[seq] = struct{}{}
		}
	}
}

// Audit fails what was acked and has not come. Whoever calls it knows that the
// reader has passed the place where it must be.
func (c *Checker) Audit(conn int, acked uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := &c.conns[conn]
	for seq := range p.gaps {
		if seq <= acked {
			c.accuse(p, conn, seq, acked)
		}
	}
	for shard, next := range p.next {
		for seq := next; seq <= acked; seq++ {
			if c.maker.Shard(conn, seq, c.shards) == shard {
				c.accuse(p, conn, seq, acked)
			}
		}
	}
}

// accuse counts each record once.
func (c *Checker) accuse(p *progress, conn int, seq, acked uint64) {
	if _, told := p.told[seq]; told || len(p.told) >= gapsMax {
		return
	}
	p.told[seq] = struct{}{}
	c.find(&c.v.FalseAcks, "record %d of connection %d is not there, and %d were acked", seq, conn, acked)
}

// Complete is the verdict when all is over: whatever of a connection's records
// up to `sent` has not come is missing.
func (c *Checker) Complete(conn int, sent uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := &c.conns[conn]
	for shard := range p.next {
		c.passOver(p, ID{Conn: conn, Seq: sent + 1}, shard)
		p.next[shard] = max(p.next[shard], sent+1)
	}
}

// Verdict so far.
func (c *Checker) Verdict() Verdict {
	c.mu.Lock()
	defer c.mu.Unlock()
	v := c.v
	v.Examples = append([]string(nil), c.v.Examples...)
	return v
}

func (c *Checker) find(count *int64, format string, args ...any) {
	*count++
	if len(c.v.Examples) < maxExamples {
		c.v.Examples = append(c.v.Examples, fmt.Sprintf(format, args...))
	}
}

func (id ID) String() string {
	return fmt.Sprintf("record %d of connection %d, try %d,", id.Seq, id.Conn, id.Try)
}
