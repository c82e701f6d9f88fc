package native

import (
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/ringtail/ringtail/producer/rdk"
)

// Error codes that are not a broker's, with librdkafka's numbers.
const (
	errPurged  = -152
	errAllDown = -187
)

// verdict is what an error code of a partition means for its batch.
type verdict int

const (
	written verdict = iota
	again           // it is not in the log
	unknown         // it may be in the log
	refused         // it is not, and never will be
)

// judge says what a broker's code means. Only what may pass by itself is tried again.
func judge(code int16) verdict {
	switch kerr.ErrorForCode(code) {
	case nil, kerr.DuplicateSequenceNumber: // an earlier try was written, its answer was lost
		return written
	case kerr.UnknownTopicID, kerr.InconsistentTopicID, kerr.LeaderNotAvailable, kerr.ReplicaNotAvailable,
		kerr.FencedLeaderEpoch, kerr.UnknownLeaderEpoch, kerr.NotEnoughReplicas, kerr.ThrottlingQuotaExceeded, kerr.CorruptMessage:
		return again
	case kerr.NotLeaderForPartition, kerr.UnknownTopicOrPartition, // also of a leader that lost it after it had written
		kerr.RequestTimedOut, kerr.NetworkException, kerr.NotEnoughReplicasAfterAppend, kerr.KafkaStorageError, kerr.UnknownServerError:
		return unknown
	}
	return refused
}

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
		pe.failed = 0
		c.measure.add(a.at - f.begun)
		pe.notYet = a.at + time.Duration(a.response.ThrottleMillis)*time.Millisecond
		for i := range a.response.Topics {
			for j := range a.response.Topics[i].Partitions {
				r := &a.response.Topics[i].Partitions[j]
				if p := c.under(f, r.Partition); p != nil {
					c.settlePart(p, r)
				}
			}
		}
	}
	if a.err != nil {
		pe.failed++
		c.tell(f, a.err)
	}
	for _, p := range f.parts { // what got no answer
		if p.batch != nil && p.batch.flight == f {
			p.batch.maybe = p.batch.maybe || !notSent(a.err)
			c.retry(p)
		}
	}
}

// Levels of syslog.
const (
	levelError  = 3
	levelNotice = 5
	levelDebug  = 7
)

// tell says that a request got no answer: aloud once, if it is more than a connection that
// the broker had closed for want of use.
func (c *Client) tell(f *flight, err error) {
	level, n := levelDebug, c.peers[f.broker].failed
	if notSent(err) && n == 1 || !notSent(err) && n == 2 {
		level = levelError
	}
	c.note(rdk.Event{Level: level, Text: fmt.Sprintf("broker %d, trying again: %v", f.broker, err)})
}

// under answers the part of that partition whose batch is under way with f, or nil.
func (c *Client) under(f *flight, partition int32) *part {
	if p := c.partOf[partition]; p != nil && p.batch != nil && p.batch.flight == f {
		return p
	}
	return nil
}

func (c *Client) settlePart(p *part, r *kmsg.ProduceResponseTopicPartition) {
	b := p.batch
	switch judge(r.ErrorCode) {
	case written:
		b.line.Acked += uint64(b.count)
		b.line.Reports += uint64(b.count)
		c.drop(p)
		p.backoff = 0
		return
	case unknown:
		b.maybe = true
	case again:
	case refused:
		c.blame(b, r)
		c.fail(p, int(r.ErrorCode))
		return
	}
	if p.backoff == 0 {
		c.note(rdk.Event{Level: levelNotice, Text: fmt.Sprintf("partition %d, trying again: %v", p.partition, kerr.ErrorForCode(r.ErrorCode))})
	}
	c.retry(p)
}

// blame notes which records of a batch the broker marked.
func (c *Client) blame(b *batch, r *kmsg.ProduceResponseTopicPartition) {
	if int(r.ErrorCode) != rdk.ErrInvalidRecord {
		return
	}
	l := b.line
	for _, e := range r.ErrorRecords {
		if e.RelativeOffset >= 0 && int(e.RelativeOffset) < b.count && len(l.Invalid) < rdk.InvalidMax {
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
func (c *Client) retry(p *part) {
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
	b.line.failed(b.first, uint64(b.count), code)
	if b.maybe {
		b.line.Maybe += uint64(b.count)
	}
	c.drop(p)
	c.halted = true
}

func (l *line) failed(first, n uint64, code int) {
	l.Reports += n
	if first < l.Failed {
		l.Failed, l.Err = first, code
	}
}

// drop takes the batch of p out; its memory is used again where nobody else may read it.
func (c *Client) drop(p *part) {
	b := p.batch
	p.batch = nil
	if !b.shared {
		c.pool.put(b.data)
	}
}

// look goes over to the newest view of the leaders. A batch under way to a broker that
// leads its partition no more is sent to the one that does: by its sequence it is known
// should it be there already.
func (c *Client) look() bool {
	v := c.newest.Load()
	if v == c.seen {
		return false
	}
	c.seen = v
	for _, p := range c.parts {
		b, leader := p.batch, v.leader(p.partition)
		switch {
		case b == nil || leader < 0:
		case b.flight == nil:
			p.retryAt = 0
		case b.flight.broker != leader:
			b.maybe, b.shared = true, true
			b.flight = nil
			p.retryAt = 0
		}
	}
	return true
}

// notSent tells whether a request that ended so never reached a broker.
func notSent(err error) bool {
	var u *unsent
	return errors.As(err, &u)
}
