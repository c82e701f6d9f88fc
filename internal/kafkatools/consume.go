package kafkatools

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringtail/ringtail/internal/config"
	"github.com/ringtail/ringtail/internal/properties"
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
	commitEvery = time.Second
	closeLimit  = 10 * time.Second
	sayEvery    = 5 * time.Second
	bufferBytes = 64 << 10
	lookEvery   = 1000 // records between two looks whether the run has ended
)

// consumption is one run of Consume. One goroutine shows records; the group's changes come on
// franz-go's, never while records are shown (BlockRebalanceOnPoll), and where partitions are given,
// mu keeps both apart.
//
//	wanted ──begin──► reading ──a position at its end──► done
//
// With UntilEnd a partition ends where it ended when the run began. It is done once its position
// has got there: behind a record, or a transaction's marker, or, where neither comes, because
// skipped has looked what is there.
type consumption struct {
	o         ConsumeOptions
	s         Streams
	cluster   Cluster
	out       *bufio.Writer
	sink      recordSink
	ask       *kgo.Client // asks for topics and offsets
	reader    *kgo.Client // reads, and is the group's member
	brokers   *brokers
	standing  *standing
	progress  *progress
	start     moment // --from
	topics    map[string]*consumedTopic
	looked    time.Time // at the topics
	committed time.Time
	answers   chan error // of a commit that nobody waits for
	read      int64

	mu       sync.Mutex // out, sink, standing but for its metrics, progress, and what follows
	assigned bool
}

// consumedTopic is a topic as it was when it was last looked at.
type consumedTopic struct {
	id         kadm.TopicID
	partitions int32
	again      bool // it was deleted and made again: it is read from its beginning
}

// partitionID names a partition.
type partitionID struct {
	topic string
	id    int32
}

// recordSink shows records.
type recordSink interface {
	record(m *kgo.Record) error
	idle() // nothing more to read right now
	end() error
}

// Consume reads a topic until ctx ends, or until what the options say. What it has
// shown is committed for the group before it returns.
func Consume(ctx context.Context, c Cluster, o ConsumeOptions, s Streams) error {
	r := &consumption{o: o, s: s, cluster: c, out: bufio.NewWriterSize(s.Out, bufferBytes), standing: newStanding(o), answers: make(chan error, 1)}
	if err := cmp.Or(r.prepare(), c.refuseReset("consume")); err != nil {
		return err
	}
	if err := r.open(); err != nil {
		return err
	}
	defer r.ask.Close()
	wanted, err := r.findPartitions(ctx)
	if err != nil {
		return err
	}
	stop, err := o.expose(r.standing, s)
	if err != nil {
		return err
	}
	defer stop()
	if o.Metrics != "" {
		defer r.followEnds()()
	}
	if err := r.findEnds(ctx, wanted); err != nil {
		return c.whyNot(err)
	}
	begins(ctx)
	if err := r.join(ctx, wanted); err != nil {
		return err
	}
	defer within(closeLimit, r.reader.CloseAllowingRebalance)
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
	return map[string]string{
		"group.id":                 r.o.Group,
		"enable.auto.commit":       "false", // what was shown is committed, not what was fetched
		"enable.auto.offset.store": "false",
		"enable.partition.eof":     "true",
		"allow.auto.create.topics": "false",
		// A group deals out new partitions when its leader's client has seen them.
		"topic.metadata.refresh.interval.ms": strconv.Itoa(int(partitionsEvery / time.Millisecond)),
	}
}

// open makes the client that asks. Nobody is asked before all properties are known to be right.
func (r *consumption) open() (err error) {
	p := r.properties()
	if _, err = r.cluster.options(p); err == nil {
		err = r.cluster.refuseRole(properties.ForProducers)
	}
	if err != nil {
		return err
	}
	delete(p, "group.id")
	r.ask, err = r.cluster.client(p)
	return err
}

// names are the topics, for messages.
func (r *consumption) names() string { return strings.Join(r.o.Topics, ", ") }

func (r *consumption) loop(ctx context.Context) error {
	for wait := time.Duration(0); ctx.Err() == nil; {
		if err := r.look(ctx); err != nil {
			return err
		}
		shown, enough, err := r.show(ctx, r.poll(ctx, wait))
		r.reader.AllowRebalance()
		if err != nil || enough {
			return err
		}
		switch {
		case shown > 0:
			wait = 0
		case wait > 0 && r.o.UntilEnd:
			r.skipped(ctx)
		default:
			wait = pollMS * time.Millisecond
		}
		if time.Since(r.committed) > commitEvery {
			r.commitSoon()
		}
	}
	return nil
}

