package kafkatools

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/ringtail/ringtail/internal/config"
	"github.com/ringtail/ringtail/internal/properties"
	"github.com/ringtail/ringtail/producer/librdkafka"
)

// ConsumeOptions are the flags of consume: what to read and how to show it. Without a group
// nothing is committed.
type ConsumeOptions struct {
	Topics    config.List  `name:"topic" placeholder:"TOPIC" help:"The topic to read. Repeatable."`
	Group     string       `help:"Read as a member of this group and commit what was shown."`
	From      string       `default:"end" values:"beginning,end" help:"Where to begin: beginning, end, an offset, -N (the last N of each partition), or a time (2026-11-26T17:00:00Z, \"2026-11-26 17:00\", 15m ago as 15m). A group's committed offset wins."`
	Partition int          `default:"-1" help:"Read this partition alone. Default: all."`
	Count     config.Count `default:"0" help:"Stop after so many records: 500, 10k, 1M. 0: no limit."`
	UntilEnd  bool         `help:"Stop at the ends that the partitions have now."`
	Format    string       `default:"text" enum:"text,value,json" help:"text (topic:partition:offset: key=… value=…), value, or json (one object a line)."`
	Print     string       `placeholder:"FORMAT" help:"Print each record like this instead, as kcat -f does: %t topic, %p partition, %o offset, %k key, %v value (%s too), %T timestamp (ms), %h headers, %K and %S the bytes of key and value (-1: there is none), %%; \\n, \\t, \\r, \\0, \\xHH and \\\\. Nothing is added to it."`
	CountBy   string       `placeholder:"FIELD" help:"Count records by a top-level field instead of printing them: a live table on a terminal, else value and count at the end."`
	MetricsOptions
}

const (
	pollMS      = 100
	rangeMS     = 5000 // for partitions without a leader, which never answer
	commitEvery = time.Second
	closeLimit  = 10 * time.Second
	sayEvery    = 5 * time.Second
	bufferBytes = 64 << 10
)

// consumption is one run of Consume. It is one goroutine; changes of the group come
// among the records.
//
//	wanted ──assign──► reading ──record or "end of partition" at its end──► done
//
// ends holds, with UntilEnd, where each partition ended when the run began. A
// partition is done once something says that its position has got there: a record
// with that offset or a later one, or the partition's end, since the last offset
// may be a transaction's marker, which is never handed out as a record.
type consumption struct {
	o         ConsumeOptions
	s         Streams
	out       *bufio.Writer
	sink      recordSink
	reader    *librdkafka.Reader
	standing  *standing
	progress  *progress
	start     moment // --from
	ends      map[librdkafka.Partition]int64
	admin     *kafka.AdminClient
	ids       []kafka.UUID // of each topic, when the run began
	known     []int32      // partitions that each topic had when it was last looked at
	looked    time.Time
	assigned  bool
	committed time.Time
	read      int64
}

// recordSink shows records.
type recordSink interface {
	record(m *librdkafka.Message) error
	idle() // nothing more to read right now
	end() error
}

// Consume reads a topic until ctx ends, or until what the options say. What it has
// shown is committed for the group before it returns.
func Consume(ctx context.Context, c Cluster, o ConsumeOptions, s Streams) error {
	r := &consumption{o: o, s: s, out: bufio.NewWriterSize(s.Out, bufferBytes), standing: newStanding(o)}
	if err := cmp.Or(r.prepare(), c.refuseReset("consume")); err != nil {
		return err
	}
	settings, err := c.properties(r.properties())
	if err == nil {
		err = c.refuseRole(properties.ForProducers)
	}
	if err != nil {
		return err
	}
	if r.admin, err = c.admin(); err != nil {
		return err
	}
	defer r.admin.Close()
	partitions, err := r.findPartitions(c)
	if err != nil {
		return err
	}
	if r.reader, err = librdkafka.NewReader(settings, o.Topics...); err != nil {
		return config.Usagef("%w", err)
	}
	r.standing.ask(r.reader)
	defer within(closeLimit, r.reader.Close)
	stop, err := o.expose(r.standing, s)
	if err != nil {
		return err
	}
	defer stop()
	if err := r.findEnds(partitions); err != nil {
		return c.because(err)
	}
	begins(ctx)
	if err := r.join(partitions); err != nil {
		return err
	}
	err = r.loop(ctx)
	err = cmp.Or(err, r.commitLast(err))
	r.progress.clear()
	return cmp.Or(err, r.sink.end(), r.out.Flush(), r.standing.err())
}

