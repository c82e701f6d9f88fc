package kafkatools

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/ringtail/ringtail/internal/config"
)

// transactions are a producer's that also commits a group's offsets. It is in the group by name alone
// and joins it never: whose offsets they are, and which generation, is said with each commit.
type transactions struct {
	session *kgo.GroupTransactSession
	id      string
}

// offset is one to commit.
type offset = kmsg.TxnOffsetCommitRequestTopicPartition

func offsetOf(partition int32, next int64, metadata *string) offset {
	o := kmsg.NewTxnOffsetCommitRequestTopicPartition()
	o.Partition, o.Offset, o.Metadata = partition, next, metadata
	return o
}

// commit is what a transaction commits of a topic, in the name of a group's member.
type commit struct {
	topic      string
	offsets    []offset
	member     string // "": none, the group has no members
	generation int32
}

func (c commit) fill(r *kmsg.TxnOffsetCommitRequest) error {
	r.MemberID, r.Generation = c.member, c.generation
	t := kmsg.NewTxnOffsetCommitRequestTopic()
	t.Topic, t.Partitions = c.topic, c.offsets
	r.Topics = []kmsg.TxnOffsetCommitRequestTopic{t}
	return nil
}

// transactions makes a producer to topics with these limits. The transaction that an earlier one with
// its id has left open has ended when it returns.
func (c Cluster) transactions(id, group string, to []limit, opts ...kgo.Opt) (*transactions, error) {
	o, err := c.options(inTransactions(id, group))
	if err != nil {
		return nil, err
	}
	// A time limit would begin with a record's timestamp, which is that of the record it is made of.
	o = append(o, batches(to...), kgo.RecordDeliveryTimeout(0))
	t := &transactions{id: id}
	if t.session, err = kgo.NewGroupTransactSession(append(o, opts...)...); err != nil {
		return nil, config.Usagef("--kafka-property: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), txLimit)
	defer cancel()
	if _, _, err := t.session.Client().ProducerID(ctx); err != nil {
		t.session.Close()
		return nil, fmt.Errorf("--brokers %s: no transactions: %w", c.Brokers, c.whyNot(err))
	}
	return t, nil
}

// inTransactions are the properties of such a producer.
func inTransactions(id, group string) map[string]string {
	return map[string]string{"transactional.id": id, "group.id": group, "transaction.timeout.ms": takeover}
}

// isHopeless tells whether no repetition makes an error better.
func isHopeless(err error) bool {
	return isAny(err, hopelessCodes) || errors.Is(err, kerr.UnknownTopicID)
}

// settle waits until the coordinator has done with the transaction before. For records franz-go waits;
// a transaction of offsets alone it would take back.
func (t *transactions) settle(ctx context.Context) {
	for admin := kadm.NewClient(t.session.Client()); ; time.Sleep(2 * time.Millisecond) {
		all, err := admin.DescribeTransactions(ctx, t.id) // Kafka before 3.0 does not know that, and franz-go waits there
		if err != nil || !strings.HasPrefix(all[t.id].State, "Prepare") {
			return
		}
	}
}

// abort takes back what is open. It is an error where the producer cannot go on; if the coordinator
// has a transaction of it still, that ends by its timeout.
func (t *transactions) abort() error {
	ctx, cancel := context.WithTimeout(context.Background(), txLimit)
	defer cancel()
	if _, err := t.session.End(ctx, kgo.TryAbort); err != nil {
		return err
	}
	_, _, err := t.session.Client().ProducerID(ctx)
	return err
}

// attempt is one transaction, and what Kafka says of its records.
type attempt struct {
	mu      sync.Mutex
	refused map[int]error // by the record's index in the batch
	other   error         // the first that is no record's fault
}

// report takes what became of a record.
func (a *attempt) report(of int, topic string, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case isAny(err, refusalCodes):
		a.refused[of] = err
	case err != nil && a.other == nil:
		a.other = fmt.Errorf("topic %s: %w", topic, err)
	}
}

var (
	// errRefused ends an attempt of which it is known that a record is refused.
	errRefused = errors.New("a record is refused")
	// errMoved: franz-go takes such a transaction back by itself, and does not say which it was.
	errMoved = errors.New("the group's members are changing, or its coordinator is")
)

func (a *attempt) failed() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.refused) > 0 {
		return errRefused
	}
	return a.other
}

// transact writes records and commits offsets in one transaction; of says of which record of the batch
// each one is, alone which are sent one by one.
func (t *transactions) transact(records []*kgo.Record, of []int, alone func(int) bool, c commit) (*attempt, error) {
	a := &attempt{refused: map[int]error{}}
	ctx, cancel := context.WithTimeout(context.Background(), txLimit)
	defer cancel()
	if err := t.session.Begin(); err != nil {
		return a, err
	}
	flushed := func() error { return cmp.Or(t.session.Client().Flush(ctx), a.failed()) }
	for i, behindLone := 0, false; i < len(records); i++ {
		r, lone := records[i], alone(of[i])
		if lone || behindLone {
			if err := flushed(); err != nil {
				return a, err
			}
		}
		behindLone = lone
		t.session.Produce(ctx, r, func(r *kgo.Record, err error) { a.report(of[i], r.Topic, err) })
	}
	if err := flushed(); err != nil {
		return a, err
	}
	if len(records) == 0 {
		t.settle(ctx)
	}
	committed, err := t.session.End(kgo.PreTxnCommitFnContext(ctx, c.fill), kgo.TryCommit)
	if err == nil && !committed {
		err = errMoved
	}
	return a, err
}
