package toolbox

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/ringtail/ringtail/internal/config"
	"github.com/ringtail/ringtail/internal/toolbox/rdc"
)

// ConsumeOptions say what to read and how to show it.
type ConsumeOptions struct {
	Topic     string
	Group     string // --group; "": no group, nothing is committed
	From      string // --from: beginning, end, or an offset
	Partition int    // --partition; −1: all
	Count     int64  // --count; 0: no limit
	UntilEnd  bool   // --until-end
	Format    string // --format: text, value, json
	CountBy   string // --count-by: a top-level field; "": print records
}

const (
	pollMS      = 100
	storeEvery  = time.Second
	closeLimit  = 10 * time.Second
	sayEvery    = 5 * time.Second
	bufferBytes = 64 << 10
)

// consumption is one run of Consume. It is one goroutine: librdkafka calls back on
// it, within Poll.
//
//	wanted ──assign──► reading ──record or "end of partition" at its end──► done
//
// ends holds, with UntilEnd, where each partition ended when the run began. A
// partition is done once something says that its position has got there: a record
// with that offset or a later one, or the partition's end, since the last offset
// may be a transaction's marker, which is never handed out as a record.
type consumption struct {
	o        ConsumeOptions
	s        Streams
	out      *bufio.Writer
	sink     recordSink
	consumer *kafka.Consumer // of a group; nil where reader reads
	reader   *rdc.Reader     // without a group
	start    kafka.Offset
	ends     map[int32]int64
	reading  map[int32]bool // assigned and not done
	assigned bool
	next     map[int32]kafka.Offset // read, not yet stored for the group
	stored   time.Time
	said     time.Time
	read     int64
}

// recordSink shows records.
type recordSink interface {
	record(r *rdc.Record) error
	idle() // nothing more to read right now
	end() error
}

// Consume reads a topic until ctx ends, or until what the options say. What it has
// shown is committed for the group before it returns.
func Consume(ctx context.Context, c Cluster, o ConsumeOptions, s Streams) error {
	r := &consumption{
		o: o, s: s, out: bufio.NewWriterSize(s.Out, bufferBytes),
		reading: map[int32]bool{}, next: map[int32]kafka.Offset{},
	}
	err := r.prepare()
	if err != nil {
		return err
	}
	if r.consumer, err = r.open(c); err != nil {
		return err
	}
	defer r.close()
	t, err := c.topic(r.consumer, o.Topic)
	if err != nil {
		return err
	}
	if err := partitionOf(t, o.Partition); err != nil {
		return err
	}
	if err := r.findEnds(t); err != nil {
		return err
	}
	if err := r.join(c, t); err != nil {
		return err
	}
	err = r.loop(ctx)
	r.commit()
	if e := r.sink.end(); err == nil {
		err = e
	}
	if e := r.out.Flush(); err == nil {
		err = e
	}
	return err
}

// prepare checks the options.
func (r *consumption) prepare() error {
	switch r.o.From {
	case "beginning":
		r.start = kafka.OffsetBeginning
	case "end":
		r.start = kafka.OffsetEnd
	default:
		n, err := strconv.ParseInt(r.o.From, 10, 64)
		if err != nil || n < 0 {
			return config.Usagef("--from is %q; one of beginning, end, or an offset", r.o.From)
		}
		r.start = kafka.Offset(n)
	}
	switch {
	case r.o.Count < 0:
		return config.Usagef("--count is %d; must be at least 0", r.o.Count)
	case r.o.Group != "" && r.o.Partition >= 0:
		return config.Usagef("--partition: the group deals out partitions; leave out --group or --partition")
	}
	var err error
	if r.o.CountBy != "" {
		r.sink = newCounter(r.o.CountBy, r.out, r.s)
	} else {
		r.sink, err = newPrinter(r.o.Format, r.o.Topic, r.out)
	}
	return err
}

// properties are librdkafka's for this run.
func (r *consumption) properties() map[string]string {
	p := map[string]string{
		"group.id":                 r.o.Group,
		"enable.auto.commit":       strconv.FormatBool(r.o.Group != ""),
		"enable.auto.offset.store": "false", // stored once shown, not once fetched
		"enable.partition.eof":     "true",
		"auto.offset.reset":        "earliest",
		"allow.auto.create.topics": "false",
	}
	if r.start == kafka.OffsetEnd {
		p["auto.offset.reset"] = "latest"
	}
	if r.o.Group == "" {
		p["group.id"] = fmt.Sprintf("ringtail-%016x", rand.Uint64()) // the client wants one; it is never joined
	}
	return p
}

func (r *consumption) open(c Cluster) (*kafka.Consumer, error) {
	cm, err := c.config(r.properties())
	if err != nil {
		return nil, err
	}
	consumer, err := kafka.NewConsumer(cm)
	if err != nil {
		return nil, config.Usagef("--kafka-property: %w", err)
	}
	return consumer, nil
}

