package native

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/ringtail/ringtail/producer/backend"
)

// takeResults takes the results that have come, and reports whether there were any.
func (c *Client) takeResults() bool {
	c.mu.Lock()
	c.results, c.taken = c.taken[:0], c.results
	c.mu.Unlock()
	for i := range c.taken {
		c.finishRequest(&c.taken[i])
		c.taken[i] = result{}
	}
	return len(c.taken) > 0
}

// finishRequest takes the result of a request.
func (c *Client) finishRequest(res *result) {
	req := res.request
	req.cancel()
	br := c.brokers[req.broker]
	if br.request == req {
		br.request = nil
		c.seen(br).SetUnderWay(0, 0)
	}
	if res.err == nil {
		c.takeResponse(br, res)
	} else {
		if !notSent(res.err) {
			br.size.lost(req.bytes, c.sizes, res.at)
			c.countLostAlone(req)
		}
		c.noteNoResponse(br, res.err)
		c.tellNoResponse(br, req, res.err)
	}
	for _, p := range req.partitions { // those whose batch it still carries got no response
		b := p.batch
		if b == nil {
			continue
		}
		b.earlier = slices.DeleteFunc(b.earlier, func(e *inflightRequest) bool { return e == req })
		if b.request == req {
			b.maybe = b.maybe || !notSent(res.err)
			c.retry(p, fmt.Sprintf("broker %d: %v", req.broker, cmp.Or(res.err, errNoPartition)))
		}
	}
}

// countLostAlone counts a request without response that carried a single batch. After lostAloneMax
// of them it gives the batch up, and the engine's next client makes smaller ones. A batch of one
// record cannot get smaller.
func (c *Client) countLostAlone(req *inflightRequest) {
	for _, p := range req.partitions {
		b := p.batch
		switch {
		case b == nil || b.request != req:
		case len(req.partitions) > 1 || b.count == 1 || b.bytes < c.sizes.least:
			b.lostAlone = 0
		default:
			if b.lostAlone++; b.lostAlone >= lostAloneMax {
				b.maybe = true
				c.giveUp(p, backend.ErrTimedOut)
			}
		}
	}
}

// takeResponse takes what a response says of each partition.
func (c *Client) takeResponse(br *brokerState, res *result) {
	req := res.request
	if br.toldSilent {
		br.toldSilent = false
		c.noteEvent(backend.Event{Level: levelNotice, Text: fmt.Sprintf("broker %d answers again", br.broker)})
	}
	br.size.responded(req, c.sizes, res.at, c.opts.SocketTimeout)
	seen, throttle := c.seen(br), min(max(time.Duration(res.response.ThrottleMillis)*time.Millisecond, 0), throttleMax)
	seen.Up()
	seen.Requests.Add(res.at - req.sentAt)
	seen.AddThrottled(throttle)
	if res.response.Version >= throttledAtOnce {
		br.throttledFrom, br.throttledUntil = res.at, res.at+throttle
	}
	for i := range res.response.Topics {
		for j := range res.response.Topics[i].Partitions {
			r := &res.response.Topics[i].Partitions[j]
			p := c.partitionOf[r.Partition]
			switch {
			case p == nil || p.batch == nil:
			case p.batch.request == req:
				c.finishPartition(p, r, res.at)
			case slices.Contains(p.batch.earlier, req) && classify(r.ErrorCode).kind == codeWritten && !p.batch.beingRead():
				c.finishPartition(p, r, res.at) // whatever becomes of the request that carries it now
			}
		}
	}
}

// throttledAtOnce is the first version of produce requests where a broker that throttles responds
// at once, and wants to be left alone after that. Before, it responds late (KIP-219).
const throttledAtOnce = 6

// throttleMax is how long a broker is left alone at most, whatever it asks for. It does not read
// before its time is over in any case.
const throttleMax = time.Minute

