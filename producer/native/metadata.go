package native

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/ringtail/ringtail/internal/kafkaclient"
	"github.com/ringtail/ringtail/producer/backend"
)

// newKafkaClient makes franz-go's client, which gets the producer id and the metadata.
func newKafkaClient(o Options) (*kgo.Client, error) {
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

// metadata is who leads which partition, as of one refresh.
type metadata struct {
	brokers  map[int32]string // host:port
	leaders  []leader         // by partition
	topic    [16]byte         // its id, which changes when the topic is deleted and made again; zero: not known
	replicas []replicas       // by partition; for Insight alone
}

// replicas are those of a partition.
type replicas struct {
	all    []int32
	inSync int
}

// leader is that of a partition. The epoch grows with each new leader; -1: not known.
type leader struct{ broker, epoch int32 }

var noLeader = leader{-1, -1}

func (md *metadata) leader(partition int32) int32 {
	if md == nil || int(partition) >= len(md.leaders) {
		return -1
	}
	return md.leaders[partition].broker
}

// partitionsMax is the most partitions that a broker may name.
const partitionsMax = 1 << 20

// retainNewerLeaders takes over leaders from old where md has older ones, and reports whether there
// were any. A refresh may ask a broker that is cut off from the controller, and so gets what was
// true before. A topic that was made again has another id. Where brokers tell none, staleMax
// refreshes in a row are believed.
func (md *metadata) retainNewerLeaders(old *metadata) (older bool) {
	if old == nil || md.topic != old.topic {
		return false
	}
	for i := range min(len(md.leaders), len(old.leaders)) {
		if was := old.leaders[i]; md.leaders[i].epoch >= 0 && md.leaders[i].epoch < was.epoch {
			older = true
			md.leaders[i] = was
			if md.brokers[was.broker] == "" && old.brokers[was.broker] != "" {
				md.brokers[was.broker] = old.brokers[was.broker]
			}
		}
	}
	return older
}

const staleMax = 10

const (
	refreshAgain      = 100 * time.Millisecond // shortest time between two refreshes
	tellAgain         = 2 * time.Second        // while no broker answers: whoever is told looks at the topic, which may be seen by a login that is not over yet
	refreshTimeoutMin = 2 * time.Second        // for one refresh: that broker may be frozen, and the next one asks another
	refreshTimeoutMax = 30 * time.Second       // longest, since the way to all of them may be slow
)

// wantMetadata asks for a refresh. It does not wait.
func (c *Client) wantMetadata() {
	select {
	case c.metadataWanted <- struct{}{}:
	default:
	}
}

// watchMetadata gets a producer id, and then keeps the metadata new, until ctx ends.
func (c *Client) watchMetadata(ctx context.Context, kc *kgo.Client) {
	failed, limit := 0, refreshTimeoutMin // failed: in a row
	var told time.Time
	telling := make(chan struct{}, 1) // full while somebody finds out what is in the way
	for {
		err := c.refreshMetadata(ctx, kc, limit)
		if ctx.Err() != nil {
			break
		}
		wait := c.opts.RefreshEvery
		if wait <= 0 { // only when it is asked for
			wait = time.Hour
		}
		if err == nil {
			failed, limit = 0, refreshTimeoutMin
		} else {
			wait = refreshAgain
			if failed++; failed > 1 {
				limit = min(2*limit, refreshTimeoutMax)
			}
		}
		md := c.newestMetadata.Load()
		switch {
		case err == nil:
		case failed == 1 && (len(c.opts.Brokers) > 1 || md != nil && len(md.brokers) > 1): // that one may be frozen; the next try asks another
		case md == nil:
			err = c.diagnose(ctx, err)
			c.setUnready(err) // once it has metadata, connectLeaders says why it is not ready
			if time.Since(told) > tellAgain {
				told = time.Now()
				c.noteEvent(backend.Event{Code: backend.ErrAllBrokersDown, Text: err.Error()})
			}
		case time.Since(told) > tellAgain && len(telling) == 0:
			told = time.Now()
			telling <- struct{}{}
			go func() { // it takes seconds, in which another broker may tell the new leaders
				c.noteEvent(backend.Event{Code: backend.ErrAllBrokersDown, Text: c.diagnose(ctx, err).Error()})
				<-telling
			}()
		}
		c.wire.closeIdle()
		c.Wake()
		select { // not at once, whoever asks for it
		case <-ctx.Done():
		case <-time.After(refreshAgain):
		}
		select {
		case <-ctx.Done():
		case <-c.metadataWanted:
		case <-time.After(wait - refreshAgain):
		}
	}
	telling <- struct{}{}
}

// diagnose returns what is in the way to all brokers, or else the error that was seen.
func (c *Client) diagnose(ctx context.Context, seen error) error {
	if cause := kafkaclient.Diagnose(ctx, c.opts.Brokers, c.opts.security()); cause != nil {
		return cause
	}
	return seen
}

// refreshMetadata refreshes once. It gets the producer id first: with metadata, records may be
// sent.
func (c *Client) refreshMetadata(ctx context.Context, kc *kgo.Client, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if c.id.Load() == nil {
		id, err := initProducerID(ctx, kc)
		var e *kerr.Error
		if errors.As(err, &e) && !e.Retriable {
			c.fatal.Store(int32(e.Code))
		}
		if err != nil {
			return fmt.Errorf("producer id: %w", err)
		}
		c.id.Store(id)
	}
	md, err := fetchMetadata(ctx, kc, c.opts.Topic)
	if err != nil {
		return err
	}
	old := c.newestMetadata.Load()
	if c.stale < staleMax && md.retainNewerLeaders(old) {
		c.stale++
	} else {
		c.stale = 0
	}
	if old == nil || !md.equal(old) {
		c.newestMetadata.Store(md)
	}
	c.opts.Insight.SetMetadata(md.told())
	return nil
}

// connectLeaders connects to every leader before there is anything to write, and sets in unready
// what is in the way. It returns once it has succeeded, or when ctx ends.
func (c *Client) connectLeaders(ctx context.Context) {
	for wait := refreshAgain; ; wait = min(2*wait, connectRetryMax) {
		if md := c.newestMetadata.Load(); md != nil {
			err := connectAll(ctx, c.wire, md, c.opts.Partitions)
			if err == nil {
				c.unready.Store(nil)
				c.Wake()
				return
			}
			c.setUnready(err)
			c.wantMetadata()
		} else {
			wait = refreshAgain
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// connectRetryMax is the longest time between two tries to connect. They get rarer, since each may
// be a login that fails.
const connectRetryMax = 5 * time.Second

func (c *Client) setUnready(err error) {
	text := err.Error()
	c.unready.Store(&text)
}

// Unreachable is the error about a partition without leader, or a leader without connection. Others
// may be well.
type Unreachable struct{ error }

func (u *Unreachable) Unwrap() error { return u.error }

// Passes reports whether err may pass by itself: a broker is down, frozen or starting, or the
// network is at fault. Wrong certificates, passwords or versions do not pass.
func Passes(err error) bool {
	var op *net.OpError
	var dns *net.DNSError
	return errors.Is(err, errNobodyLeads) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.As(err, &op) && !errors.As(err, &dns) && (op.Op == "dial" || op.Op == "read" || op.Op == "write")
}

var errNobodyLeads = errors.New("nobody leads it")

// connectAll returns nil if each of these partitions has a leader that takes our produce requests,
// else an *Unreachable. If several are wrong, it is about one that does not pass by itself.
func connectAll(ctx context.Context, w wire, md *metadata, partitions []int32) error {
	leaders := map[int32]bool{}
	var worst error
	for _, p := range partitions {
		if broker := md.leader(p); broker >= 0 {
			leaders[broker] = true
		} else if worst == nil {
			worst = fmt.Errorf("partition %d: %w", p, errNobodyLeads)
		}
	}
	var mu sync.Mutex
	var all sync.WaitGroup
	for broker := range leaders {
		all.Go(func() {
			if err := w.connect(ctx, broker, md.brokers[broker]); err != nil {
				if !errors.As(err, new(*kafkaclient.Cause)) { // it names the broker
					err = fmt.Errorf("broker %d at %s: %w", broker, md.brokers[broker], err)
				}
				mu.Lock()
				defer mu.Unlock()
				if worst == nil || Passes(worst) && !Passes(err) {
					worst = err
				}
			}
		})
	}
	all.Wait()
	if worst == nil {
		return nil
	}
	return &Unreachable{worst}
}

// Probe tries everything that writing needs: a producer id, the leader of each of o.Partitions, and
// a connection to it that takes produce requests. It leaves nothing behind.
func Probe(ctx context.Context, o Options) error {
	kc, err := newKafkaClient(o)
	if err != nil {
		return err
	}
	defer kc.Close()
	w := newNetwork(o)
	defer w.close()
	if _, err := initProducerID(ctx, kc); err != nil {
		return fmt.Errorf("producer id: %w", err)
	}
	md, err := fetchMetadata(ctx, kc, o.Topic)
	if err != nil {
		return err
	}
	return connectAll(ctx, w, md, o.Partitions)
}

func initProducerID(ctx context.Context, kc *kgo.Client) (*producerID, error) {
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

func fetchMetadata(ctx context.Context, kc *kgo.Client, topic string) (*metadata, error) {
	q := kmsg.NewPtrMetadataRequest()
	t := kmsg.NewMetadataRequestTopic()
	t.Topic = kmsg.StringPtr(topic)
	q.Topics = append(q.Topics, t)
	r, err := q.RequestWith(ctx, kc)
	if err != nil {
		return nil, err
	}
	return newMetadata(r, topic), nil
}

// newMetadata takes from a response what can be true.
func newMetadata(r *kmsg.MetadataResponse, topic string) *metadata {
	md := &metadata{brokers: map[int32]string{}}
	for _, b := range r.Brokers {
		md.brokers[b.NodeID] = net.JoinHostPort(b.Host, strconv.Itoa(int(b.Port)))
	}
	for _, t := range r.Topics {
		if t.Topic == nil || *t.Topic != topic {
			continue
		}
		md.topic = t.TopicID
		for _, p := range t.Partitions {
			if p.Partition < 0 || p.Partition >= partitionsMax {
				continue
			}
			for int(p.Partition) >= len(md.leaders) {
				md.leaders = append(md.leaders, noLeader)
				md.replicas = append(md.replicas, replicas{})
			}
			md.replicas[p.Partition] = replicas{p.Replicas, len(p.ISR)}
			l := leader{p.Leader, p.LeaderEpoch} // -1 with LEADER_NOT_AVAILABLE
			if r.Version < epochsTold {
				l.epoch = -1
			}
			md.leaders[p.Partition] = l
		}
	}
	return md
}

// epochsTold is the first version of metadata responses whose leader epochs are right. Older
// brokers tell wrong ones while a partition is reassigned (KAFKA-9212).
const epochsTold = 9

func (md *metadata) equal(other *metadata) bool {
	return md.topic == other.topic && slices.Equal(md.leaders, other.leaders) && maps.Equal(md.brokers, other.brokers)
}

// told is md as others are told of it.
func (md *metadata) told() *backend.Metadata {
	out := &backend.Metadata{At: time.Now(), Brokers: md.brokers, Partitions: make([]backend.Partition, len(md.leaders))}
	for i, l := range md.leaders {
		out.Partitions[i] = backend.Partition{Leader: l.broker, Replicas: md.replicas[i].all, InSync: md.replicas[i].inSync}
	}
	return out
}
