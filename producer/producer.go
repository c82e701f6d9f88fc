package producer

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ringtail/ringtail/producer/backend"
	"github.com/ringtail/ringtail/producer/native"
	"github.com/ringtail/ringtail/shard"
)

// Writer writes a set of rings to Kafka.
type Writer struct {
	opts       Options
	set        shard.Set
	stats      *stats
	admin      *admin
	topic      *watcher
	deadTopic  *watcher // nil without dead letters
	engines    []*engine
	deadEngine *engine       // writes the dead ring; nil without
	limits     atomic.Uint64 // record<<32 | dead letter, as last passed to OnLimit
	started    atomic.Bool   // engines is set
	silence    chan struct{} // capacity 1: see wantSilence
}

// Open checks the options and makes a Writer for the rings of set. It does not connect to Kafka
// yet.
func Open(o Options, set shard.Set) (*Writer, error) {
	o.largest = recoveredLargest(set)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if err := o.validate(len(set.Rings)); err != nil {
		return nil, err
	}
	admin, err := newAdmin(&o)
	if err != nil {
		return nil, fmt.Errorf("--kafka-property: %w", err)
	}
	w := &Writer{opts: o, set: set, stats: newStats(len(set.Rings)), admin: admin, silence: make(chan struct{}, 1)}
	partitions := len(set.Rings)
	if o.Fold {
		partitions = 1
	}
	w.topic = newWatcher(o.Topic, partitions, o.KeyField != "", admin, newConnectivity(&w.opts), o.Logger, w.topicChanged)
	w.topic.taken = w.stats.taken
	if set.Dead != nil {
		w.deadTopic = newWatcher(o.DeadLetterTopic, 1, false, admin, newConnectivity(&w.opts), o.Logger, w.topicChanged)
		w.deadTopic.taken = w.stats.deadLetters.Load
	}
	w.stats.possibleDuplicates.Store(recoveredDuplicates(set))
	if o.Registerer != nil {
		if err := o.Registerer.Register(&collector{stats: w.stats, set: set, writer: w}); err != nil {
			admin.close()
			return nil, err
		}
	}
	return w, nil
}

func (w *Writer) watchers() []*watcher {
	if w.deadTopic == nil {
		return []*watcher{w.topic}
	}
	return []*watcher{w.topic, w.deadTopic}
}

// Start begins to write. Call it once, after a Check that succeeded.
func (w *Writer) Start() {
	if w.opts.Fold { // shards keep these partitions for good
		w.topic.partitions.Store(int32(w.topic.topic().Partitions))
	}
	n := w.opts.Producers
	streams := make([][]*stream, n)
	for i, r := range w.set.Rings {
		k := i % n
		streams[k] = append(streams[k], &stream{id: len(streams[k]), shard: i, ring: r, partition: w.partition(i)})
	}
	for k := range streams {
		w.engines = append(w.engines, w.newEngine(strconv.Itoa(k), w.topic, streams[k]))
	}
	if w.deadTopic != nil {
		w.deadEngine = w.newEngine("dead-letter", w.deadTopic, []*stream{{shard: -1, ring: w.set.Dead}})
	}
	w.started.Store(true)
	for _, t := range w.watchers() {
		t.tells.Store(true)
	}
	w.admin.spawn(w.topic.run)
	w.admin.spawn(w.watchSilence)
	if w.deadTopic != nil {
		w.admin.spawn(w.deadTopic.run)
	}
	for _, e := range w.allEngines() {
		go e.run()
	}
}

// partition returns the partition that shard i goes to.
func (w *Writer) partition(i int) int32 {
	if w.opts.Fold {
		i %= w.topic.topic().Partitions
	}
	return int32(i)
}

// Await waits until every engine's client is ready to write, or until ctx ends; then Ready says
// what is wrong. With librdkafka this takes half a second and more, since it first asks for a
// producer id before it has a connection. Records that come earlier wait for that long.
func (w *Writer) Await(ctx context.Context) {
	for _, e := range w.allEngines() {
		select {
		case <-e.ready:
		case <-ctx.Done():
		}
	}
}

func (w *Writer) allEngines() []*engine {
	if w.deadEngine == nil {
		return w.engines
	}
	return append(append([]*engine(nil), w.engines...), w.deadEngine)
}

func (w *Writer) newEngine(name string, t *watcher, streams []*stream) *engine {
	cfg := engineConfig{
		Name:          name,
		WindowRecords: w.opts.windowRecords(),
		WindowBytes:   w.opts.windowBytes(),
		SettleTimeout: w.opts.settleTimeout(),
		Traits:        w.opts.traits(),
		Linger:        w.opts.milliseconds("linger.ms"),
		BatchSize:     int(w.opts.number("batch.size")),
		BatchRecords:  int(w.opts.number("batch.num.messages")),
		Keyed:         w.opts.KeyField != "",
		Compressed:    !strings.EqualFold(w.opts.property("compression.codec"), "none"),
		OnProgress:    w.opts.OnProgress,
		OnRelief:      giveBackMemory,
		OnRefused:     w.opts.OnRefused,
		RemoteOf:      w.opts.RemoteOf,
		Insight:       backend.NewInsight(len(streams)),
		Logger:        w.opts.Logger,
	}
	if md := t.topic().Metadata; md != nil {
		cfg.Insight.SetMetadata(md)
	}
	if t == w.deadTopic {
		cfg.OnProgress = w.deadLettersMoved
	} else if w.deadTopic != nil {
		cfg.DeadRing, cfg.DeadLetterMax = w.set.Dead, w.DeadLetterLimit
	}
	s := seams{
		open: func(ts topicState, first []uint64) (backend.Client, error) {
			if w.opts.native {
				n, err := w.opts.nativeOptions(ts)
				if err != nil {
					return nil, err
				}
				n.Insight = cfg.Insight
				for _, s := range streams {
					n.Partitions = append(n.Partitions, s.partition)
				}
				return native.New(n, first)
			}
			return openLibrdkafka(w.opts.librdkafkaProperties(ts, len(streams)), ts.Name, first, cfg.Insight)
		},
		destroy: func(c backend.Client) <-chan struct{} {
			gone := make(chan struct{})
			go func() { c.Destroy(); close(gone) }()
			return gone
		},
		topic:        t.topic,
		refreshTopic: t.refresh,
		silence:      w.wantSilence,
		now:          func() time.Duration { return time.Duration(shard.Now()) },
		die:          w.die,
	}
	return newEngine(cfg, s, streams, w.stats)
}

