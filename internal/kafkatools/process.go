package kafkatools

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/ringtail/ringtail/internal/config"
)

// ProcessOptions are the flags of process: what to compute.
type ProcessOptions struct {
	From  string `help:"The topic to read, from the beginning where the group has no offset."`
	To    string `help:"The topic to write."`
	Group string `help:"The group that remembers how far the processing has got; members share the partitions."`
	Expr  string `placeholder:"EXPR" help:"What to compute (expr-lang.org); the record's top-level fields are variables."`

	OnError     string `placeholder:"stop|skip|letter" values:"stop,skip,letter" help:"What to do with a record that gives no result. Default: stop; letter where --dead-letter-topic is given."`
	DeadLetters string `name:"dead-letter-topic" placeholder:"TOPIC" help:"Where such records go, with the headers reason, remote (topic:partition:offset) and error."`
	MetricsOptions
}

const (
	// A batch is one transaction, which has takeover's time: so many records and, of large ones, fewer.
	batchRecords = 1000
	batchBytes   = 16 << 20
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
// A record that gives no result for good, by itself or because Kafka refuses the result,
// is stopped at, skipped, or becomes a dead letter in the same transaction (--on-error).
// What Kafka refuses is known from the reports of the attempt, and remembered for the
// next one.
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
	to, dead  limit
	bad       map[position]*failure // what Kafka refused, until it has been gone past
	suspects  map[position]bool     // what it refused together with others: to be sent alone
	watched   *watched
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
	if err := cmp.Or(o.checkOnError(), c.refuseReset("process")); err != nil {
		return err
	}
	t, err := newTransform(o.Expr)
	if err != nil {
		return err
	}
	p := &processing{
		o: o, s: s, cluster: c, transform: t, losses: losses{topics: o.From}, progress: newProgress(s, "processed", endless), watched: &watched{o: o},
	}
	if err := p.open(); err != nil {
		return err
	}
	defer within(closeLimit, func() { _ = p.consumer.Close() })
	p.watched.losses, p.watched.consumer = &p.losses, p.consumer
	stop, err := o.expose(p.watched, s)
	if err != nil {
		p.producer.Close()
		return err
	}
	defer stop()
	defer func() { p.producer.Close() }()
	begins(ctx)
	if err := p.consumer.Subscribe(o.From, func(_ *kafka.Consumer, e kafka.Event) error { return p.rebalance(ctx, e) }); err != nil {
		return err
	}
	err = p.loop(ctx)
	p.progress.end(p.watched.written.Load(), "to "+o.To)
	if n := p.watched.skipped.Load(); n > 0 {
		s.say("%s gave no result; skipped", plural(n, "record"))
	}
	if n := p.watched.deadLetters.Load(); n > 0 {
		s.say("%s gave no result; now in %s", plural(n, "record"), o.DeadLetters)
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
	if _, err := p.cluster.config(p.producing()); err != nil { // before anybody is asked
		return err
	}
	if p.consumer, err = kafka.NewConsumer(cm); err != nil {
		return config.Usagef("--kafka-property: %w", err)
	}
	err = p.askTopics()
	if err == nil {
		err = p.openProducer()
	}
	if err != nil {
		_ = p.consumer.Close()
	}
	return err
}

// askTopics looks whether the topics are there, and what they take.
func (p *processing) askTopics() error {
	a, err := kafka.NewAdminClientFromConsumer(p.consumer)
	if err != nil {
		return err
	}
	defer a.Close()
	if _, err := p.cluster.topic(a, p.o.From); err != nil {
		return err
	}
	limits := map[string]*limit{p.o.To: &p.to}
	if p.o.DeadLetters != "" {
		limits[p.o.DeadLetters] = &p.dead
	}
	for name, l := range limits {
		if _, err := p.cluster.topic(a, name); err != nil {
			return err
		}
		*l = p.cluster.limitOf(context.Background(), a, name)
	}
	return nil
}

func (p *processing) loop(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := p.read(ctx); err != nil {
			return err
		}
		p.watched.stand(p.places)
		if len(p.batch) == 0 && !p.crossed {
			continue
		}
		if err := p.transact(ctx); err != nil {
			return err
		}
		p.watched.stand(p.places)
		p.progress.at(p.watched.written.Load())
	}
	return nil
}

// transact processes the batch, or its first records, in one transaction. When that fails,
// nothing of it is visible, and its records are read again.
func (p *processing) transact(ctx context.Context) error {
	w := p.compute()
	if w.n == 0 && !p.crossed {
		return w.stop
	}
	a, err := p.try(w)
	if err == nil {
		p.watched.written.Add(w.results)
		p.watched.skipped.Add(w.skipped)
		p.watched.deadLetters.Add(w.deadLetters)
		p.noteCommitted(w.n)
		return w.stop
	}
	if isOneOf(err, hopeless) {
		return fmt.Errorf("from topic %s to topic %s: %w", p.o.From, p.o.To, err)
	}
	if err := p.abort(ctx, a, err); err != nil {
		return err
	}
	if err := p.learn(a); err != nil {
		return err
	}
	if !a.failed() {
		p.progress.trouble(err)
	}
	return p.rewind(ctx)
}
