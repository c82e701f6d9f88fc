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

	"github.com/ringtail/ringtail/internal/kafkaclient"
	"github.com/ringtail/ringtail/producer/backend"
)

// ErrTopic is what errors are that waiting does not mend: the topic is missing or does not fit the
// flags.
var ErrTopic = errors.New("topic does not fit")

// unfit is an ErrTopic. It says what is wrong, and not that something is.
type unfit string

func (e unfit) Error() string { return string(e) }

// Is makes it an ErrTopic.
func (e unfit) Is(target error) bool { return target == ErrTopic }

// unreached is why nothing was found out about a topic.
type unreached struct{ error }

func (e unreached) Unwrap() error { return e.error }

// topicState is what a refresh found of a topic.
type topicState struct {
	Refresh    uint64 // number of the refresh, from 1; 0: there was none yet
	Name       string
	Err        error // why records cannot be written now; nil: they can
	Leaders    error // why some partitions cannot be written now; nil: they can, or it is not known
	Partitions int
	Limit      int // max.message.bytes: the largest batch, bytes
	Compacted  bool
	MinInSync  int  // min.insync.replicas; 0: not known
	Assumed    bool // Limit and Compacted could not be read

	Metadata *backend.Metadata // as of the last refresh that got it; nil: none did
}

const (
	limitDefault = 1048588 // Kafka's own max.message.bytes
	recordSlack  = 512     // what a batch of one record takes beside the record, its key and its headers
	refreshEvery = time.Minute
	refreshAgain = time.Second
	refreshSoon  = 5 * time.Second
)

// recordMax returns the most bytes that a record, its key and its headers may have together.
func (t topicState) recordMax() int {
	if t.Limit == 0 {
		return limitDefault - recordSlack
	}
	return max(t.Limit-recordSlack, 0)
}

// batchMax returns the most that batch.size may be: a batch that the topic refuses is not split.
func (t topicState) batchMax() int {
	if t.Limit == 0 {
		return batchSize
	}
	return max(min(t.Limit, batchSize), 1)
}

// watcher refreshes what is known of one topic: at the start, every minute, and when it is asked
// to. Any goroutine may read its state.
type watcher struct {
	name         string
	partitions   atomic.Int32 // the topic needs at least these
	keyed        bool         // records have keys, so it may be compacted
	admin        *admin
	connectivity *connectivity
	log          *slog.Logger
	changed      func()        // called after each refresh
	taken        func() uint64 // records that Kafka has of us
	refreshing   sync.Mutex    // one refresh at a time: that of a Check that was given up goes on
	state        atomic.Pointer[topicState]
	wanted       chan struct{} // capacity 1
	unreadable   string        // refreshing: why the settings could not be read the last time
	tells        atomic.Bool   // it logs what changes: not before Start, when a Check returns what is wrong
}

func newWatcher(name string, partitions int, keyed bool, admin *admin, connectivity *connectivity, log *slog.Logger, changed func()) *watcher {
	w := &watcher{name: name, keyed: keyed, admin: admin, connectivity: connectivity, log: log, changed: changed, wanted: make(chan struct{}, 1)}
	w.taken = func() uint64 { return 0 }
	w.partitions.Store(int32(partitions))
	w.state.Store(&topicState{Name: name, Err: errors.New("topic " + name + ": not looked at yet")})
	return w
}

func (w *watcher) topic() topicState { return *w.state.Load() }

// refresh asks for a newer state. It does not wait.
func (w *watcher) refresh() {
	select {
	case w.wanted <- struct{}{}:
	default:
	}
}

// run refreshes until admin is stopped: every minute, more often while something is wrong, and when
// it is asked to.
func (w *watcher) run() {
	for last := uint64(0); ; {
		every := refreshEvery
		switch t := w.topic(); {
		case t.Err != nil || t.Leaders != nil || t.Refresh == last:
			every = refreshAgain
		case !w.connectivity.native() && !t.Metadata.Whole(): // the native writer reads it by itself
			every = refreshSoon
		}
		select {
		case <-w.admin.ctx.Done():
			return
		case <-w.wanted:
		case <-time.After(every):
		}
		last = w.topic().Refresh
		w.refreshNow()
	}
}