// prepare checks the options.
func (r *consumption) prepare() error {
	var err error
	if r.start, err = parseMoment("--from", r.o.From, time.Now()); err != nil {
		return err
	}
	sorted := slices.Sorted(slices.Values(r.o.Topics))
	switch {
	case len(sorted) == 0:
		return config.Usagef("--topic is missing; name one of `ringtail topics list`")
	case len(slices.Compact(sorted)) < len(r.o.Topics):
		return config.Usagef("--topic: %s are not all different ones", r.names())
	case r.o.Print != "" && (r.o.Format != "text" || r.o.CountBy != ""):
		return config.Usagef("--print: it is a format of its own; leave out --format and --count-by")
	case r.o.Group != "" && r.o.Partition >= 0:
		return config.Usagef("--partition: the group deals out partitions; leave out --group or --partition")
	}
	r.progress = newProgress(r.s, "consumed", r.share)
	r.progress.also = r.standing.String
	if r.s.OutTerminal {
		r.progress.s.ErrTerminal = false // two things cannot move on one screen
	}
	if r.o.CountBy != "" {
		r.sink = newCounter(r.o.CountBy, r.out, r.s, r.standing)
		return nil
	}
	r.sink, err = newPrinter(r.o, r.out)
	return err
}

// properties are librdkafka's for this run.
func (r *consumption) properties() map[string]string {
	p := map[string]string{
		"group.id":                 r.o.Group,
		"enable.auto.commit":       "false", // what was shown is committed, not what was fetched
		"enable.auto.offset.store": "false",
		"enable.partition.eof":     "true",
		"auto.offset.reset":        "earliest", // never past records that are there, whatever --from says
		"allow.auto.create.topics": "false",
		// Whenever 100,000 records wait to be shown, librdkafka stops fetching, by default for a
		// second, however soon they are gone.
		"fetch.queue.backoff.ms": "10",
		// A group deals out new partitions when its leader's client has seen them; by default that
		// looks every five minutes.
		"topic.metadata.refresh.interval.ms": strconv.Itoa(int(partitionsEvery / time.Millisecond)),
	}
	if r.o.Group == "" {
		p["group.id"] = fmt.Sprintf("ringtail-%016x", rand.Uint64()) // the client wants one; it is never joined
	}
	return p
}

// names are the topics, for messages.
func (r *consumption) names() string { return strings.Join(r.o.Topics, ", ") }

// findPartitions finds the topics' partitions, those that are wanted.
func (r *consumption) findPartitions(c Cluster) (wanted []librdkafka.Partition, err error) {
	r.looked = time.Now()
	for i, topic := range r.o.Topics {
		of, err := r.partitionsOf(c, int32(i), topic)
		if err != nil {
			return nil, err
		}
		wanted = append(wanted, of...)
	}
	return wanted, nil
}

func (r *consumption) partitionsOf(c Cluster, index int32, topic string) (wanted []librdkafka.Partition, err error) {
	t, err := c.topic(r.admin, topic)
	if err != nil {
		return nil, err
	}
	id, _ := topicID(r.admin, topic)
	r.ids, r.known = append(r.ids, id), append(r.known, int32(len(t.Partitions)))
	if err := partitionOf(t, r.o.Partition); err != nil {
		return nil, err
	}
	for _, p := range t.Partitions {
		if r.o.Partition >= 0 && int32(r.o.Partition) != p.ID {
			continue
		}
		if r.o.UntilEnd && p.Leader < 0 {
			return nil, fmt.Errorf("topic %s, partition %d: it has no leader, so its end is not known; `ringtail topics describe %s` shows it", topic, p.ID, topic)
		}
		wanted = append(wanted, librdkafka.Partition{Topic: index, ID: p.ID})
	}
	return wanted, nil
}

