package kafkatools

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/ringtail/ringtail/internal/config"
	"github.com/ringtail/ringtail/internal/properties"
)

// Produce writes records to a topic, or to a Ringtail. It returns once all of them
// are there.
func Produce(ctx context.Context, c Cluster, o ProduceOptions, s Streams) error {
	switch {
	case o.To != "" && o.Topic != "":
		return config.Usagef("--to and --topic: records go to one of them; leave the other out")
	case o.To != "":
		return sendTCP(ctx, o, s)
	case o.Ack:
		return config.Usagef("--ack belongs to --to; Kafka acks every record")
	case o.TokenFile != "":
		return config.Usagef("--token-file belongs to --to; Kafka's passwords are -X sasl.password=…")
	case o.Framing != "":
		return config.Usagef("--framing belongs to --to; Kafka has no framing")
	case o.Tombstone && o.Key == nil && o.KeyField == "":
		return config.Usagef("--tombstone: a record without value is about a key; give --key, or --key-field and records")
	case o.Tombstone && o.Key != nil && (o.File != "" || o.Generate != ""):
		return config.Usagef("--tombstone with --key is one record; leave out --generate and the file")
	case o.Key != nil && o.KeyField != "":
		return config.Usagef("--key and --key-field: a record has one key; leave one of them out")
	}
	headers, err := parseHeaders(o.Headers)
	if err != nil {
		return err
	}
	src, err := newSource(ctx, o, s)
	if err != nil {
		return err
	}
	defer src.close()
	t, l, err := c.target(ctx, o)
	if err != nil {
		return err
	}
	properties := producing(l)
	maps.Copy(properties, map[string]string{"enable.idempotence": "true", "queue.buffering.max.messages": "100000"})
	p, err := c.producer(properties)
	if err != nil {
		return err
	}
	r := &production{o: o, s: s, p: p, limit: l, headers: headers, progress: newProgress(s, "produced", src.share)}
	for _, p := range t.Partitions {
		if p.Leader >= 0 {
			r.turn = append(r.turn, p.ID)
		}
	}
	slices.Sort(r.turn)
	begins(ctx)
	return r.run(src)
}

// target looks whether the topic is there, and what it takes.
func (c Cluster) target(ctx context.Context, o ProduceOptions) (*kafka.TopicMetadata, limit, error) {
	if err := c.refuseRole(properties.ForConsumers); err != nil {
		return nil, limit{}, err
	}
	a, err := c.admin()
	if err != nil {
		return nil, limit{}, err
	}
	defer a.Close()
	t, err := c.topic(a, o.Topic)
	if err != nil {
		return nil, limit{}, err
	}
	if err := partitionOf(t, o.Partition); err != nil {
		return nil, limit{}, err
	}
	return t, c.limitOf(ctx, a, o.Topic), nil
}

// producer makes a producer; close it.
func (c Cluster) producer(properties map[string]string) (*kafka.Producer, error) {
	cm, err := c.config(properties)
	if err != nil {
		return nil, err
	}
	// confluent-kafka-go's own: reports carry no copy of the record, and its queues
	// are not made for a million.
	(*cm)["go.delivery.report.fields"] = "none"
	(*cm)["go.produce.channel.size"] = 1
	(*cm)["go.events.channel.size"] = 10000
	p, err := kafka.NewProducer(cm)
	if err != nil {
		return nil, config.Usagef("--kafka-property: %w", err)
	}
	return p, nil
}

func parseHeaders(list []string) ([]kafka.Header, error) {
	var out []kafka.Header
	for _, h := range list {
		name, value, ok := strings.Cut(h, "=")
		if !ok || name == "" {
			return nil, config.Usagef("--header is %q; write name=value", h)
		}
		out = append(out, kafka.Header{Key: name, Value: []byte(value)})
	}
	return out, nil
}

// production is one run of Produce. Its own goroutine hands records to librdkafka;
// another takes the reports.
type production struct {
	o         ProduceOptions
	s         Streams
	p         *kafka.Producer
	limit     limit
	headers   []kafka.Header
	progress  *progress
	keyless   int64   // records that --key-field found no key in
	turn      []int32 // partitions that records without key go to, one after the other
	turned    int
	delivered atomic.Int64
	failure   atomic.Pointer[refusal]
	said      time.Time // when trouble was last told
	stall     stall
}

// parcel goes with a record, and comes back with its report.
type parcel struct {
	number, line int64
	bytes        int
}

// refusal is what ends a run: an error, and the record that it is about, if it is about one.
type refusal struct {
	parcel
	err error
}

// stall is records waiting that nobody takes: librdkafka is silent about partitions
// that have no leader, until message.timeout.ms has passed.
type stall struct {
	delivered int64
	since     time.Time // zero: nothing has been seen yet
	told      bool
}