// refreshNow asks Kafka, and stores and returns what it found. It runs on a goroutine of admin's.
func (w *watcher) refreshNow() topicState {
	w.refreshing.Lock()
	defer w.refreshing.Unlock()
	old, taken := w.topic(), w.taken()
	t := w.fetch()
	if w.admin.ctx.Err() != nil { // stopped meanwhile: this says nothing about the topic
		t.Err = errClosed
		return t
	}
	if errors.As(t.Err, new(unreached)) && old.Err == nil && w.taken() > taken {
		return old // the broker that was asked is silent, and others take records
	}
	t.Refresh = old.Refresh + 1
	if t.Metadata == nil {
		t.Metadata = old.Metadata
	}
	if t.Err != nil {
		t.Limit, t.Compacted, t.Partitions, t.MinInSync = old.Limit, old.Compacted, old.Partitions, old.MinInSync
		if w.tells.Load() && (old.Err == nil || old.Err.Error() != t.Err.Error()) {
			w.log.Warn("topic cannot be written", "topic", w.name, "cause", t.Err)
		}
	} else if w.tells.Load() && old.Err != nil {
		w.log.Info("topic can be written", "topic", w.name)
	}
	if w.tells.Load() && t.Leaders != nil && (old.Leaders == nil || old.Leaders.Error() != t.Leaders.Error()) {
		w.log.Warn("not every partition can be written", "topic", w.name, "cause", t.Leaders)
	}
	w.state.Store(&t)
	if w.changed != nil {
		w.changed()
	}
	return t
}

// fetch asks Kafka about the topic.
func (w *watcher) fetch() topicState {
	t := topicState{Name: w.name}
	if w.admin.ctx.Err() != nil {
		return t
	}
	md, against, err := w.metadata()
	if err != nil {
		t.Err = unreached{fmt.Errorf("kafka cannot be reached (--brokers): %w", err)}
		return t
	}
	least := int(w.partitions.Load())
	t.Metadata, t.Partitions = md, len(md.Partitions)
	switch {
	case errors.Is(against, errMissing):
		t.Err = unfit(fmt.Sprintf("topic %s is missing; make it: ringtail topics create %s --partitions %d", w.name, w.name, least))
	case against != nil:
		t.Err = fmt.Errorf("topic %s: %w", w.name, against)
	case t.Partitions < least:
		t.Err = unfit(fmt.Sprintf("topic %s has %d partitions, --shards needs %d; add partitions or give --fold-partitions",
			w.name, t.Partitions, least))
	}
	if t.Err != nil {
		return t
	}
	t.Leaders = w.connectivity.checkLeaders(w.admin.ctx, md, least)
	var asking sync.WaitGroup // it ends before this goroutine does, which admin knows
	var forbidden error
	asking.Go(func() { forbidden = w.permitted() })
	w.settings(&t)
	asking.Wait()
	if t.Err == nil {
		t.Err = forbidden
	}
	return t
}

// metadataSoon is how long brokers have for a response before the way to them is checked.
const metadataSoon = time.Second

// metadata asks for the topic's metadata, and what brokers say against the topic.
func (w *watcher) metadata() (md *backend.Metadata, against, err error) {
	err = kafkaclient.Ask(w.admin.ctx, w.connectivity.seeds, w.connectivity.security, metadataSoon, w.admin.limit, func(limit time.Duration) (err error) {
		md, against, err = w.admin.asker().metadata(w.admin.ctx, w.name, limit)
		return err
	})
	return md, against, err
}

// settings reads the topic's limit and policy. Where it may not, it assumes Kafka's defaults and
// logs that.
func (w *watcher) settings(t *topicState) {
	t.Limit = limitDefault
	ctx, cancel := context.WithTimeout(w.admin.ctx, w.admin.limit)
	defer cancel()
	settings, err := w.admin.asker().settings(ctx, w.name)
	if w.admin.ctx.Err() != nil {
		return
	}
	if err != nil {
		t.Assumed = true
		if old := w.topic(); old.Limit > 0 {
			t.Limit, t.Compacted, t.MinInSync, t.Assumed = old.Limit, old.Compacted, old.MinInSync, old.Assumed
		}
		if cause := fmt.Sprint(err); cause != w.unreadable {
			w.unreadable = cause
			w.log.Warn("topic's settings cannot be read, assuming max.message.bytes", "topic", w.name, "bytes", t.Limit, "cause", err)
		}
		return
	}
	w.unreadable = ""
	t.MinInSync, _ = strconv.Atoi(settings["min.insync.replicas"])
	if n, err := strconv.Atoi(settings["max.message.bytes"]); err == nil && n > 0 {
		t.Limit = n
	}
	// "compact,delete" compacts as well.
	policy := settings["cleanup.policy"]
	for p := range strings.SplitSeq(policy, ",") {
		t.Compacted = t.Compacted || strings.TrimSpace(p) == "compact"
	}
	if t.Compacted && !w.keyed {
		t.Err = unfit(fmt.Sprintf("topic %s has cleanup.policy=%s, which takes no record without key; set --key-field or cleanup.policy=delete",
			w.name, policy))
	}
}