// finishPartition does what the response, which came at that time, says of the batch of p.
func (c *Client) finishPartition(p *partitionState, r *kmsg.ProduceResponseTopicPartition, at time.Duration) {
	b, meaning := p.batch, classify(r.ErrorCode)
	switch meaning.kind {
	case codeWritten:
		b.stream.Acked += uint64(b.count)
		b.stream.Reports += uint64(b.count)
		b.addTimes(at)
		c.releaseBatch(p)
		p.backoff, p.trouble = 0, ""
		return
	case codeUnknown:
		b.maybe = true
	case codeDoubtful:
		b.maybe = true
		if b.tries++; b.tries >= triesMax {
			c.giveUp(p, int(r.ErrorCode))
			return
		}
	case codeLost:
		b.maybe = true
		c.giveUp(p, int(r.ErrorCode))
		return
	case codeRefused:
		c.noteMarks(b, r)
		c.giveUp(p, int(r.ErrorCode))
		return
	}
	text := fmt.Sprintf("%v (%s)", kerr.ErrorForCode(r.ErrorCode), meaning.why)
	if p.backoff == 0 {
		c.noteEvent(backend.Event{Level: levelNotice, Text: fmt.Sprintf("partition %d, trying again: %s", p.number, text)})
	}
	p.tell(backend.CodeName(int(r.ErrorCode)))
	c.retry(p, fmt.Sprintf("partition %d: %s", p.number, text))
}

var errNoPartition = errors.New("partition without answer")

// noteMarks notes which records of a refused batch the broker marked as invalid.
func (c *Client) noteMarks(b *batch, r *kmsg.ProduceResponseTopicPartition) {
	if int(r.ErrorCode) != backend.ErrInvalidRecord {
		return
	}
	s := b.stream
	for _, e := range r.ErrorRecords {
		if e.RelativeOffset >= 0 && int(e.RelativeOffset) < b.count && len(s.Invalid) < backend.InvalidMax {
			s.Invalid = append(s.Invalid, b.first+uint64(e.RelativeOffset))
		}
	}
	s.Invalids = len(r.ErrorRecords)
	if s.Invalids > 0 {
		s.Different = b.count - s.Invalids
	} else if s.Invalids = b.count; b.count == 1 {
		s.Invalid = append(s.Invalid, b.first)
	}
}

// retry makes the batch of p wait for its next try.
func (c *Client) retry(p *partitionState, why string) {
	p.trouble = why
	c.retries++
	p.batch.request = nil
	p.backoff = min(max(2*p.backoff, c.opts.Backoff), c.opts.BackoffMax)
	p.retryAt = c.now() + p.backoff
	c.wantMetadata()
}

// giveUp reports the batch of p as failed. The client seals nothing more, since it would overtake
// the batch.
func (c *Client) giveUp(p *partitionState, code int) {
	b := p.batch
	if b.stream.noteFailed(b.first, uint64(b.count), code) {
		b.stream.Alone = b.count == 1
	}
	if b.maybe {
		b.stream.Maybe += uint64(b.count)
	}
	c.releaseBatch(p)
	c.halted = true
}

// noteFailed reports n records as failed. It returns whether they are the lowest of the stream so
// far.
func (s *stream) noteFailed(first, n uint64, code int) bool {
	s.Reports += n
	if first >= s.Failed {
		return false
	}
	s.Failed, s.Err = first, code
	return true
}

// releaseBatch takes the batch from p. Its memory is used again, unless a request may still read
// it: one that Purge gave up.
func (c *Client) releaseBatch(p *partitionState) {
	if !p.batch.beingRead() {
		p.batch.release(&c.pool)
	}
	p.batch = nil
}

// beingRead reports whether a request may still read the batch.
func (b *batch) beingRead() bool {
	return b.request != nil && b.request.sent && !b.request.carried.written.Load()
}

// adoptMetadata begins to use the newest metadata, and reports whether it is new. A batch that
// waits for its next try goes to a new leader at once. For one that is under way, see leaderMoved.
func (c *Client) adoptMetadata() bool {
	md := c.newestMetadata.Load()
	if md == c.metadata {
		return false
	}
	for _, p := range c.partitions {
		if l := md.leader(p.number); l >= 0 && l != c.metadata.leader(p.number) && p.batch != nil && p.batch.request == nil {
			p.retryAt = 0
		}
	}
	c.metadata = md
	maps.DeleteFunc(c.brokers, func(id int32, br *brokerState) bool { return br.request == nil && md.brokers[id] == "" })
	return true
}

// notSent reports whether a request that ended with err was never sent.
func notSent(err error) bool {
	var u *unsent
	return errors.As(err, &u)
}
