package toolbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/ringtail/ringtail/internal/config"
)

// ProcessOptions say what to compute.
type ProcessOptions struct {
	From, To string // --from, --to
	Group    string // --group
	Expr     string // --expr
}

const (
	batchRecords = 1000
	// takeover is how long a twin that was killed is in the way: as a member of the
	// group, and with a transaction that it left open.
	takeover = "10000"
	txLimit  = 30 * time.Second
)

// processing reads, computes and writes, exactly once:
//
//	read a batch ─ begin ─ write results ─ add the batch's offsets ─ commit
//	                 ▲                                                  │
//	                 └───── abort, go back to what is committed ◄───────┘ failed
//
// Results and offsets become visible together or not at all, so wherever the process
// is killed, whoever goes on begins behind the last results that are visible. A twin
// that lost its partitions meanwhile cannot commit: the offsets carry the group's
// generation, and the coordinator refuses an old one.
//
// It is one goroutine. The group's rebalances come within Poll, so never within a
// transaction; what has been read and not begun is forgotten then, and read again
// by whoever has the partition.
type processing struct {
	o         ProcessOptions
	s         Streams
	cluster   Cluster
	transform *transform
	consumer  *kafka.Consumer
	producer  *kafka.Producer
	batch     []*kafka.Message
	places    map[int32]*place
	crossed   bool // over a gap since the last commit: there is a position to commit, records or not
	losses    losses
	progress  *progress
	written   int64
	skipped   int64
	said      time.Time
}

// Process reads a topic, computes and writes another until ctx ends.
func Process(ctx context.Context, c Cluster, o ProcessOptions, s Streams) error {
	switch {
	case o.Group == "":
		return config.Usagef("--group is missing; it remembers how far this processing has got")
	case o.From == "" || o.To == "":
		return config.Usagef("--from and --to: name the topic to read and the one to write")
	case o.From == o.To:
		return config.Usagef("--from and --to are both %s; the results would be read again, for ever", o.From)
	}
	if err := c.refuseReset("process"); err != nil {
		return err
	}
	t, err := newTransform(o.Expr)
	if err != nil {
		return err
	}
	p := &processing{
		o: o, s: s, cluster: c, transform: t, losses: losses{topic: o.From}, progress: newProgress(s, "processed", endless),
	}
	if err := p.open(); err != nil {
		return err
	}
	defer within(closeLimit, func() { _ = p.consumer.Close() })
	defer func() { p.producer.Close() }()
	if err := p.consumer.Subscribe(o.From, func(_ *kafka.Consumer, e kafka.Event) error { return p.rebalance(ctx, e) }); err != nil {
		return err
	}
	err = p.loop(ctx)
	p.progress.end(p.written, "to "+o.To)
	if p.skipped > 0 {
		s.say("%d records gave no result and were skipped", p.skipped)
	}
	return cmp.Or(err, p.losses.err())
}

func (p *processing) open() error {
	cm, err := p.cluster.config(map[string]string{
		"group.id": p.o.Group, "enable.auto.commit": "false", "auto.offset.reset": "earliest",
		"isolation.level": "read_committed", "session.timeout.ms": takeover, "heartbeat.interval.ms": "1000",
		"allow.auto.create.topics": "false",
		"enable.partition.eof":     "true", // it tells of a gap behind which there are no records
		// The default is to see new partitions within five minutes.
		"topic.metadata.refresh.interval.ms": strconv.Itoa(int(partitionsEvery / time.Millisecond)),
	})
	if err != nil {
		return err
	}
	if p.consumer, err = kafka.NewConsumer(cm); err != nil {
		return config.Usagef("--kafka-property: %w", err)
	}
	for _, name := range []string{p.o.From, p.o.To} {
		if _, err := p.cluster.topic(p.consumer, name); err != nil {
			_ = p.consumer.Close()
			return err
		}
	}
	if err := p.openProducer(); err != nil {
		_ = p.consumer.Close()
		return err
	}
	return nil
}

