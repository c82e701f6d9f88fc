package kafkatools

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// attempt is one transaction, and what Kafka says of its records.
type attempt struct {
	handed, reported atomic.Int64

	mu       sync.Mutex
	refused  map[int]error // by the record's index in the batch
	hopeless error
}

func newAttempt() *attempt { return &attempt{refused: map[int]error{}} }

// ticket goes with a message, and comes back with its report.
type ticket struct {
	*attempt
	of int
}

// report takes what became of a message. Errors that may pass are no business of the
// attempt: it fails, and the next may do better.
func (t ticket) report(topic string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case isOneOf(err, refusals):
		t.refused[t.of] = err
	case isOneOf(err, hopeless):
		t.hopeless = fmt.Errorf("topic %s: %w", topic, err)
	}
}

// await waits until everything has been reported, or ctx ends.
func (a *attempt) await(ctx context.Context) {
	for ctx.Err() == nil && a.reported.Load() < a.handed.Load() {
		time.Sleep(time.Millisecond)
	}
}

// producing has a transactional id of its own: that two do not process the same is the group's
// business, not the id's.
func (p *processing) producing() map[string]string {
	limits := []limit{p.to}
	if p.o.OnError == onErrorDeadLetter {
		limits = append(limits, p.dead)
	}
	return inTransactions(fmt.Sprintf("ringtail-%s-%016x", p.o.Group, rand.Uint64()), limits...)
}

func (p *processing) openProducer() error {
	producer, err := p.cluster.transactional(p.producing())
	if err == nil {
		p.producer = producer
	}
	return err
}

// transactional makes a producer whose reports go to the attempts that its messages belong to. The
// transaction that an earlier one with its id has left open has ended when it returns.
func (c Cluster) transactional(properties map[string]string) (*kafka.Producer, error) {
	producer, err := c.producer(properties)
	if err != nil {
		return nil, err
	}
	go func() { // until Close closes the channel
		for event := range producer.Events() {
			if m, ok := event.(*kafka.Message); ok {
				t := m.Opaque.(ticket)
				if m.TopicPartition.Error != nil {
					t.report(*m.TopicPartition.Topic, m.TopicPartition.Error)
				}
				t.reported.Add(1)
			}
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), txLimit)
	defer cancel()
	if err := producer.InitTransactions(ctx); err != nil {
		producer.Close()
		return nil, fmt.Errorf("--brokers %s: no transactions: %w", c.Brokers, c.because(err))
	}
	return producer, nil
}

// errRefused ends an attempt of which it is known that a record is refused.
var errRefused = errors.New("a record is refused")

// try does work in one transaction.
func (p *processing) try(w work) (*attempt, error) {
	a := newAttempt()
	alone := func(i int) bool { return p.suspects[positionOf(p.batch[i])] }
	return a, a.transact(p.producer, w.messages, w.of, alone, p.offsets(w.n), p.consumer.GetConsumerGroupMetadata)
}

// transact writes messages and a group's offsets in one transaction; of says of which record each
// message is, alone which records' are sent one by one.
func (a *attempt) transact(p *kafka.Producer, messages []*kafka.Message, of []int, alone func(int) bool,
	offsets []kafka.TopicPartition, metadata func() (*kafka.ConsumerGroupMetadata, error)) error {
	ctx, cancel := context.WithTimeout(context.Background(), txLimit)
	defer cancel()
	if err := p.BeginTransaction(); err != nil {
		return err
	}
	for i, m := range messages {
		if err := a.hand(ctx, p, m, of[i], alone(of[i])); err != nil {
			return err
		}
	}
	group, err := metadata()
	if err != nil {
		return err
	}
	if err := retry(ctx, func() error { return p.SendOffsetsToTransaction(ctx, offsets, group) }); err != nil {
		return err
	}
	return retry(ctx, func() error { return p.CommitTransaction(ctx) })
}

// hand hands a message over; one that goes alone waits for those before it, and for its report.
func (a *attempt) hand(ctx context.Context, p *kafka.Producer, m *kafka.Message, of int, alone bool) error {
	t := ticket{a, of}
	m.Opaque = t
	if alone {
		a.await(ctx)
	}
	a.handed.Add(1)
	err := p.Produce(m, nil)
	for ; isCode(err, kafka.ErrQueueFull); err = p.Produce(m, nil) {
		await(p, 10*time.Millisecond)
	}
	if err != nil {
		a.handed.Add(-1)
		t.report(*m.TopicPartition.Topic, err)
		return err
	}
	if alone {
		if a.await(ctx); a.failed() {
			return errRefused
		}
	}
	return nil
}

func (a *attempt) failed() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.refused) > 0 || a.hopeless != nil
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

// abort ends a transaction that failed; then all of its records have been reported. A
// producer that cannot go on is replaced; its transaction, if the coordinator has it
// still, ends by its timeout.
func (p *processing) abort(ctx context.Context, a *attempt, cause error) error {
	var ke kafka.Error
	if !errors.As(cause, &ke) || !ke.IsFatal() {
		limit, cancel := context.WithTimeout(context.Background(), txLimit)
		defer cancel()
		if retry(limit, func() error { return p.producer.AbortTransaction(limit) }) == nil {
			a.await(limit)
			return nil
		}
	}
	p.producer.Close()
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