// findEnds notes where the partitions end now. A transaction that is still open ends a
// partition before its records: they may never become readable.
func (r *consumption) findEnds(partitions []librdkafka.Partition) error {
	if !r.o.UntilEnd {
		return nil
	}
	_, next, err := r.reader.Range(partitions, requestMS())
	if err != nil {
		return fmt.Errorf("topic %s: the ends of its partitions are not known: %w", r.names(), err)
	}
	r.ends = map[librdkafka.Partition]int64{}
	for _, end := range next {
		r.ends[end.Partition] = end.Offset
	}
	return nil
}

func (r *consumption) loop(ctx context.Context) error {
	each := func(m *librdkafka.Message) error { return r.record(ctx, m) }
	wait := 0
	for ctx.Err() == nil && !r.enough() {
		n, err := r.reader.Fetch(wait, each)
		if err != nil {
			return err
		}
		r.progress.at(r.read)
		wait = 0
		if n == 0 {
			// Nothing is there: show what there was, then wait for more.
			r.sink.idle()
			if err := r.out.Flush(); err != nil {
				return err
			}
			wait = pollMS
		}
		if time.Since(r.committed) > commitEvery {
			if err := r.commit(0); err != nil {
				r.progress.aloud("%v", err)
			}
		}
		if err := r.added(); err != nil {
			return err
		}
	}
	return nil
}

// enough tells whether --count or --until-end are fulfilled.
func (r *consumption) enough() bool {
	return r.o.Count > 0 && r.read >= int64(r.o.Count) || r.o.UntilEnd && r.assigned && r.standing.pending == 0
}

// share is how much of what is wanted has been read; 0: not known.
func (r *consumption) share() float64 {
	if r.o.Count > 0 {
		return float64(r.read) / float64(r.o.Count)
	}
	if left, ok := r.standing.left(r.ends); ok && r.o.UntilEnd && r.read > 0 {
		return float64(r.read) / float64(r.read+left)
	}
	return 0
}

// record takes a record, or what librdkafka says among records.
func (r *consumption) record(ctx context.Context, m *librdkafka.Message) error {
	switch m.Err {
	case kafka.ErrNoError, kafka.ErrPartitionEOF:
	case kafka.ErrAssignPartitions:
		return r.given(ctx, m.Partitions)
	case kafka.ErrRevokePartitions:
		return r.taken(m.Partitions)
	default:
		return r.trouble(kafka.NewError(m.Err, string(m.Value), false))
	}
	p := r.standing.of(m.Partition)
	if p == nil || r.enough() {
		return nil // the rest of a batch
	}
	if next := p.next.Load(); next >= 0 && m.Offset != next {
		first, _ := r.reader.Ends(m.Partition)
		if text := r.crossed(m.Partition, next, m.Offset, first); text != "" {
			r.progress.aloud("%s", text)
			p.next.Store(m.Offset)
		}
	}
	end, bounded := r.ends[m.Partition], r.o.UntilEnd // a partition that is newer than the run ends at 0
	switch {
	case bounded && m.Offset >= end: // behind what is wanted, be it record or end
		p.next.Store(max(p.next.Load(), end))
	case m.Err == kafka.ErrPartitionEOF:
		p.next.Store(m.Offset) // behind a transaction's marker, too
	default:
		if err := r.sink.record(m); err != nil {
			return err
		}
		r.read++
		r.standing.topics[m.Partition.Topic].read.Add(1)
		p.next.Store(m.Offset + 1)
	}
	if bounded && p.next.Load() >= end {
		r.standing.finish(p)
	}
	return nil
}

// crossed is told when a partition goes on at another offset than the one that was due.
func (r *consumption) crossed(p librdkafka.Partition, next, at, first int64) string {
	t := r.standing.topics[p.Topic]
	return t.losses.crossed(t.name, p.ID, next, at, first)
}

// trouble is what librdkafka says beside records. It goes on trying; so do we,
// unless it cannot get better.
func (r *consumption) trouble(err error) error {
	if isCode(err, kafka.ErrFatal) || isOneOf(err, hopeless) {
		return fmt.Errorf("topic %s: %w", r.names(), err)
	}
	r.progress.trouble(err)
	return nil
}