func (w *Writer) die(err error) {
	if w.opts.Die == nil {
		panic(err)
	}
	w.opts.Die(err)
}

// deadLettersMoved runs on the goroutine of the dead letters' engine. Batches and acks that wait
// for a dead letter may be done now.
func (w *Writer) deadLettersMoved() {
	for _, e := range w.engines {
		e.wake()
	}
	if w.opts.OnProgress != nil {
		w.opts.OnProgress()
	}
}

// giveBackMemory returns to the kernel the memory that queues of batches and acks took in a stall.
func giveBackMemory() { go debug.FreeOSMemory() }

// topicChanged passes on what a refresh of a topic found. It runs on a watcher's goroutine.
func (w *Writer) topicChanged() {
	record, deadLetter := w.RecordLimit(), 0
	if w.deadTopic != nil {
		deadLetter = w.DeadLetterLimit()
	}
	if now := uint64(record)<<32 | uint64(deadLetter); w.limits.Swap(now) != now && w.opts.OnLimit != nil {
		w.opts.OnLimit(record, deadLetter)
	}
	for _, t := range w.watchers() {
		md := t.topic().Metadata
		for _, e := range w.enginesOf(t) {
			if md != nil {
				e.cfg.Insight.SetMetadata(md)
			}
			e.wake()
		}
	}
}

// RecordLimit returns the most bytes of a record with its key and headers: --max-record-bytes, or what the
// topic takes if that is less.
func (w *Writer) RecordLimit() int { return min(w.opts.MaxRecordBytes, w.topic.topic().recordMax()) }

// DeadLetterLimit returns the most bytes of a dead letter's value.
func (w *Writer) DeadLetterLimit() int { return max(w.deadTopic.topic().recordMax()-512, 0) }

// Drain closes the rings, waits until Kafka has all of them, and ends the engines. The dead ring
// comes last, since records that are set aside meanwhile become dead letters. When ctx ends first,
// Drain gives up what is not in Kafka by then.
func (w *Writer) Drain(ctx context.Context) {
	for _, r := range w.set.Rings {
		r.Close()
	}
	w.await(ctx, w.engines)
	if w.deadEngine != nil {
		w.set.Dead.Close()
		w.await(ctx, []*engine{w.deadEngine})
	}
	w.admin.stop()
}

// await waits for engines to end. When ctx ends it orders them to stop.
func (w *Writer) await(ctx context.Context, engines []*engine) {
	for _, e := range engines {
		select {
		case <-e.done:
		case <-ctx.Done():
			for _, e := range engines {
				e.abort.Store(true)
				e.wake()
			}
			<-e.done
		}
	}
}

// Alive returns whether each engine has made a turn since the last call, and wakes them all, so that
// those with nothing to do have made one by the next. One goroutine at a time may call it.
func (w *Writer) Alive() bool {
	alive := true
	for _, e := range w.allEngines() {
		turns := e.turns.Load()
		if turns == e.seen && turns > 0 && !e.ended() {
			alive = false
		}
		e.seen = turns
		e.wake()
	}
	return alive
}

// ended returns whether run has returned.
func (e *engine) ended() bool {
	select {
	case <-e.done:
		return true
	default:
		return false
	}
}

// Close gives up what is not in Kafka yet. Afterwards nothing uses the rings' memory. Where brokers
// do not answer it waits for a refresh of the topic, six seconds at the longest.
func (w *Writer) Close() {
	if w.started.Load() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		w.Drain(ctx)
	}
	w.admin.close()
}

// Native reports whether package native writes: then engines wait in Go, not in C. With WriterAuto
// this is known once Check has succeeded.
func (w *Writer) Native() bool { return w.opts.native }

// Choice returns which client writes, and why. With WriterAuto a Check may choose anew.
func (w *Writer) Choice() (writer, why string) {
	if w.opts.native {
		return WriterNative, w.opts.why
	}
	return WriterLibrdkafka, w.opts.why
}

// Stats returns a snapshot of the counters.
func (w *Writer) Stats() Stats { return w.stats.snapshot() }

// Refused returns the number of records that were set aside.
func (w *Writer) Refused() uint64 { return w.stats.snapshot().Refused }

// Ready reports whether records are being written, and if not, why.
func (w *Writer) Ready() (bool, string) {
	for _, t := range w.watchers() {
		if now := t.topic(); now.Err != nil {
			return false, now.Err.Error()
		} else if now.Leaders != nil {
			return false, now.Leaders.Error()
		}
	}
	if !w.started.Load() {
		return false, "starting"
	}
	for _, e := range w.allEngines() {
		if why := e.health.Load(); why != nil {
			return false, *why
		}
		if since := e.oldest.Load(); since != 0 {
			if age := time.Duration(shard.Now() - since); age > stalledAfter {
				why := fmt.Sprintf("oldest record has waited %v for kafka", age.Round(time.Second))
				if cause := e.cause.Load(); cause != nil && *cause != "" {
					why += ": " + *cause
				}
				return false, why
			}
		}
	}
	return true, ""
}
