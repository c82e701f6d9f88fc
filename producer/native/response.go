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
func (c *Client) take() bool {
	c.mu.Lock()
	c.answers, c.spare = c.spare[:0], c.answers
	c.mu.Unlock()
	for i := range c.spare {
		c.settle(&c.spare[i])
		c.spare[i] = answer{}
	}
	return len(c.spare) > 0
}

// settle does what an answer says.
func (c *Client) settle(a *answer) {
	f := a.flight
	f.cancel()
	pe := c.peers[f.broker]
	if pe.flight == f {
		pe.flight = nil
	}
	if a.err == nil {
		c.answered(pe, a)
	} else {
		if !notSent(a.err) {
			pe.size.lost(f.bytes, c.sizes, a.at)
			c.lostAlone(f)
		}
		c.tell(pe, a.err)
	}
	for _, p := range f.parts { // what got no answer
		b := p.batch
		if b == nil {
			continue
		}
		b.earlier = slices.DeleteFunc(b.earlier, func(e *flight) bool { return e == f })
		if b.flight == f {
			b.maybe = b.maybe || !notSent(a.err)
			c.retry(p, fmt.Sprintf("broker %d: %v", f.broker, cmp.Or(a.err, errUnanswered)))
		}
	}
}

// lostAlone gives a batch up that never gets an answer by itself, so that the next instance makes
// smaller ones. A record alone is as small as it can be.
func (c *Client) lostAlone(f *flight) {
	for _, p := range f.parts {
		b := p.batch
		switch {
		case b == nil || b.flight != f:
		case len(f.parts) > 1 || b.count == 1 || b.bytes < c.sizes.least:
			b.alone = 0
		default:
			if b.alone++; b.alone >= aloneMax {
				b.maybe = true
				c.fail(p, backend.ErrTimedOut)
			}
		}
	}
}

// answered takes what the broker says of each partition.
func (c *Client) answered(pe *peer, a *answer) {
	f := a.flight
	if pe.told {
		pe.told = false
		c.note(backend.Event{Level: levelNotice, Text: fmt.Sprintf("broker %d answers again", pe.broker)})
	}
	pe.size.answered(f, c.sizes, a.at, c.opts.SocketTimeout)
	c.measure.add(a.at - f.begun)
	if a.response.Version >= throttledAtOnce {
		pe.notYet = a.at + min(max(time.Duration(a.response.ThrottleMillis)*time.Millisecond, 0), throttleMax)
	}
	for i := range a.response.Topics {
		for j := range a.response.Topics[i].Partitions {
			r := &a.response.Topics[i].Partitions[j]
			p := c.partOf[r.Partition]
			switch {
			case p == nil || p.batch == nil:
			case p.batch.flight == f:
				c.settlePart(p, r)
			case slices.Contains(p.batch.earlier, f) && judge(r.ErrorCode).verdict == written:
				c.settlePart(p, r) // whatever the request that has it now comes to
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
func (c *Client) tell(pe *peer, err error) {
	level := levelDebug
	if !pe.told {
		level = levelError
	}
	pe.told = true
	text := fmt.Sprintf("broker %d, trying again: %v", pe.broker, err)
	if pe.size.failed > 0 {
		text += fmt.Sprintf("; requests to it have %d bytes at most now, but for a batch that is larger", pe.size.limit)
	}
	c.note(backend.Event{Level: level, Text: text})
}

func (c *Client) settlePart(p *part, r *kmsg.ProduceResponseTopicPartition) {
	b, say := p.batch, judge(r.ErrorCode)
	switch say.verdict {
	case written:
		b.line.Acked += uint64(b.count)
		b.line.Reports += uint64(b.count)
		c.drop(p)
		p.backoff, p.trouble = 0, ""
		return
	case unknown:
		b.maybe = true
	case doubtful:
		b.maybe = true
		if b.tries++; b.tries >= triesMax {
			c.fail(p, int(r.ErrorCode))
			return
		}
	case lost:
		b.maybe = true
		c.fail(p, int(r.ErrorCode))
		return
	case refused:
		c.blame(b, r)
		c.fail(p, int(r.ErrorCode))
		return
	}
	text := fmt.Sprintf("%v (%s)", kerr.ErrorForCode(r.ErrorCode), say.why)
	if p.backoff == 0 {
		c.note(backend.Event{Level: levelNotice, Text: fmt.Sprintf("partition %d, trying again: %s", p.partition, text)})
	}
	c.retry(p, fmt.Sprintf("partition %d: %s", p.partition, text))
}

var errUnanswered = errors.New("partition without answer")

// blame notes which records of a batch the broker marked.
func (c *Client) blame(b *batch, r *kmsg.ProduceResponseTopicPartition) {
	if int(r.ErrorCode) != backend.ErrInvalidRecord {
		return
	}
	l := b.line
	for _, e := range r.ErrorRecords {
		if e.RelativeOffset >= 0 && int(e.RelativeOffset) < b.count && len(l.Invalid) < backend.InvalidMax {
			l.Invalid = append(l.Invalid, b.first+uint64(e.RelativeOffset))
		}
	}
	l.Invalids = len(r.ErrorRecords)
	if l.Invalids > 0 {
		l.Different = b.count - l.Invalids
	} else if l.Invalids = b.count; b.count == 1 {
		l.Invalid = append(l.Invalid, b.first)
	}
}

// retry lets the batch of p wait for its next try.
func (c *Client) retry(p *part, why string) {
	p.trouble = why
	c.measure.retries++
	p.batch.flight = nil
	p.backoff = min(max(2*p.backoff, c.opts.Backoff), c.opts.BackoffMax)
	p.retryAt = c.now() + p.backoff
	c.wantLook()
}

// fail is the end of a batch that will not be sent again, and of everything that is not
// under way yet: nothing may overtake it.
func (c *Client) fail(p *part, code int) {
	b := p.batch
	if b.line.failed(b.first, uint64(b.count), code) {
		b.line.Alone = b.count == 1
	}
	if b.maybe {
		b.line.Maybe += uint64(b.count)
	}
	c.drop(p)
	c.halted = true
}

// failed notes n records that are given up; it tells whether they are the first of the line.
func (l *line) failed(first, n uint64, code int) bool {
	l.Reports += n
	if first >= l.Failed {
		return false
	}
	l.Failed, l.Err = first, code
	return true
}

// drop takes the batch of p out; its memory is used again where nobody else may read it.
func (c *Client) drop(p *part) {
	b := p.batch
	p.batch = nil
	if !b.shared {
		c.pool.put(b.data)
	}
}

// look goes over to the newest view of the leaders. What waits for a partition's next try goes
// to its new leader at once; what is under way, see moved.
func (c *Client) look() bool {
	v := c.newest.Load()
	if v == c.seen {
		return false
	}
	for _, p := range c.parts {
		if l := v.leader(p.partition); l >= 0 && l != c.seen.leader(p.partition) && p.batch != nil && p.batch.flight == nil {
			p.retryAt = 0
		}
	}
	c.seen = v
	maps.DeleteFunc(c.peers, func(id int32, pe *peer) bool { return pe.flight == nil && v.brokers[id] == "" })
	return true
}

// notSent tells whether a request that ended so never reached a broker.
func notSent(err error) bool {
	var u *unsent
	return errors.As(err, &u)
}
