package kafkatools

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/ringtail/ringtail/codec"
	"github.com/ringtail/ringtail/internal/config"
)

// ReplayOptions are the flags of letters replay: which dead letters, and how they are routed. Those
// that serve has, too, mean the same.
type ReplayOptions struct {
	From           string `help:"The topic of the dead letters."`
	To             string `help:"The topic to write, as serve's --topic."`
	Field          string `default:"number" help:"The field that routes: at the top level, or inside of others as a.b or /a/b."`
	Shards         int    `default:"10" help:"Shard = number mod shards; shard i is written to partition i."`
	KeyField       string `help:"Top-level field whose value becomes the Kafka key. Default: the key that the letter has; the server's have none."`
	FoldPartitions bool   `help:"Let the topic have fewer partitions than shards: shard i goes to partition i mod partitions."`
}

// replay takes dead letters through the codec again, each once:
//
//	read a batch ─ begin ─ write what passes ─ add offsets and what is left ─ commit
//	                 ▲                                                          │
//	                 └────── abort, go back to what is committed ◄──────────────┘ failed
//
// The transactional id is that of the two topics, so of two replays the later one ends the earlier
// one, and only then asks for what has been committed. Wherever a replay is killed, the next one
// begins behind the last records that are visible.
type replay struct {
	o         ReplayOptions
	s         Streams
	cluster   Cluster
	router    *codec.Router
	to        limit
	into      int // partitions of --to
	consumer  *kafka.Consumer
	producer  *kafka.Producer
	group     string
	places    map[int32]*replayPlace
	batch     []*kafka.Message
	refused   map[position]bool // by Kafka, in an attempt before
	suspects  map[position]bool // refused together with others: to be sent alone
	progress  *progress
	written   int64
	stay      map[string]int // letters that do not pass, by reason
	forgotten int
}

// replayPlace is where a replay stands in a partition.
type replayPlace struct {
	done       replayed // as it is committed
	at         int64    // the offset that is read next, up to end
	first, end int64    // of the partition when the replay began
}

// Replay replays the dead letters that there are. Those that do not pass stay: it is an error that
// there are some.
func Replay(ctx context.Context, c Cluster, o ReplayOptions, s Streams) error {
	switch {
	case o.From == "" || o.To == "":
		return config.Usagef("--from and --to: name the topic of the dead letters and the one to write")
	case o.From == o.To:
		return config.Usagef("--from and --to are both %s; dead letters have a topic of their own", o.From)
	}
	if err := c.refuseReset("letters replay"); err != nil {
		return err
	}
	r := &replay{
		o: o, s: s, cluster: c, group: "ringtail-replay:" + o.From + ":" + o.To, stay: map[string]int{},
		refused: map[position]bool{}, suspects: map[position]bool{},
	}
	r.progress = newProgress(s, "replayed", r.share)
	if err := r.newRouter(messageMaxDefault); err != nil { // before anybody is asked
		return err
	}
	if err := r.open(ctx); err != nil {
		return err
	}
	defer within(closeLimit, func() { _ = r.consumer.Close() })
	defer r.producer.Close()
	err := r.loop(ctx)
	r.progress.end(r.written, "to "+o.To)
	if r.forgotten > 0 {
		s.say("%s more than Kafka remembers with an offset did not pass; no replay will try them again", plural(r.forgotten, "letter"))
	}
	return cmp.Or(err, r.staying())
}

func (r *replay) newRouter(most int) (err error) {
	o := codec.Options{Field: r.o.Field, Shards: r.o.Shards, KeyField: r.o.KeyField, MaxRecordBytes: most}
	if r.router, err = codec.NewRouter(o); err != nil {
		return config.Usagef("%s", strings.TrimPrefix(err.Error(), "codec: "))
	}
	return nil
}

// open looks at both topics, makes the clients, and finds out how far an earlier replay has got.
func (r *replay) open(ctx context.Context) error {
	cm, err := r.cluster.config(map[string]string{
		"group.id": r.group, "enable.auto.commit": "false", "auto.offset.reset": "earliest",
		"isolation.level": "read_committed", "allow.auto.create.topics": "false", "enable.partition.eof": "true",
	})
	if err != nil {
		return err
	}
	if _, err := r.cluster.config(r.producing()); err != nil {
		return err
	}
	if r.consumer, err = kafka.NewConsumer(cm); err != nil {
		return config.Usagef("--kafka-property: %w", err)
	}
	err = r.askTopics(ctx)
	if err == nil {
		begins(ctx) // what another replay has left open ends
		r.producer, err = r.cluster.transactional(r.producing())
	}
	if err == nil {
		if err = r.begin(ctx); err != nil {
			r.producer.Close()
		}
		r.sayGone()
	}
	if err != nil {
		_ = r.consumer.Close()
	}
	return err
}

func (r *replay) producing() map[string]string {
	return inTransactions(r.group, r.to)
}

func (r *replay) askTopics(ctx context.Context) error {
	a, err := kafka.NewAdminClientFromConsumer(r.consumer)
	if err != nil {
		return err
	}
	defer a.Close()
	from, err := r.cluster.topic(a, r.o.From)
	if err != nil {
		return err
	}
	to, err := r.cluster.topic(a, r.o.To)
	if err != nil {
		return err
	}
	if r.into = len(to.Partitions); r.into < r.o.Shards && !r.o.FoldPartitions {
		return config.Usagef("topic %s has %s, fewer than --shards %d; `ringtail topics alter %s --partitions %d` adds some, or give --fold-partitions",
			r.o.To, plural(r.into, "partition"), r.o.Shards, r.o.To, r.o.Shards)
	}
	r.to = r.cluster.limitOf(ctx, a, r.o.To)
	r.places = map[int32]*replayPlace{}
	for _, p := range from.Partitions {
		first, end, err := r.consumer.QueryWatermarkOffsets(r.o.From, p.ID, requestMS())
		if err != nil {
			return fmt.Errorf("topic %s, partition %d: its end is not known: %w", r.o.From, p.ID, r.cluster.because(err))
		}
		r.places[p.ID] = &replayPlace{first: first, end: end}
	}
	return r.newRouter(r.to.most())
}