// poll takes what has come; where that is nothing, it waits so long for more.
func (r *consumption) poll(ctx context.Context, wait time.Duration) kgo.Fetches {
	if wait == 0 {
		return r.reader.PollFetches(nil) //nolint:staticcheck // nil: it does not wait
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	return r.reader.PollFetches(ctx)
}

// show shows what has come, and returns whether that is all that was wanted.
func (r *consumption) show(ctx context.Context, fetches kgo.Fetches) (shown int64, enough bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before := r.read
	fetches.EachPartition(func(p kgo.FetchTopicPartition) {
		if err == nil {
			err = r.partition(ctx, p.Topic, &p.FetchPartition)
		}
	})
	if err == nil {
		err = r.brokers.hopeless()
	}
	if err != nil {
		return 0, false, err
	}
	r.progress.at(r.read)
	if shown = r.read - before; shown == 0 {
		if err := r.brokers.trouble(); err != nil {
			r.progress.trouble(err)
		}
		r.sink.idle()
		err = r.out.Flush()
	}
	return shown, r.enough(), err
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
	if left, ok := r.standing.left(); ok && r.o.UntilEnd && r.read > 0 {
		return float64(r.read) / float64(r.read+left)
	}
	return 0
}

// partition shows the records that have come of one.
func (r *consumption) partition(ctx context.Context, topic string, come *kgo.FetchPartition) error {
	p := r.standing.parts[partitionID{topic, come.Partition}]
	if come.Err != nil {
		return r.failed(ctx, p, come.Err)
	}
	if p == nil {
		return nil // it was never ours, or is not any more
	}
	p.span(come.LogStartOffset, come.HighWatermark)
	for i, m := range come.Records {
		if r.enough() || i%lookEvery == lookEvery-1 && isOver(ctx) {
			return nil // the rest is not shown, and not committed
		}
		next := p.next.Load()
		if m.Attrs.IsControl() && m.Offset < next {
			continue // skipped has gone past it meanwhile
		}
		if m.Offset != next {
			r.moved(p, m.Offset)
		}
		switch {
		case p.bounded && m.Offset >= p.until: // behind what is wanted
			r.standing.passed(p, p.until)
			return nil
		case m.Attrs.IsControl(): // a transaction's marker
		default:
			if err := r.sink.record(m); err != nil {
				return err
			}
			r.read++
			p.topic.read.Add(1)
		}
		r.standing.passed(p, m.Offset+1)
	}
	return nil
}

// moved goes to where a partition goes on, and says what is gone before.
func (r *consumption) moved(p *part, at int64) {
	next := p.next.Load()
	if next < 0 {
		return
	}
	if text := p.topic.losses.crossed(p.topic.name, p.id, next, at, p.first.Load()); text != "" {
		r.progress.aloud("%s", text)
		p.next.Store(at)
	}
}

// failed is told what is wrong with a partition, or with all that is read. franz-go goes on trying;
// so do we, unless it cannot get better.
func (r *consumption) failed(ctx context.Context, p *part, err error) error {
	var lost *kgo.ErrDataLoss
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), errors.Is(err, kgo.ErrClientClosed): // nothing has come
	case errors.Is(err, kerr.UnknownTopicID), errors.Is(err, kerr.UnknownTopicOrPartition): // look will find out
	case errors.As(err, &lost):
		if p != nil {
			r.moved(p, lost.ResetTo)
		}
	case errors.Is(err, kerr.OffsetOutOfRange):
		if p != nil {
			return r.goBack(ctx, p)
		}
	case isAny(err, hopelessCodes):
		return fmt.Errorf("topic %s: %w", r.names(), err)
	default:
		r.progress.trouble(err)
	}
	return nil
}

// goBack goes to the first record that is there, in a partition that does not have the offset that
// is due.
func (r *consumption) goBack(ctx context.Context, p *part) error {
	id := partitionID{p.topic.name, p.id}
	first, err := r.offsetsAt(ctx, uncommitted, []partitionID{id}, atBeginning)
	if err != nil {
		r.progress.trouble(err)
		return nil
	}
	p.first.Store(first[id])
	r.moved(p, first[id])
	r.standing.passed(p, first[id])
	r.reader.SetOffsets(map[string]map[int32]kgo.EpochOffset{id.topic: {id.id: {Epoch: -1, Offset: first[id]}}})
	return nil
}
