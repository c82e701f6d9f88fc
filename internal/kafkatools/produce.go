package kafkatools

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

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
	r := &production{o: o, s: s, headers: headers, brokers: newBrokers(c), batchMost: messageMaxDefault, progress: newProgress(s, "produced", src.share)}
	if err := r.open(ctx, c); err != nil {
		return err
	}
	begins(ctx)
	return r.run(src)
}

// open looks whether the topic is there, and what it takes.
func (r *production) open(ctx context.Context, c Cluster) (err error) {
	if err := c.refuseRole(properties.ForConsumers); err != nil {
		return err
	}
	r.keyed = partitioner(cmp.Or(c.Properties[c.given("partitioner")], defaults["partitioner"])).ForTopic(r.o.Topic)
	r.client, err = c.client(nil,
		kgo.WithHooks(r.brokers), kgo.MaxBufferedRecords(bufferedRecords+1), kgo.ProducerBatchMaxBytesFn(func(string) int32 { return r.batchMost }),
		kgo.RecordPartitioner(kgo.BasicConsistentPartitioner(func(string) func(*kgo.Record, int) int { return r.partition })))
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			r.client.Close()
		}
	}()
	topics, err := c.reach(ctx, r.client, r.o.Topic)
	if err != nil {
		return err
	}
	partitions := topics[r.o.Topic].Partitions
	if err := checkPartition(r.o.Topic, len(partitions), r.o.Partition); err != nil {
		return err
	}
	for _, p := range partitions.Sorted() {
		if p.Leader >= 0 {
			r.turn = append(r.turn, p.Partition)
		}
	}
	r.takes(c.limitFor(ctx, r.client, r.o.Topic))
	return nil
}

// takes notes how large records and batches may be. franz-go takes no record that is larger than a
// batch, and splits none that Kafka refuses: where a record may be larger than batches should be,
// there is never more than a batch on its way.
func (r *production) takes(l limit) {
	r.limit, r.batch = l, cmp.Or(l.bytes, messageMaxDefault)
	most := l.batch()
	if l.user > 0 || l.loose {
		most = min(l.most()+batchAdds, requestMost)
	}
	r.batchMost, r.narrow = int32(most), most > r.batch
}

func parseHeaders(list []string) ([]kgo.RecordHeader, error) {
	var out []kgo.RecordHeader
	for _, h := range list {
		name, value, ok := strings.Cut(h, "=")
		if !ok || name == "" {
			return nil, config.Usagef("--header is %q; write name=value", h)
		}
		out = append(out, kgo.RecordHeader{Key: name, Value: []byte(value)})
	}
	return out, nil
}

// How much may be on its way to Kafka, and what a batch adds to its only record, and each record to
// its bytes, at the most.
const (
	bufferedRecords = 100_000
	bufferedBytes   = 64 << 20
	batchAdds       = 256
	recordAdds      = 32
)

// production is one run of Produce. Its own goroutine hands records to franz-go, which calls partition
// and reported on goroutines of its own.
type production struct {
	o         ProduceOptions
	s         Streams
	client    *kgo.Client
	brokers   *brokers
	keyed     kgo.TopicPartitioner
	limit     limit
	batch     int   // bytes: how large one should be
	batchMost int32 // … and may be for the sake of a large record
	narrow    bool  // these are not the same
	headers   []kgo.RecordHeader
	progress  *progress
	keyless   int64   // records that --key-field found no key in
	turn      []int32 // partitions that records without key go to, one after the other
	turned    int
	delivered atomic.Int64
	failure   atomic.Pointer[refusal]
	stall     stall
}

// parcel is a record on its way.
type parcel struct {
	number, line int64
	bytes        int
}

// refusal is what ends a run: an error, and the record that it is about, if it is about one.
type refusal struct {
	parcel
	err error
}

// stall is records waiting that nobody takes: franz-go is silent about partitions
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

