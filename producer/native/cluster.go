package native

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/ringtail/ringtail/producer/rdk"
)

// connect makes franz-go's client, which is asked for the producer id and for who leads
// what.
func connect(o Options) (*kgo.Client, error) {
	options := []kgo.Opt{
		kgo.SeedBrokers(o.Brokers...),
		kgo.ClientID(o.ClientID),
		kgo.DisableClientMetrics(),
		kgo.ConnIdleTimeout(idleLimit),
	}
	if o.TLS != nil {
		options = append(options, kgo.DialTLSConfig(o.TLS))
	}
	if o.SASL != nil {
		options = append(options, kgo.SASL(o.SASL))
	}
	return kgo.NewClient(options...)
}

// view is who leads what, as of one look.
type view struct {
	brokers map[int32]string // host:port
	leaders []int32          // by partition; -1: nobody
	topic   [16]byte         // its id, which a topic of the same name made later has not
}

func (v *view) leader(partition int32) int32 {
	if v == nil || int(partition) >= len(v.leaders) {
		return -1
	}
	return v.leaders[partition]
}

const (
	lookAgain = 100 * time.Millisecond // at the least between two looks
	lookMin   = 2 * time.Second        // for one: the broker asked may be frozen; another is asked then
	lookMax   = 30 * time.Second       // but the way to all of them may be slow
)

// wantLook asks for a newer view; it does not wait.
func (c *Client) wantLook() {
	select {
	case c.ask <- struct{}{}:
	default:
	}
}

// watch gets a producer id, and then keeps the view new, until ctx ends.
func (c *Client) watch(ctx context.Context, kc *kgo.Client) {
	down, limit := false, lookMin
	for {
		err := c.once(ctx, kc, limit)
		if ctx.Err() != nil {
			return
		}
		wait := c.opts.LookEvery
		if wait <= 0 { // not without need
			wait = time.Hour
		}
		if err == nil {
			limit = lookMin
		} else {
			wait, limit = lookAgain, min(2*limit, lookMax)
			if !down {
				c.note(rdk.Event{Code: errAllDown, Text: err.Error()})
			}
		}
		down = err != nil
		c.Wake()
		select { // whatever is asked, not at once
		case <-ctx.Done():
			return
		case <-time.After(lookAgain):
		}
		select {
		case <-ctx.Done():
			return
		case <-c.ask:
		case <-time.After(wait - lookAgain):
		}
	}
}

// once looks once. The view follows the producer id: with it, records may be sent.
func (c *Client) once(ctx context.Context, kc *kgo.Client, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if c.id.Load() == nil {
		id, err := identify(ctx, kc)
		var e *kerr.Error
		if errors.As(err, &e) && !e.Retriable {
			c.fatal.Store(int32(e.Code))
		}
		if err != nil {
			return fmt.Errorf("producer id: %w", err)
		}
		c.id.Store(id)
	}
	v, err := look(ctx, kc, c.opts.Topic)
	if err != nil {
		return err
	}
	if old := c.newest.Load(); old == nil || !v.same(old) {
		c.newest.Store(v)
	}
	return nil
}

func identify(ctx context.Context, kc *kgo.Client) (*producerID, error) {
	q := kmsg.NewPtrInitProducerIDRequest()
	q.TransactionTimeoutMillis = -1
	r, err := q.RequestWith(ctx, kc)
	if err != nil {
		return nil, err
	}
	if err := kerr.ErrorForCode(r.ErrorCode); err != nil {
		return nil, err
	}
	return &producerID{r.ProducerID, r.ProducerEpoch}, nil
}

func look(ctx context.Context, kc *kgo.Client, topic string) (*view, error) {
	q := kmsg.NewPtrMetadataRequest()
	t := kmsg.NewMetadataRequestTopic()
	t.Topic = kmsg.StringPtr(topic)
	q.Topics = append(q.Topics, t)
	r, err := q.RequestWith(ctx, kc)
	if err != nil {
		return nil, err
	}
	v := &view{brokers: map[int32]string{}}
	for _, b := range r.Brokers {
		v.brokers[b.NodeID] = net.JoinHostPort(b.Host, strconv.Itoa(int(b.Port)))
	}
	for _, t := range r.Topics {
		v.topic = t.TopicID
		for _, p := range t.Partitions {
			for int(p.Partition) >= len(v.leaders) {
				v.leaders = append(v.leaders, -1)
			}
			v.leaders[p.Partition] = p.Leader // -1 with LEADER_NOT_AVAILABLE
		}
	}
	return v, nil
}

func (v *view) same(w *view) bool {
	return v.topic == w.topic && slices.Equal(v.leaders, w.leaders) && maps.Equal(v.brokers, w.brokers)
}
