package producer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// ErrTopic is wrapped by what no waiting mends: the topic is missing or does not
// fit the flags. Everything else that Check returns is about reaching Kafka.
var ErrTopic = errors.New("topic does not fit")

// topicState is one look at a topic.
type topicState struct {
	Refresh    uint64 // number of the look, from 1; 0: none yet
	Name       string
	Err        error // why records cannot be written now; nil: they can
	Leaders    error // why those of some partitions cannot; nil: not known, or they can
	Partitions int
	Limit      int // max.message.bytes: the largest batch, bytes
	Compacted  bool
	Assumed    bool // Limit and Compacted could not be read
}

const (
	limitDefault = 1048588 // Kafka's own max.message.bytes
	recordSlack  = 512     // what a batch of one record, its key and headers' framing take beside them
	refreshEvery = time.Minute
	refreshAgain = time.Second
)

// recordMax is the most bytes that a record and its key may have together.
func (t topicState) recordMax() int {
	if t.Limit == 0 {
		return limitDefault - recordSlack
	}
	return max(t.Limit-recordSlack, 0)
}

// batchMax is what batch.size must not exceed: librdkafka never splits a batch
// that the topic refuses.
func (t topicState) batchMax() int {
	if t.Limit == 0 {
		return batchSize
	}
	return max(min(t.Limit, batchSize), 1)
}

// watcher looks at one topic: at start, every minute, and whenever asked. Its
// state may be read by anybody at any time.
type watcher struct {
	name         string
	partitions   atomic.Int32 // at least so many
	keyed        bool         // records have keys, so it may be compacted
	admin        *admin
	connectivity *connectivity
	log          *slog.Logger
	changed      func()     // after each look
	refreshing   sync.Mutex // one look at a time: that of a Check that was given up goes on
	state        atomic.Pointer[topicState]
	wanted       chan struct{} // capacity 1
}

func newWatcher(name string, partitions int, keyed bool, admin *admin, connectivity *connectivity, log *slog.Logger, changed func()) *watcher {
	w := &watcher{name: name, keyed: keyed, admin: admin, connectivity: connectivity, log: log, changed: changed, wanted: make(chan struct{}, 1)}
	w.partitions.Store(int32(partitions))
	w.state.Store(&topicState{Name: name, Err: errors.New("topic " + name + ": not looked at yet")})
	return w
}

func (w *watcher) topic() topicState { return *w.state.Load() }

// look asks for a newer state; it does not wait.
func (w *watcher) refresh() {
	select {
	case w.wanted <- struct{}{}:
	default:
	}
}

// run looks until admin is stopped: every minute, every second while something is
// wrong, and when asked.
func (w *watcher) run() {
	for {
		every := refreshEvery
		if t := w.topic(); t.Err != nil || t.Leaders != nil {
			every = refreshAgain
		}
		select {
		case <-w.admin.ctx.Done():
			return
		case <-w.wanted:
		case <-time.After(every):
		}
		w.refreshNow()
	}
}

// once looks and stores what it saw. It runs on a goroutine of admin's.
func (w *watcher) refreshNow() topicState {
	w.refreshing.Lock()
	defer w.refreshing.Unlock()
	old := w.topic()
	t := w.fetch()
	if w.admin.ctx.Err() != nil { // broken off: it says nothing about the topic
		t.Err = errClosed
		return t
	}
	t.Refresh = old.Refresh + 1
	if t.Err != nil {
		t.Limit, t.Compacted, t.Partitions = old.Limit, old.Compacted, old.Partitions
		if old.Err == nil || old.Err.Error() != t.Err.Error() {
			w.log.Warn("topic cannot be written", "topic", w.name, "cause", t.Err)
		}
	} else if old.Err != nil && old.Refresh > 0 {
		w.log.Info("topic can be written", "topic", w.name)
	}
	if t.Leaders != nil && (old.Leaders == nil || old.Leaders.Error() != t.Leaders.Error()) {
		w.log.Warn("not every partition can be written", "topic", w.name, "cause", t.Leaders)
	}
	w.state.Store(&t)
	if w.changed != nil {
		w.changed()
	}
	return t
}

func (w *watcher) fetch() topicState {
	t := topicState{Name: w.name}
	if w.admin.ctx.Err() != nil {
		return t
	}
	md, err := w.metadata()
	if err != nil {
		t.Err = fmt.Errorf("kafka cannot be reached (--brokers): %w", err)
		return t
	}
	topic, least := md.Topics[w.name], int(w.partitions.Load())
	t.Partitions = len(topic.Partitions)
	switch code := topic.Error.Code(); {
	case code == kafka.ErrUnknownTopicOrPart || code == kafka.ErrUnknownTopic || code == kafka.ErrNoError && t.Partitions == 0:
		t.Err = fmt.Errorf("topic %s is missing; make it: ringtail topics create %s --partitions %d: %w", w.name, w.name, least, ErrTopic)
	case code != kafka.ErrNoError:
		t.Err = fmt.Errorf("topic %s: %w", w.name, topic.Error)
	case t.Partitions < least:
		t.Err = fmt.Errorf("topic %s has %d partitions, --shards needs %d; add partitions or give --fold-partitions: %w",
			w.name, t.Partitions, least, ErrTopic)
	}
	if t.Err != nil {
		return t
	}
	t.Leaders = w.connectivity.checkLeaders(w.admin.ctx, md, w.name, least)
	w.settings(&t)
	return t
}

// metadataSoon is when the way to a broker that has not answered is looked at.
const metadataSoon = time.Second

// metadata asks for the topic's.
func (w *watcher) metadata() (md *kafka.Metadata, err error) {
	err = w.connectivity.ask(w.admin.ctx, w.admin.limit, func(limit time.Duration) (err error) {
		md, err = w.admin.client.GetMetadata(&w.name, false, int(limit/time.Millisecond))
		return err
	})
	return md, err
}

// settings reads the topic's limit and policy. Not being allowed to is no reason
// not to write: Kafka's defaults are assumed, and said.
func (w *watcher) settings(t *topicState) {
	t.Limit = limitDefault
	ctx, cancel := context.WithTimeout(w.admin.ctx, w.admin.limit)
	defer cancel()
	res, err := w.admin.client.DescribeConfigs(ctx, []kafka.ConfigResource{{Type: kafka.ResourceTopic, Name: w.name}},
		kafka.SetAdminRequestTimeout(w.admin.limit))
	if w.admin.ctx.Err() != nil {
		return
	}
	if err == nil && len(res) == 1 && res[0].Error.Code() != kafka.ErrNoError {
		err = res[0].Error
	}
	if err != nil || len(res) != 1 {
		t.Assumed = true
		if old := w.topic(); old.Limit > 0 {
			t.Limit, t.Compacted, t.Assumed = old.Limit, old.Compacted, old.Assumed
		}
		w.log.Warn("topic's settings cannot be read, assuming max.message.bytes", "topic", w.name, "bytes", t.Limit, "cause", err)
		return
	}
	if n, err := strconv.Atoi(res[0].Config["max.message.bytes"].Value); err == nil && n > 0 {
		t.Limit = n
	}
	// "compact,delete" compacts as well.
	policy := res[0].Config["cleanup.policy"].Value
	for _, p := range splitComma(policy) {
		t.Compacted = t.Compacted || p == "compact"
	}
	if t.Compacted && !w.keyed {
		t.Err = fmt.Errorf("topic %s has cleanup.policy=%s, which takes no record without key; set --key-field or cleanup.policy=delete: %w",
			w.name, policy, ErrTopic)
	}
}

func splitComma(s string) []string {
	parts := strings.Split(s, ",")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return parts
}