// sayProgress says how far it is, and what is in the way, when that is due.
func (r *production) sayProgress(handed int64) {
	delivered := r.delivered.Load()
	r.progress.at(delivered)
	if err := r.brokers.hopeless(); err != nil {
		r.failure.CompareAndSwap(nil, &refusal{err: err})
	} else if err := r.brokers.trouble(); err != nil {
		r.progress.trouble(err)
	}
	if r.stall.lasts(handed, delivered, time.Now()) {
		r.progress.aloud("Kafka has taken none of %d records for %v; `ringtail topics describe %s` shows whether a partition has no leader; trying on",
			handed-delivered, sayEvery, r.o.Topic)
	}
}

func (r *production) run(src *source) error {
	defer r.client.Close()
	err := r.hand(src)
	// What has been handed over is seen through, whatever ended the handing over.
	for r.failure.Load() == nil && !r.flushed(pollMS*time.Millisecond) {
		r.sayProgress(src.handed)
	}
	if err != nil || r.failure.Load() != nil {
		r.client.UnsafeAbortBufferedRecords()
		r.flushed(closeLimit) // so that the whole of a batch has been reported
	}
	r.progress.end(r.delivered.Load(), "to "+r.o.Topic)
	if r.keyless > 0 {
		r.s.say("%s had no field %s and went without key", plural(r.keyless, "record"), r.o.KeyField)
	}
	if f := r.failure.Load(); f != nil {
		if isAny(f.err, refusalCodes) {
			return fmt.Errorf("%s: %w", src.placeOf(f.number, f.line), r.limit.refused(f.err, f.bytes))
		}
		if errors.Is(f.err, kerr.UnknownTopicID) {
			return fmt.Errorf("topic %s was deleted while it was written: %w", r.o.Topic, f.err)
		}
		return fmt.Errorf("topic %s: %w", r.o.Topic, f.err)
	}
	return err
}

// flushed waits, so long at the most, until nothing is on its way, and returns whether that is so.
func (r *production) flushed(limit time.Duration) bool {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	return r.client.Flush(ctx) == nil
}

// hand gives every record of src to franz-go.
func (r *production) hand(src *source) error {
	for r.failure.Load() == nil {
		record, err := src.record()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		m := &kgo.Record{Topic: r.o.Topic, Value: record, Key: r.key(record), Headers: r.headers}
		if r.o.Tombstone {
			if m.Value = nil; m.Key == nil {
				return fmt.Errorf("%s: it has no field %s, so there is no key to write a tombstone for", src.place(), r.o.KeyField)
			}
		}
		p := parcel{src.handed, src.line, len(m.Key) + len(m.Value)}
		if p.bytes > r.limit.most() {
			return fmt.Errorf("%s: %w", src.place(), r.limit.tooLarge(p.bytes))
		}
		for r.full(p.bytes) && r.failure.Load() == nil {
			time.Sleep(time.Millisecond)
			r.sayProgress(src.handed)
		}
		r.client.Produce(context.Background(), m, func(_ *kgo.Record, err error) { r.reported(p, err) })
		r.sayProgress(src.handed)
	}
	return nil
}

// full tells whether so many bytes more have to wait.
func (r *production) full(bytes int) bool {
	records, size := r.client.BufferedProduceRecords(), r.client.BufferedProduceBytes()
	return records >= bufferedRecords || size >= bufferedBytes ||
		r.narrow && records > 0 && size+int64(bytes)+(records+1)*recordAdds+batchAdds > int64(r.batch)
}

// partition is the one asked for; the key's; or, without key, the next one's turn.
func (r *production) partition(m *kgo.Record, partitions int) int {
	switch {
	case r.o.Partition >= 0:
		return r.o.Partition
	case m.Key != nil || len(r.turn) == 0:
		return r.keyed.Partition(m, partitions)
	}
	r.turned++
	return int(r.turn[(r.turned-1)%len(r.turn)])
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

// reported counts what Kafka says of a record.
func (r *production) reported(p parcel, err error) {
	if err == nil {
		r.delivered.Add(1)
	} else if !errors.Is(err, kgo.ErrAborting) {
		r.fail(refusal{p, err})
	}
}

// fail notes why the run ends. Where records are refused together, as one batch, the
// largest is the one to name.
func (r *production) fail(f refusal) {
	if first := r.failure.Load(); first == nil || isAny(first.err, refusalCodes) && isAny(f.err, refusalCodes) && f.bytes > first.bytes {
		r.failure.Store(&f)
	}
}
