package native

import (
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"
	"time"

	"github.com/ringtail/ringtail/internal/kafkaclient"
	"github.com/ringtail/ringtail/producer/backend"
)

// What the client tells of itself, beside what the engine must know: Options.Insight. Nothing here
// decides anything.

func (o Options) withInsight(streams int) Options {
	if o.Insight == nil {
		o.Insight = backend.NewInsight(streams)
	}
	return o
}

func (o *Options) endpoint(broker int32, address string) kafkaclient.Endpoint {
	return kafkaclient.EndpointOf(broker, address, "", o.Brokers)
}

// seen returns what others are told of br.
func (c *Client) seen(br *brokerState) *backend.Broker {
	if br.seen == nil {
		br.seen = c.opts.Insight.Broker(br.broker)
	}
	return br.seen
}

// tell tells what is wrong with p.
func (p *partitionState) tell(text string) {
	for _, s := range p.streams {
		backend.Note(s.trouble, text)
	}
}

// dialAndTell is dial. It tells how that goes.
func (n *network) dialAndTell(ctx context.Context, seen *backend.Broker, address string) (*conn, error) {
	seen.SetAddress(address)
	seen.Connecting()
	c, err := n.dial(ctx, address)
	switch {
	case err == nil:
		seen.Up()
	case ctx.Err() == nil: // else nobody waits for it any more
		seen.Down(kafkaclient.Brief(n.opts.endpoint(seen.ID, address), n.opts.security(), err))
	}
	return c, err
}

// tellNoResponse tells that a request got no response.
func (c *Client) tellNoResponse(br *brokerState, req *inflightRequest, err error) {
	if errors.Is(err, context.Canceled) { // by us
		return
	}
	seen := c.seen(br)
	at := c.opts.endpoint(br.broker, seen.Address())
	var text string
	switch {
	case notSent(err):
		text = kafkaclient.Brief(at, c.opts.security(), err) // dialAndTell has told the same of the broker
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		text = at.String() + ": it closed the connection instead of answering"
	case errors.Is(err, errResponse):
		text = at.String() + ": its answer cannot be understood"
	default:
		text = fmt.Sprintf("%v: request timed out, no answer in %v", at, c.opts.SocketTimeout)
		if !kafkaclient.IsTimeout(err) {
			text = fmt.Sprintf("%v: %v", at, err)
		}
	}
	if !notSent(err) {
		seen.Down(text)
	}
	for _, p := range req.partitions {
		if b := p.batch; b != nil && b.request == req {
			p.tell(text)
		}
	}
}

// handed notes that n more records were handed over.
func (s *stream) handed(n int, now time.Duration) {
	if s.waiting() == n {
		s.openedAt, s.waited = now, 0
	}
	s.waited += time.Duration(n) * (now - s.openedAt)
}

// noteSent notes that a batch is sent to br. The time for which br asked to be left alone is not
// the writer's.
func (b *batch) noteSent(br *brokerState, now time.Duration) {
	if b.tried {
		return
	}
	b.tried, b.sentAt = true, now
	b.throttled = max(min(br.throttledUntil, now)-max(br.throttledFrom, b.handedAt), 0)
}

// addTimes adds how long the records of a batch took that was written.
func (b *batch) addTimes(at time.Duration) {
	n := time.Duration(b.count)
	b.stream.InWriter += n * (b.sentAt - b.handedAt - b.throttled)
	b.stream.InBroker += n * (at - b.sentAt + b.throttled)
}

// Retries returns how often batches were tried again.
func (c *Client) Retries() uint64 { return c.retries }

// BrokerShare returns false: Progress tells.
func (c *Client) BrokerShare() (float64, bool) { return 0, false }
