package kafkatools

import (
	"context"
	"errors"
	"fmt"
	"maps"
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
	properties := producing(p.to)
	if p.o.OnError == onErrorDeadLetter {
		properties = producing(p.to, p.dead)
	}
	maps.Copy(properties, map[string]string{
		"transactional.id":       fmt.Sprintf("ringtail-%s-%016x", p.o.Group, rand.Uint64()),
		"transaction.timeout.ms": takeover,
		"message.timeout.ms":     takeover,
	})
	return properties
}

func (p *processing) openProducer() error {
	producer, err := p.cluster.producer(p.producing())
	if err != nil {
		return err
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
		return fmt.Errorf("--brokers %s: no transactions: %w", p.cluster.Brokers, p.cluster.because(err))
	}
	p.producer = producer
	return nil
}

// errRefused ends an attempt of which it is known that a record is refused.
var errRefused = errors.New("a record is refused")

// try does work in one transaction.
func (p *processing) try(w work) (*attempt, error) {
	a := &attempt{refused: map[int]error{}}
	ctx, cancel := context.WithTimeout(context.Background(), txLimit)
	defer cancel()
	if err := p.producer.BeginTransaction(); err != nil {
		return a, err
	}
	for i, m := range w.messages {
		t := ticket{a, w.of[i]}
		m.Opaque = t
		alone := p.suspects[positionOf(p.batch[t.of])]
		if alone {
			a.await(ctx)
		}
		a.handed.Add(1)
		err := p.producer.Produce(m, nil)
		for ; isCode(err, kafka.ErrQueueFull); err = p.producer.Produce(m, nil) {
			await(p.producer, 10*time.Millisecond)
		}
		if err != nil {
			a.handed.Add(-1)
			t.report(*m.TopicPartition.Topic, err)
			return a, err
		}
		if alone {
			if a.await(ctx); a.failed() {
				return a, errRefused
			}
		}
	}
	group, err := p.consumer.GetConsumerGroupMetadata()
	if err != nil {
		return a, err
	}
	if err := retry(ctx, func() error { return p.producer.SendOffsetsToTransaction(ctx, p.offsets(w.n), group) }); err != nil {
		return a, err
	}
	return a, retry(ctx, func() error { return p.producer.CommitTransaction(ctx) })
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