// openProducer makes a producer with a transactional id of its own: that two do not
// process the same is the group's business, not the id's.
func (p *processing) openProducer() error {
	cm, err := p.cluster.config(map[string]string{
		"transactional.id":         fmt.Sprintf("ringtail-%s-%016x", p.o.Group, rand.Uint64()),
		"transaction.timeout.ms":   takeover,
		"message.timeout.ms":       takeover,
		"partitioner":              "murmur2_random",
		"linger.ms":                "5",
		"allow.auto.create.topics": "false",
	})
	if err != nil {
		return err
	}
	(*cm)["go.delivery.report.fields"] = "none"
	(*cm)["go.produce.channel.size"] = 1
	(*cm)["go.events.channel.size"] = 10000
	producer, err := kafka.NewProducer(cm)
	if err != nil {
		return config.Usagef("--kafka-property: %w", err)
	}
	// The transaction's end tells what became of its records; their own reports are
	// only taken so that they are out of the way. Close closes the channel.
	go func() {
		for range producer.Events() {
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), txLimit)
	defer cancel()
	if err := producer.InitTransactions(ctx); err != nil {
		producer.Close()
		return fmt.Errorf("--brokers %s: no transactions: %w", p.cluster.Brokers, err)
	}
	p.producer = producer
	return nil
}

func (p *processing) loop(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := p.read(ctx); err != nil {
			return err
		}
		if len(p.batch) == 0 && !p.crossed {
			continue
		}
		if err := p.transact(ctx); err != nil {
			return err
		}
		p.batch = p.batch[:0]
		p.progress.at(p.written)
	}
	return nil
}

func (p *processing) trouble(err error) {
	if time.Since(p.said) > sayEvery {
		p.s.say("%v; trying on", err)
		p.said = time.Now()
	}
}

// transact processes the batch in one transaction. When that fails, nothing of it
// is visible, and its records are read again.
func (p *processing) transact(ctx context.Context) error {
	written, skipped, err := p.try()
	if err == nil {
		p.written += written
		p.skipped += skipped
		p.settle()
		return nil
	}
	p.trouble(err)
	if err := p.abort(ctx, err); err != nil {
		return err
	}
	return p.rewind(ctx)
}

func (p *processing) try() (written, skipped int64, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), txLimit)
	defer cancel()
	if err := p.producer.BeginTransaction(); err != nil {
		return 0, 0, err
	}
	for _, m := range p.batch {
		value, err := p.transform.apply(m.Value)
		if err != nil {
			if skipped++; p.skipped == 0 && skipped == 1 {
				p.s.say("%s:%d:%v: %v; skipped", p.o.From, m.TopicPartition.Partition, m.TopicPartition.Offset, err)
			}
			continue
		}
		out := &kafka.Message{
			TopicPartition: kafka.TopicPartition{Topic: &p.o.To, Partition: kafka.PartitionAny},
			Key:            m.Key, Value: value, Headers: m.Headers, Timestamp: m.Timestamp,
		}
		for err = p.producer.Produce(out, nil); isCode(err, kafka.ErrQueueFull); err = p.producer.Produce(out, nil) {
			await(p.producer, 10*time.Millisecond)
		}
		if err != nil {
			return 0, 0, err
		}
		written++
	}
	group, err := p.consumer.GetConsumerGroupMetadata()
	if err != nil {
		return 0, 0, err
	}
	if err := retry(ctx, func() error { return p.producer.SendOffsetsToTransaction(ctx, p.offsets(), group) }); err != nil {
		return 0, 0, err
	}
	return written, skipped, retry(ctx, func() error { return p.producer.CommitTransaction(ctx) })
}

// retry calls f again as long as librdkafka says that this is the right thing.
func retry(ctx context.Context, f func() error) error {
	for {
		err := f()
		var ke kafka.Error
		if err == nil || ctx.Err() != nil || !errors.As(err, &ke) || !ke.IsRetriable() {
			return err
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// abort ends a transaction that failed. A producer that cannot go on is replaced;
// its transaction, if the coordinator has it still, ends by its timeout.
func (p *processing) abort(ctx context.Context, cause error) error {
	var ke kafka.Error
	if errors.As(cause, &ke) && ke.TxnRequiresAbort() {
		limit, cancel := context.WithTimeout(context.Background(), txLimit)
		defer cancel()
		if retry(limit, func() error { return p.producer.AbortTransaction(limit) }) == nil {
			return nil
		}
	}
	p.producer.Close()
	for {
		err := p.openProducer()
		if err == nil || ctx.Err() != nil {
			return err
		}
		p.trouble(err)
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}
