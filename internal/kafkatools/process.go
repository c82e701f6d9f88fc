package kafkatools

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

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
// It is one goroutine. The group moves partitions only between batches, so never within a transaction.
type processing struct {
	o         ProcessOptions
	s         Streams
	cluster   Cluster
	transform *transform
	consumer  *kgo.Client
	producer  *transactions
	batch     []*kgo.Record
	next      map[int32]int64 // the offset behind what has been read since the last commit
	crossed   bool            // over a gap: next is to be committed, records or not
	astray    bool            // a position is out of its partition
	told      map[int32]int64 // the offset that was due at the last gap that was told
	losses    losses
	progress  *progress
	brokers   *brokers
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
		o: o, s: s, cluster: c, transform: t, brokers: newBrokers(c), losses: losses{topics: o.From}, progress: newProgress(s, "processed", endless), watched: &watched{o: o},
		next: map[int32]int64{}, told: map[int32]int64{}, bad: map[position]*failure{}, suspects: map[position]bool{},
	}
	if err := p.open(ctx); err != nil {
		return err
	}
	defer within(closeLimit, p.consumer.CloseAllowingRebalance)
	defer func() { p.producer.session.Close() }()
	p.watched.losses, p.watched.consumer = &p.losses, p.consumer
	stop, err := o.expose(p.watched, s)
	if err != nil {
		return err
	}
	defer stop()
	begins(ctx)
	p.consumer.AddConsumeTopics(o.From)
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

func (p *processing) open(ctx context.Context) (err error) {
	if _, err = p.cluster.options(inTransactions(p.o.Group, p.o.Group)); err != nil { // before anybody is asked
		return err
	}
	p.consumer, err = p.cluster.client(map[string]string{
		"group.id": p.o.Group, "enable.auto.commit": "false",
		"isolation.level": "read_committed", "session.timeout.ms": takeover, "heartbeat.interval.ms": "1000",
		"allow.auto.create.topics": "false",
		// The default is to see new partitions within five minutes.
		"topic.metadata.refresh.interval.ms": strconv.Itoa(int(partitionsEvery / time.Millisecond)),
	},
		kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()), kgo.ConsumeResetOffset(kgo.NoResetOffset()), kgo.KeepControlRecords(),
		kgo.BlockRebalanceOnPoll(), kgo.AdjustFetchOffsetsFn(p.watched.given), kgo.OnPartitionsRevoked(p.watched.taken), kgo.OnPartitionsLost(p.watched.taken),
		kgo.WithHooks(p.brokers))
	if err != nil {
		return err
	}
	if err = p.askTopics(ctx); err == nil {
		err = p.openProducer()
	}
	if err != nil {
		p.consumer.Close()
	}
	return err
}

// askTopics looks whether the topics are there, and what they take.
func (p *processing) askTopics(ctx context.Context) error {
	names := []string{p.o.From, p.o.To}
	if p.o.DeadLetters != "" {
		names = append(names, p.o.DeadLetters)
	}
	if _, err := p.cluster.reach(ctx, p.consumer, names...); err != nil {
		return err
	}
	p.to = p.cluster.limitFor(ctx, p.consumer, p.o.To)
	if p.o.DeadLetters != "" {
		p.dead = p.cluster.limitFor(ctx, p.consumer, p.o.DeadLetters)
	}
	return nil
}

// openProducer makes one with a transactional id of its own: that two do not process the same is the
// group's business, not the id's.
func (p *processing) openProducer() (err error) {
	limits := []limit{p.to}
	if p.o.DeadLetters != "" {
		limits = append(limits, p.dead)
	}
	p.producer, err = p.cluster.transactions(fmt.Sprintf("ringtail-%s-%016x", p.o.Group, rand.Uint64()), p.o.Group, limits, kgo.WithHooks(p.brokers))
	return err
}

func (p *processing) loop(ctx context.Context) error {
	for ctx.Err() == nil {
		if len(p.batch) == 0 && !p.crossed {
			if err := p.read(ctx); err != nil {
				return err
			}
		}
		if p.astray && len(p.batch) == 0 {
			if err := p.rewind(ctx); err != nil {
				return err
			}
		}
		if len(p.batch) > 0 || p.crossed {
			if err := p.transact(ctx); err != nil {
				return err
			}
		}
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
	c := commit{topic: p.o.From}
	for partition, next := range p.due(w.n) {
		c.offsets = append(c.offsets, offsetOf(partition, next, nil))
	}
	c.member, c.generation = p.consumer.GroupMetadata()
	a, err := p.producer.transact(w.records, w.of, func(i int) bool { return p.suspects[positionOf(p.batch[i])] }, c)
	if err == nil {
		p.watched.written.Add(w.results)
		p.watched.skipped.Add(w.skipped)
		p.watched.deadLetters.Add(w.deadLetters)
		p.noteCommitted(w.n)
		return w.stop
	}
	if isHopeless(err) {
		_ = p.producer.abort() // or readers would wait for its timeout
		return fmt.Errorf("from topic %s to topic %s: %w", p.o.From, p.o.To, err)
	}
	if err := p.abort(ctx); err != nil {
		return err
	}
	if err := p.learn(a); err != nil {
		return err
	}
	if len(a.refused) == 0 {
		p.progress.trouble(p.brokers.behind(err))
	}
	return p.rewind(ctx)
}

// abort ends a transaction that failed. A producer that cannot go on is replaced.
func (p *processing) abort(ctx context.Context) error {
	if p.producer.abort() == nil {
		return nil
	}
	p.producer.session.Close()
	for {
		err := p.openProducer()
		if err == nil || ctx.Err() != nil {
			return err
		}
		p.progress.trouble(err)
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}
