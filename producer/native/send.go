package native

import (
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/ringtail/ringtail/producer/backend"
)

// Send makes requests of what may go, and sends them. A broker that has no request under way gets
// one with a batch of each partition that it leads.
func (c *Client) Send() {
	c.adoptMetadata()
	id := c.id.Load()
	if id == nil || c.metadata == nil || c.packings.Load() > 0 {
		return
	}
	now := c.now()
	c.retryAt = 0
	left := false
	for _, p := range c.partitions {
		if !c.canSend(p, now) {
			continue
		}
		br := c.brokerFor(p, now)
		if br == nil {
			continue
		}
		if !br.fits(p, c.sizes) {
			left = true
			continue
		}
		if p.batch == nil { // not earlier: a batch that finds no room in the request goes on filling
			c.seal(p, *id)
		}
		br.add(p)
		if len(br.request.partitions) == 1 {
			c.toSend = append(c.toSend, br.request)
		}
	}
	if left {
		c.takeTurns()
	}
	for i, req := range c.toSend {
		c.sendRequest(req, now)
		c.toSend[i] = nil
	}
	c.toSend = c.toSend[:0]
}

// takeTurns moves the partitions whose batches go now behind those that found no room. Those come
// first the next time.
func (c *Client) takeTurns() {
	rest := c.partitions[:0]
	for _, p := range c.partitions {
		if p.batch != nil && p.batch.request != nil && !p.batch.request.sent {
			c.turnsTaken = append(c.turnsTaken, p)
		} else {
			rest = append(rest, p)
		}
	}
	c.partitions = append(rest, c.turnsTaken...)
	clear(c.turnsTaken)
	c.turnsTaken = c.turnsTaken[:0]
}

// canSend reports whether p has something to send, whether or not its leader can take it now. It
// takes the batch from its request where the leader moved.
func (c *Client) canSend(p *partitionState, now time.Duration) bool {
	b := p.batch
	if b == nil {
		return !c.halted && p.nextStream() != nil
	}
	if b.request != nil && c.leaderMoved(p, now) {
		if b.beingRead() { // it may still read the batch, which whoever acks it frees
			b.request.cancel()
			return false
		}
		b.maybe = true
		b.earlier = append(b.earlier, b.request)
		b.request = nil
		p.retryAt = 0
	}
	return b.request == nil && c.due(p.retryAt, now)
}

// moveAfter is how long the client waits for a former leader's response before it sends the batch
// to the new one. Most respond at once. To send it earlier is to send it twice.
const moveAfter = 5 * time.Second

// leaderMoved reports whether the batch of p, which is under way, is to be sent to another broker.
// If it is in the log already, the new leader knows its sequence.
func (c *Client) leaderMoved(p *partitionState, now time.Duration) bool {
	req, leader := p.batch.request, c.metadata.leader(p.number)
	return req.sent && leader >= 0 && leader != req.broker && c.due(req.sentAt+c.moveAfter, now)
}

// due reports whether it is time. If not, Poll does not sleep for longer.
func (c *Client) due(at, now time.Duration) bool {
	if at > now && (c.retryAt == 0 || at < c.retryAt) {
		c.retryAt = at
	}
	return at <= now
}

// brokerFor returns the broker that leads p, nil if there is none or it can get no request now.
func (c *Client) brokerFor(p *partitionState, now time.Duration) *brokerState {
	leader := c.metadata.leader(p.number)
	if leader < 0 {
		p.tell(backend.NobodyLeads)
		c.wantMetadata()
		return nil
	}
	br := c.brokers[leader]
	if br == nil {
		br = &brokerState{broker: leader}
		c.brokers[leader] = br
	}
	if br.request != nil && br.request.sent || !c.due(br.throttledUntil, now) {
		return nil
	}
	return br
}

// fits reports whether the batch of p, or its open one, has room in the request that is being made
// for a broker. A request takes at least one batch.
func (br *brokerState) fits(p *partitionState, bounds sizeBounds) bool {
	if br.request == nil {
		return true
	}
	bytes := batchOverhead
	if p.batch != nil {
		bytes += p.batch.bytes
	} else {
		bytes += p.nextStream().size() // at most: it is not compressed yet
	}
	fits := br.request.bytes+bytes <= br.size.most(bounds)
	br.request.full = br.request.full || !fits
	return fits
}

// add puts the batch of p into the request that is being made for a broker.
func (br *brokerState) add(p *partitionState) {
	if br.request == nil {
		br.request = &inflightRequest{broker: br.broker}
	}
	req := br.request
	req.bytes += p.batch.bytes + batchOverhead
	req.partitions = append(req.partitions, p)
	p.batch.request = req
}

// nextStream returns the stream whose records go next, nil if none has any.
func (p *partitionState) nextStream() *stream {
	for i := range p.streams {
		if s := p.streams[(p.turn+i)%len(p.streams)]; s.waiting() > 0 {
			return s
		}
	}
	return nil
}

// seal makes what waits of the next stream the batch of p.
func (c *Client) seal(p *partitionState, id producerID) {
	s := p.nextStream()
	p.turn++
	b := &batch{stream: s, first: s.first, batchRecords: s.take(&c.pool)}
	b.handedAt = s.openedAt + s.waited/time.Duration(b.count)
	if c.opts.Compressor != nil && !b.borrowed && b.codec == 0 { // records that came one by one
		small, codec := compress(c.opts.Compressor, b.data, b.bytes)
		b.replace(small, codec, &c.pool)
	}
	b.seal(id, p.sequence, time.Now())
	p.sequence = int32((uint32(p.sequence) + uint32(b.count)) & 0x7fffffff) // after the largest comes 0
	p.batch, p.retryAt = b, 0
}

// sendRequest sends a request. Its result comes to takeResults.
func (c *Client) sendRequest(req *inflightRequest, now time.Duration) {
	req.sent, req.sentAt = true, now
	br := c.brokers[req.broker]
	c.seen(br).SetUnderWay(1, 0)
	q := &produceRequest{topic: c.opts.Topic, id: c.metadata.topic, timeout: c.opts.RequestTimeout, batches: make([]requestBatch, len(req.partitions))}
	req.carried = q
	for i, p := range req.partitions {
		q.batches[i] = requestBatch{p.number, p.batch.data, p.batch.bytes}
		p.batch.noteSent(br, now)
	}
	req.cancel = c.wire.produce(req.broker, c.metadata.brokers[req.broker], q, func(r *kmsg.ProduceResponse, err error) {
		c.mu.Lock()
		c.results = append(c.results, result{req, r, err, c.now()})
		c.mu.Unlock()
		c.Wake()
	})
}
