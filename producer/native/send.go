package native

import (
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Send sends what may go: to every broker that no request is under way to, one with a
// batch of each partition that it leads.
func (c *Client) Send() {
	c.look()
	id := c.id.Load()
	if id == nil || c.seen == nil {
		return
	}
	now := c.now()
	c.retryAt = 0
	left := false
	for _, p := range c.parts {
		if !c.mayGo(p, now) {
			continue
		}
		pe := c.peer(p, now)
		if pe == nil {
			continue
		}
		if !pe.fits(p, c.sizes) {
			left = true
			continue
		}
		if p.batch == nil { // not before: what finds no room goes on filling
			p.seal(*id, c.opts.Compressor)
		}
		pe.take(p)
		if len(pe.flight.parts) == 1 {
			c.ready = append(c.ready, pe.flight)
		}
	}
	if left {
		c.takeTurns()
	}
	for i, f := range c.ready {
		c.launch(f, now)
		c.ready[i] = nil
	}
	c.ready = c.ready[:0]
}

// takeTurns puts what goes now behind what found no room, so that this is first the next time,
// whichever broker that is.
func (c *Client) takeTurns() {
	rest := c.parts[:0]
	for _, p := range c.parts {
		if p.batch != nil && p.batch.flight != nil && !p.batch.flight.launched {
			c.last = append(c.last, p)
		} else {
			rest = append(rest, p)
		}
	}
	c.parts = append(rest, c.last...)
	clear(c.last)
	c.last = c.last[:0]
}

// mayGo tells whether there is something of p to send, leaders and brokers apart.
func (c *Client) mayGo(p *part, now time.Duration) bool {
	b := p.batch
	if b == nil {
		return !c.halted && p.pending() != nil
	}
	if b.flight != nil && c.moved(p, now) {
		b.maybe, b.shared = true, true
		b.earlier = append(b.earlier, b.flight)
		b.flight = nil
		p.retryAt = 0
	}
	return b.flight == nil && c.due(p.retryAt, now)
}

// moveAfter is how long a broker that leads a partition no more may take to answer for it. Most
// do at once, and whoever sends the batch to the next leader before that sends it twice.
const moveAfter = 5 * time.Second

// moved tells whether the batch of p, which is under way, is to be sent to another broker. By
// its sequence it is known there should it be in the log already.
func (c *Client) moved(p *part, now time.Duration) bool {
	f, leader := p.batch.flight, c.seen.leader(p.partition)
	return f.launched && leader >= 0 && leader != f.broker && c.due(f.begun+c.moveAfter, now)
}

// due tells whether it is time; if not, Poll will not sleep beyond it.
func (c *Client) due(at, now time.Duration) bool {
	if at > now && (c.retryAt == 0 || at < c.retryAt) {
		c.retryAt = at
	}
	return at <= now
}

// peer answers the broker that leads p, nil if it can get no request now.
func (c *Client) peer(p *part, now time.Duration) *peer {
	leader := c.seen.leader(p.partition)
	if leader < 0 {
		c.wantLook()
		return nil
	}
	pe := c.peers[leader]
	if pe == nil {
		pe = &peer{broker: leader}
		c.peers[leader] = pe
	}
	if pe.flight != nil && pe.flight.launched || !c.due(pe.notYet, now) {
		return nil
	}
	return pe
}

// fits tells whether the batch of p, or the one to come, goes into the request that is being made
// for a broker. A request takes at least one.
func (pe *peer) fits(p *part, z sizes) bool {
	if pe.flight == nil {
		return true
	}
	bytes := partBytes
	if p.batch != nil {
		bytes += p.batch.bytes
	} else {
		bytes += p.pending().open.size() // at most: compression comes later
	}
	fits := pe.flight.bytes+bytes <= pe.size.most(z)
	pe.flight.full = pe.flight.full || !fits
	return fits
}

// take puts the batch of p into the request that is being made for a broker.
func (pe *peer) take(p *part) {
	if pe.flight == nil {
		pe.flight = &flight{broker: pe.broker}
	}
	f := pe.flight
	f.bytes += p.batch.bytes + partBytes
	f.parts = append(f.parts, p)
	p.batch.flight = f
}

// pending answers the line whose records go next, nil if none has any.
func (p *part) pending() *line {
	for i := range p.lines {
		if l := p.lines[(p.turn+i)%len(p.lines)]; l.open.count > 0 {
			return l
		}
	}
	return nil
}

func (p *part) seal(id producerID, c kgo.Compressor) {
	l := p.pending()
	p.turn++
	b := &batch{line: l, first: l.first, count: l.open.count}
	b.data, b.bytes = l.open.seal(id, p.sequence, time.Now(), c)
	p.sequence = int32((uint32(p.sequence) + uint32(b.count)) & 0x7fffffff) // behind the largest comes 0
	p.batch, p.retryAt = b, 0
}

func (c *Client) launch(f *flight, now time.Duration) {
	f.launched, f.begun = true, now
	q := &request{topic: c.opts.Topic, id: c.seen.topic, timeout: c.opts.RequestTimeout, parts: make([]requestPart, len(f.parts))}
	for i, p := range f.parts {
		q.parts[i] = requestPart{p.partition, p.batch.data, p.batch.bytes}
	}
	f.cancel = c.wire.produce(f.broker, c.seen.brokers[f.broker], q, func(r *kmsg.ProduceResponse, err error) {
		c.mu.Lock()
		c.answers = append(c.answers, answer{f, r, err, c.now()})
		c.mu.Unlock()
		c.Wake()
	})
}
