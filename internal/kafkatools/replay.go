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

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

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
	into      int         // partitions of --to
	asker     *kgo.Client // of topics and offsets
	consumer  *kgo.Client // reads on from begin; nil before
	producer  *transactions
	group     string
	places    map[int32]*replayPlace
	batch     []*kgo.Record
	refused   map[position]bool // by Kafka, in an attempt before
	suspects  map[position]bool // refused together with others: to be sent alone
	progress  *progress
	brokers   *brokers
	written   int64
	forgotten int
}

// replayPlace is where a replay stands in a partition.
type replayPlace struct {
	done       replayed       // as it is committed
	stay       map[string]int // letters that do not pass, by reason
	at         int64          // the offset that is read next, up to end
	first, end int64          // of the partition: its end when the replay began
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
		o: o, s: s, cluster: c, brokers: newBrokers(c), group: "ringtail-replay:" + o.From + ":" + o.To,
		refused: map[position]bool{}, suspects: map[position]bool{},
	}
	r.progress = newProgress(s, "replayed", r.share)
	if err := r.newRouter(messageMaxDefault); err != nil { // before anybody is asked
		return err
	}
	if err := r.open(ctx); err != nil {
		return err
	}
	defer r.close()
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
func (r *replay) open(ctx context.Context) (err error) {
	if _, err = r.cluster.options(inTransactions(r.group, r.group)); err != nil {
		return err
	}
	if r.asker, err = r.cluster.client(nil, kgo.WithHooks(r.brokers)); err != nil {
		return err
	}
	if err = r.askTopics(ctx); err == nil {
		begins(ctx) // what another replay has left open ends
		r.producer, err = r.cluster.transactions(r.group, r.group, []limit{r.to}, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.WithHooks(r.brokers))
	}
	if err == nil {
		err = r.begin(ctx)
		r.sayGone()
	}
	if err != nil {
		r.close()
	}
	return err
}

func (r *replay) close() {
	if r.producer != nil {
		r.producer.session.Close()
	}
	if r.consumer != nil {
		r.consumer.Close()
	}
	r.asker.Close()
}

func (r *replay) askTopics(ctx context.Context) error {
	topics, err := r.cluster.reach(ctx, r.asker, r.o.From, r.o.To)
	if err != nil {
		return err
	}
	if r.into = len(topics[r.o.To].Partitions); r.into < r.o.Shards && !r.o.FoldPartitions {
		return config.Usagef("topic %s has %s, fewer than --shards %d; `ringtail topics alter %s --partitions %d` adds some, or give --fold-partitions",
			r.o.To, plural(r.into, "partition"), r.o.Shards, r.o.To, r.o.Shards)
	}
	r.to = r.cluster.limitFor(ctx, r.asker, r.o.To)
	r.places = map[int32]*replayPlace{}
	for id := range topics[r.o.From].Partitions {
		r.places[id] = &replayPlace{end: -1}
	}
	return r.newRouter(r.to.most())
}

// begin reads on where the committed offsets say.
func (r *replay) begin(ctx context.Context) error {
	stands, err := awaitStands(ctx, r.progress, r.asker, r.group, r.o.From, slices.Collect(maps.Keys(r.places)), true)
	if err != nil {
		return err
	}
	at := map[int32]kgo.Offset{}
	for id, p := range r.places {
		s := stands[id]
		if p.first = s.first; p.end < 0 {
			p.end = s.end
		}
		done := replayed{next: max(s.committed, 0)}
		if done.left, err = parseLeft(s.metadata); err != nil {
			return fmt.Errorf("group %s, topic %s, partition %d: %w", r.group, r.o.From, id, err)
		}
		if done.next > s.end {
			r.progress.aloud("%s:%d: the position %d is behind the partition's end: the topic was truncated or made again; all of it is looked at", r.o.From, id, done.next)
			done = replayed{}
		}
		// What this run has looked at it does not look at again, unless it does not know what was committed.
		if done.upTo = done.begin(); p.stay == nil || done.next != p.done.next || !slices.Equal(done.left, p.done.left) {
			p.done, p.stay = done, map[string]int{}
		}
		p.at = max(p.done.upTo, p.first)
		at[id] = kgo.NewOffset().At(p.at)
	}
	r.batch = r.batch[:0]
	if r.consumer != nil {
		r.consumer.Close()
	}
	r.consumer, err = r.cluster.client(map[string]string{"isolation.level": "read_committed", "allow.auto.create.topics": "false"},
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{r.o.From: at}), kgo.ConsumeResetOffset(kgo.NoResetOffset()), kgo.KeepControlRecords(),
		kgo.WithHooks(r.brokers))
	return err
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

// read takes letters that are to be tried, of those that come at once.
func (r *replay) read(ctx context.Context) error {
	if len(r.batch) > 0 || r.atEnd() {
		return nil
	}
	limit, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	fetches := r.consumer.PollRecords(limit, batchRecords)
	fetches.EachRecord(func(m *kgo.Record) {
		p := r.places[m.Partition]
		if m.Offset < p.end && p.done.wants(m.Offset) && !m.Attrs.IsControl() {
			r.batch = append(r.batch, m)
		}
		p.at = min(m.Offset+1, p.end)
	})
	gone := false // retention was faster
	err := r.progress.failures(r.o.From, fetches, r.brokers, func(err error) bool {
		gone = gone || errors.Is(err, kerr.OffsetOutOfRange)
		return errors.Is(err, kerr.OffsetOutOfRange)
	})
	if err == nil && gone {
		return r.begin(ctx)
	}
	return err
}

// staying is the error that letters do not pass; nil where all do.
func (r *replay) staying() error {
	total, stay := 0, map[string]int{}
	for _, p := range r.places {
		for reason, n := range p.stay {
			total, stay[reason] = total+n, stay[reason]+n
		}
	}
	var reasons []string
	for _, reason := range slices.Sorted(maps.Keys(stay)) {
		reasons = append(reasons, fmt.Sprintf("%s %d", reason, stay[reason]))
	}
	if total == 0 {
		return nil
	}
	return fmt.Errorf("%s did not pass and stayed in %s: %s", plural(total, "letter"), r.o.From, strings.Join(reasons, ", "))
}
