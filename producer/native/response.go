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

// take takes the answers that have come; it tells whether there were any.
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

// settle does what an answer says.
func (c *Client) finishRequest(res *result) {
	req := res.request
	req.cancel()
	br := c.brokers[req.broker]
	if br.request == req {
		br.request = nil
	}
	if res.err == nil {
		c.takeResponse(br, res)
	} else {
		if !notSent(res.err) {
			br.size.lost(req.bytes, c.sizes, res.at)
			c.countLostAlone(req)
		}
		c.noteNoResponse(br, res.err)
	}
	for _, p := range req.partitions { // what got no answer
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

// lostAlone gives a batch up that never gets an answer by itself, so that the next instance makes
// smaller ones. A record alone is as small as it can be.
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

// answered takes what the broker says of each partition.
func (c *Client) takeResponse(br *brokerState, res *result) {
	req := res.request
	if br.toldSilent {
		br.toldSilent = false
		c.noteEvent(backend.Event{Level: levelNotice, Text: fmt.Sprintf("broker %d answers again", br.broker)})
	}
	br.size.answered(req, c.sizes, res.at, c.opts.SocketTimeout)
	c.requestTimes.add(res.at - req.sentAt)
	if res.response.Version >= throttledAtOnce {
		br.throttledUntil = res.at + min(max(time.Duration(res.response.ThrottleMillis)*time.Millisecond, 0), throttleMax)
	}
	for i := range res.response.Topics {
		for j := range res.response.Topics[i].Partitions {
			r := &res.response.Topics[i].Partitions[j]
			p := c.partitionOf[r.Partition]
			switch {
			case p == nil || p.batch == nil:
			case p.batch.request == req:
				c.finishPartition(p, r)
			case slices.Contains(p.batch.earlier, req) && classify(r.ErrorCode).kind == codeWritten:
				c.finishPartition(p, r) // whatever the request that has it now comes to
			}
		}
	}
}

// From this version of produce requests on a broker answers at once and wants to be left
// alone after that; before, it answers late (KIP-219).
const throttledAtOnce = 6

// throttleMax bounds how long a broker is left alone on its word. It does not read before its
// time is over in any case.
const throttleMax = time.Minute

// Levels of syslog.
const (
	levelError  = 3
	levelNotice = 5
	levelDebug  = 7
)

// tell says that a request got no answer: aloud once, until there is one.
func (c *Client) noteNoResponse(br *brokerState, err error) {
	level := levelDebug
	if !br.toldSilent {
		level = levelError
	}
	br.toldSilent = true
	text := fmt.Sprintf("broker %d, trying again: %v", br.broker, err)
	if br.size.failed > 0 {
		text += fmt.Sprintf("; requests to it have %d bytes at most now, but for a batch that is larger", br.size.limit)
	}
	c.noteEvent(backend.Event{Level: level, Text: text})
}

func (c *Client) finishPartition(p *partitionState, r *kmsg.ProduceResponseTopicPartition) {
	b, meaning := p.batch, classify(r.ErrorCode)
	switch meaning.kind {
	case codeWritten:
		b.stream.Acked += uint64(b.count)
		b.stream.Reports += uint64(b.count)
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
	c.retry(p, fmt.Sprintf("partition %d: %s", p.number, text))
}

var errNoPartition = errors.New("partition without answer")

// blame notes which records of a batch the broker marked.
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

// retry lets the batch of p wait for its next try.
func (c *Client) retry(p *partitionState, why string) {
	p.trouble = why
	c.requestTimes.retries++
	p.batch.request = nil
	p.backoff = min(max(2*p.backoff, c.opts.Backoff), c.opts.BackoffMax)
	p.retryAt = c.now() + p.backoff
	c.wantMetadata()
}

// fail is the end of a batch that will not be sent again, and of everything that is not
// under way yet: nothing may overtake it.
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

// failed notes n records that are given up; it tells whether they are the first of the line.
func (s *stream) noteFailed(first, n uint64, code int) bool {
	s.Reports += n
	if first >= s.Failed {
		return false
	}
	s.Failed, s.Err = first, code
	return true
}

// drop takes the batch of p out; its memory is used again where nobody else may read it.
func (c *Client) releaseBatch(p *partitionState) {
	b := p.batch
	p.batch = nil
	if !b.shared {
		c.pool.put(b.data)
	}
}

// look goes over to the newest view of the leaders. What waits for a partition's next try goes
// to its new leader at once; what is under way, see moved.
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

// notSent tells whether a request that ended so never reached a broker.
func notSent(err error) bool {
	var u *unsent
	return errors.As(err, &u)
}