// begin reads on where the committed offsets say.
func (r *replay) begin(ctx context.Context) error {
	known, err := r.committed(ctx)
	if err != nil {
		return fmt.Errorf("group %s: %w", r.group, err)
	}
	for _, p := range r.places {
		p.done = replayed{}
	}
	for _, tp := range known {
		p := r.places[tp.Partition]
		if p == nil {
			continue
		}
		if p.done.next = int64(tp.Offset); tp.Metadata != nil {
			if p.done.left, err = parseLeft(*tp.Metadata); err != nil {
				return fmt.Errorf("group %s, topic %s, partition %d: %w", r.group, r.o.From, tp.Partition, err)
			}
		}
		if p.done.next > p.end {
			r.progress.aloud("%s:%d: the position %d is behind the partition's end: the topic was truncated or made again; all of it is looked at", r.o.From, tp.Partition, p.done.next)
			p.done = replayed{}
		}
	}
	var at []kafka.TopicPartition
	for id, p := range r.places {
		p.at = max(p.done.begin(), p.first)
		p.done.upTo = p.done.begin()
		at = append(at, kafka.TopicPartition{Topic: &r.o.From, Partition: id, Offset: kafka.Offset(p.at)})
	}
	r.batch = r.batch[:0]
	return r.consumer.Assign(at)
}

// committed asks for what the group has committed, until it is told or ctx ends.
func (r *replay) committed(ctx context.Context) ([]kafka.TopicPartition, error) {
	a, err := kafka.NewAdminClientFromConsumer(r.consumer)
	if err != nil {
		return nil, err
	}
	defer a.Close()
	var all []kafka.TopicPartition
	for id := range r.places {
		all = append(all, kafka.TopicPartition{Topic: &r.o.From, Partition: id})
	}
	for {
		at, err := committed(ctx, a, r.group, all, true)
		if err == nil || ctx.Err() != nil || isOneOf(err, hopeless) {
			return at, err
		}
		r.progress.trouble(err)
		time.Sleep(metadataInterval)
	}
}

// sayGone says how many letters retention has removed before they were replayed.
func (r *replay) sayGone() {
	for _, id := range slices.Sorted(maps.Keys(r.places)) {
		p := r.places[id]
		gone, _ := slices.BinarySearch(p.done.left, p.first)
		if p.done.next > 0 {
			gone += int(max(0, p.first-p.done.next))
		}
		if gone > 0 {
			r.s.say("%s of %s:%d: gone before they were replayed (retention)", plural(gone, "letter"), r.o.From, id)
		}
	}
}

func (r *replay) loop(ctx context.Context) error {
	for {
		if err := r.read(ctx); err != nil {
			return err
		}
		switch {
		case ctx.Err() != nil:
			return errors.New("ended before all dead letters were looked at; called again it goes on from here")
		case r.atEnd() && len(r.batch) == 0:
			return nil
		}
		if err := r.pass(ctx); err != nil {
			return err
		}
		r.progress.at(r.written)
	}
}

func (r *replay) atEnd() bool {
	for _, p := range r.places {
		if p.at < p.end {
			return false
		}
	}
	return true
}

// share is how much of the letters has been looked at.
func (r *replay) share() float64 {
	var done, all int64
	for _, p := range r.places {
		done, all = done+min(p.at, p.end), all+p.end
	}
	return float64(done) / float64(max(all, 1))
}

// read takes letters that are to be tried, until a batch is full or there are no more.
func (r *replay) read(ctx context.Context) error {
	for left := room(r.batch); left > 0 && len(r.batch) < batchRecords && ctx.Err() == nil && !r.atEnd(); {
		switch e := r.consumer.Poll(pollMS).(type) {
		case *kafka.Message:
			if e.TopicPartition.Error != nil {
				return fmt.Errorf("topic %s: %w", r.o.From, e.TopicPartition.Error)
			}
			p, offset := r.places[e.TopicPartition.Partition], int64(e.TopicPartition.Offset)
			p.at = min(offset+1, p.end)
			if offset < p.end && p.done.wants(offset) {
				r.batch = append(r.batch, e)
				left -= len(e.Key) + len(e.Value)
			}
		case kafka.PartitionEOF: // behind a transaction's marker, too
			p := r.places[e.Partition]
			p.end = min(p.end, int64(e.Offset))
			p.at = p.end
		case kafka.Error:
			if e.IsFatal() || isOneOf(e, hopeless) {
				return fmt.Errorf("topic %s: %w", r.o.From, e)
			}
			r.progress.trouble(e)
		}
	}
	return nil
}

// staying is the error that letters do not pass; nil where all do.
func (r *replay) staying() error {
	total := 0
	var reasons []string
	for _, reason := range slices.Sorted(maps.Keys(r.stay)) {
		total += r.stay[reason]
		reasons = append(reasons, fmt.Sprintf("%s %d", reason, r.stay[reason]))
	}
	if total == 0 {
		return nil
	}
	return fmt.Errorf("%s did not pass and stayed in %s: %s", plural(total, "letter"), r.o.From, strings.Join(reasons, ", "))
}