func (r *consumption) close() {
	if r.consumer != nil {
		within(closeLimit, func() { _ = r.consumer.Close() })
	}
	if r.reader != nil {
		within(closeLimit, r.reader.Close)
	}
}

// findEnds notes where the partitions end now. A transaction that is still open
// ends a partition before its records: they may never become readable.
func (r *consumption) findEnds(t *kafka.TopicMetadata) error {
	if !r.o.UntilEnd {
		return nil
	}
	r.ends = map[int32]int64{}
	for _, p := range t.Partitions {
		if r.o.Partition >= 0 && int32(r.o.Partition) != p.ID {
			continue
		}
		_, end, err := r.consumer.QueryWatermarkOffsets(r.o.Topic, p.ID, requestMS())
		if err != nil {
			return fmt.Errorf("topic %s, partition %d: its end is not known: %w", r.o.Topic, p.ID, err)
		}
		r.ends[p.ID] = end
	}
	return nil
}

// join takes the partitions: those that the group gives us; without a group, all or
// one, by a reader that takes records by the thousand.
func (r *consumption) join(c Cluster, t *kafka.TopicMetadata) error {
	if r.o.Group != "" {
		return r.consumer.Subscribe(r.o.Topic, r.rebalance)
	}
	properties, err := c.properties(r.properties())
	if err != nil {
		return err
	}
	if r.reader, err = rdc.Open(properties, r.o.Format == "json"); err != nil {
		return config.Usagef("--kafka-property: %w", err)
	}
	within(closeLimit, func() { _ = r.consumer.Close() })
	r.consumer = nil
	var mine []int32
	for _, p := range t.Partitions {
		if r.o.Partition < 0 || int32(r.o.Partition) == p.ID {
			mine = append(mine, p.ID)
		}
	}
	r.take(mine)
	return r.reader.Assign(r.o.Topic, mine, int64(r.start))
}

func (r *consumption) take(partitions []int32) {
	r.assigned = true
	for _, p := range partitions {
		r.reading[p] = true
	}
}

func (r *consumption) loop(ctx context.Context) error {
	wait := 0
	for ctx.Err() == nil && !r.enough() {
		var n int
		var err error
		if r.reader != nil {
			n, err = r.reader.Fetch(wait, r.record)
		} else {
			n, err = r.event(wait)
		}
		if err != nil {
			return err
		}
		wait = 0
		if n == 0 {
			// Nothing is there: show what there was, then wait for more.
			r.sink.idle()
			if err := r.out.Flush(); err != nil {
				return err
			}
			wait = pollMS
		}
		if r.o.Group != "" && time.Since(r.stored) > storeEvery {
			r.store()
		}
	}
	return nil
}

// enough tells whether --count or --until-end are fulfilled.
func (r *consumption) enough() bool {
	return r.o.Count > 0 && r.read >= r.o.Count || r.o.UntilEnd && r.assigned && len(r.reading) == 0
}

// record takes a record, or what librdkafka says among records.
func (r *consumption) record(rec *rdc.Record) error {
	switch {
	case rec.Err == kafka.ErrPartitionEOF:
		if rec.Offset >= r.ends[rec.Partition] {
			r.finish(rec.Partition)
		}
		return nil
	case rec.Err != kafka.ErrNoError:
		return r.trouble(kafka.NewError(rec.Err, string(rec.Value), false))
	case r.enough():
		return nil // the rest of a batch
	}
	if r.o.UntilEnd {
		end := r.ends[rec.Partition]
		if rec.Offset+1 >= end {
			r.finish(rec.Partition)
		}
		if rec.Offset >= end {
			return nil
		}
	}
	r.read++
	if r.o.Group != "" {
		r.next[rec.Partition] = kafka.Offset(rec.Offset + 1)
	}
	return r.sink.record(rec)
}

func (r *consumption) failed(partition int32, err error) error {
	return fmt.Errorf("topic %s, partition %d: %w", r.o.Topic, partition, err)
}

// finish ends the reading of a partition that has got to its end.
func (r *consumption) finish(partition int32) {
	if !r.o.UntilEnd || !r.reading[partition] {
		return
	}
	delete(r.reading, partition)
	if r.consumer != nil {
		_ = r.consumer.Pause([]kafka.TopicPartition{{Topic: &r.o.Topic, Partition: partition}})
	}
}

// trouble is what librdkafka says beside records. It goes on trying; so do we,
// unless it cannot get better.
func (r *consumption) trouble(e kafka.Error) error {
	switch {
	case e.IsFatal(), e.Code() == kafka.ErrTopicAuthorizationFailed, e.Code() == kafka.ErrGroupAuthorizationFailed,
		e.Code() == kafka.ErrUnknownTopicOrPart, e.Code() == kafka.ErrAuthentication:
		return fmt.Errorf("topic %s: %w", r.o.Topic, e)
	}
	if time.Since(r.said) > sayEvery {
		r.s.say("%v; trying on", e)
		r.said = time.Now()
	}
	return nil
}