// lasts tells, once each time, whether records have been waiting for sayEvery and none
// has been delivered meanwhile.
func (w *stall) lasts(handed, delivered int64, now time.Time) bool {
	if w.since.IsZero() || delivered != w.delivered || handed == delivered {
		*w = stall{delivered: delivered, since: now}
	}
	if w.told || now.Sub(w.since) < sayEvery {
		return false
	}
	w.told = true
	return true
}

// sayProgress says how far it is, when that is due.
func (r *production) sayProgress(handed int64) {
	delivered := r.delivered.Load()
	r.progress.at(delivered)
	if r.stall.lasts(handed, delivered, time.Now()) {
		r.progress.clear()
		r.s.say("Kafka has taken none of %d records for %v; `ringtail topics describe %s` shows whether a partition has no leader; trying on",
			handed-delivered, sayEvery, r.o.Topic)
	}
}

func (r *production) run(src *source) error {
	reported := make(chan struct{})
	go func() {
		defer close(reported)
		for event := range r.p.Events() {
			r.report(event)
		}
	}()
	err := r.hand(src)
	// What has been handed over is seen through, whatever ended the handing over.
	for await(r.p, pollMS*time.Millisecond) > 0 && r.failure.Load() == nil {
		r.sayProgress(src.handed)
	}
	if err != nil || r.failure.Load() != nil {
		_ = r.p.Purge(kafka.PurgeQueue | kafka.PurgeInFlight)
		await(r.p, closeLimit)
	}
	r.p.Close() // and with it the channel of its events
	<-reported
	r.progress.end(r.delivered.Load(), "to "+r.o.Topic)
	if r.keyless > 0 {
		r.s.say("%s had no field %s and went without key", plural(r.keyless, "record"), r.o.KeyField)
	}
	if f := r.failure.Load(); f != nil {
		if isOneOf(f.err, refusals) {
			return fmt.Errorf("%s: %w", src.placeOf(f.number, f.line), r.limit.refused(f.err, f.bytes))
		}
		return fmt.Errorf("topic %s: %w", r.o.Topic, f.err)
	}
	return err
}

// hand gives every record of src to librdkafka.
func (r *production) hand(src *source) error {
	for r.failure.Load() == nil {
		record, err := src.record()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		m := &kafka.Message{Value: record, Key: r.key(record), Headers: r.headers}
		if r.o.Tombstone {
			if m.Value = nil; m.Key == nil {
				return fmt.Errorf("%s: it has no field %s, so there is no key to write a tombstone for", src.place(), r.o.KeyField)
			}
		}
		m.Opaque = parcel{src.handed, src.line, len(m.Key) + len(m.Value)}
		m.TopicPartition = kafka.TopicPartition{Topic: &r.o.Topic, Partition: r.partition(m.Key)}
		for {
			err = r.p.Produce(m, nil)
			if !isCode(err, kafka.ErrQueueFull) || r.failure.Load() != nil {
				break
			}
			await(r.p, 10*time.Millisecond)
			r.sayProgress(src.handed)
		}
		if isOneOf(err, refusals) {
			return fmt.Errorf("%s: %w", src.place(), r.limit.refused(err, len(m.Key)+len(m.Value)))
		}
		if err != nil {
			return fmt.Errorf("%s: %w", src.place(), err)
		}
		r.sayProgress(src.handed)
	}
	return nil
}

// partition is the one asked for; the key's; or, without key, the next one's turn.
func (r *production) partition(key []byte) int32 {
	switch {
	case r.o.Partition >= 0:
		return int32(r.o.Partition)
	case key != nil || len(r.turn) == 0:
		return kafka.PartitionAny
	}
	p := r.turn[r.turned%len(r.turn)]
	r.turned++
	return p
}

func (r *production) key(record []byte) []byte {
	if r.o.Key != nil {
		return []byte(*r.o.Key)
	}
	if r.o.KeyField == "" {
		return nil
	}
	key, ok := topLevel(record, r.o.KeyField)
	if !ok {
		r.keyless++
		return nil
	}
	return []byte(key)
}

// report counts what Kafka says.
func (r *production) report(event kafka.Event) {
	switch e := event.(type) {
	case *kafka.Message:
		if err := e.TopicPartition.Error; err == nil {
			r.delivered.Add(1)
		} else if !isCode(err, kafka.ErrPurgeQueue) && !isCode(err, kafka.ErrPurgeInflight) {
			r.fail(refusal{e.Opaque.(parcel), err})
		}
	case kafka.Error:
		if e.IsFatal() || e.Code() == kafka.ErrAuthentication {
			r.fail(refusal{err: e})
		} else if time.Since(r.said) > sayEvery {
			r.s.say("%v; trying on", e)
			r.said = time.Now()
		}
	}
}

// fail notes why the run ends. Where records are refused together, as one batch, the
// largest is the one to name.
func (r *production) fail(f refusal) {
	if first := r.failure.Load(); first == nil || isOneOf(first.err, refusals) && isOneOf(f.err, refusals) && f.bytes > first.bytes {
		r.failure.Store(&f)
	}
}
