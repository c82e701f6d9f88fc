package producer

import (
	"cmp"
	"slices"
	"time"

	"github.com/ringtail/ringtail/producer/backend"
	"github.com/ringtail/ringtail/shard"
)

// Insight is what a Writer knows at one moment of what lies between the rings and Kafka.
type Insight struct {
	Streams []StreamInsight // the shards', in order, then the dead letters'
	Brokers []BrokerInsight // by id
	Topics  []TopicInsight  // the records', then the dead letters'
}

// StreamInsight is about one ring on its way to one partition.
type StreamInsight struct {
	Name           string // the ring's: "0", …, "dead-letter"
	Partition      int32
	Leader         int32         // the id of its broker; -1: there is none, or it is not known
	State          string        // of its engine: starting, running, settling, destroying, rebuilding, ended
	Oldest         time.Duration // age of the oldest record that Kafka does not have; 0: it has all
	Delivered      uint64        // records
	DeliveredBytes uint64        // of values
	Refused        uint64        // records set aside
	UnderWay       int           // records handed to the writer that Kafka does not have yet
	Stages         StageTimes
	LastError      *Trouble // nil: there was none
}

// StageTimes are sums over the records of a stream that are in Kafka: how long they were in the
// ring before the writer got them, in the writer before their request was sent, and from then until
// Kafka's answer.
type StageTimes struct{ Ring, Writer, Broker time.Duration }

// Trouble is an error, and when it was seen last.
type Trouble = backend.Trouble

// BrokerInsight is about one broker, as all engines together see it.
type BrokerInsight struct {
	ID        int32
	Address   string
	State     string        // up, connecting, down
	UnderWay  int           // requests sent and not answered
	Oldest    time.Duration // since when the oldest of these is under way; 0: none is
	Requests  uint64        // answered so far
	P50, P99  time.Duration // of the requests of the last seconds
	Throttled time.Duration // sum of what it asked for or took to keep us to a quota
	LastError *Trouble

	took *requestCounts
}

// TopicInsight is what the last look at a topic found.
type TopicInsight struct {
	Name              string  `json:"name"`
	Partitions        int     `json:"partitions"`
	Replicas          int     `json:"replicas"`            // of each partition, the least
	MinInSyncReplicas int     `json:"min_insync_replicas"` // the topic's min.insync.replicas; 0: not known
	BelowMin          []int32 `json:"below_min"`           // partitions with fewer in-sync replicas than that
	Shrunk            []int32 `json:"shrunk"`              // partitions that have not all replicas in sync
	RecordLimit       int     `json:"record_limit_bytes"`  // what a record may be, with its key and headers
	Error             string  `json:"error"`               // why records cannot be written; "": they can
}

// Insight returns what is known now. It works at any time, also before Start and after Drain. It
// asks nobody.
func (w *Writer) Insight() Insight {
	var in Insight
	now := shard.Now()
	started := w.started.Load()
	for i, r := range w.set.Rings {
		if started {
			k := w.opts.Producers
			in.Streams = append(in.Streams, w.engines[i%k].insight(i/k, now))
		} else {
			p := int32(i)
			if n := w.topic.topic().Partitions; w.opts.Fold && n > 0 {
				p %= int32(n)
			}
			in.Streams = append(in.Streams, w.unstarted(r, p, w.topic))
		}
	}
	switch {
	case w.deadTopic == nil:
	case started:
		in.Streams = append(in.Streams, w.deadEngine.insight(0, now))
	default:
		in.Streams = append(in.Streams, w.unstarted(w.set.Dead, 0, w.deadTopic))
	}
	in.Brokers = w.brokerInsights()
	in.Topics = append(in.Topics, w.topicInsight(w.topic, w.RecordLimit()))
	if w.deadTopic != nil {
		in.Topics = append(in.Topics, w.topicInsight(w.deadTopic, w.DeadLetterLimit()))
	}
	return in
}

// unstarted is about a stream before Start. Nothing was taken for it yet: what a former process left
// in its file counts from when Kafka is reached.
func (w *Writer) unstarted(r *shard.Ring, partition int32, t *watcher) StreamInsight {
	return StreamInsight{Name: r.Name(), Partition: partition, Leader: t.topic().Metadata.Leader(partition), State: "starting"}
}

// metadataOf returns the newest metadata about a topic, and never nil.
func (w *Writer) metadataOf(t *watcher) *backend.Metadata {
	md := &backend.Metadata{}
	if told := t.topic().Metadata; told != nil {
		md = told
	}
	for _, e := range w.enginesOf(t) {
		if told := e.cfg.Insight.Metadata(); told != nil && told.At.After(md.At) {
			md = told
		}
	}
	return md
}

// enginesOf returns the engines that write a topic, none before Start.
func (w *Writer) enginesOf(t *watcher) []*engine {
	switch {
	case !w.started.Load():
		return nil
	case t == w.topic:
		return w.engines
	}
	return []*engine{w.deadEngine}
}

func (w *Writer) topicInsight(t *watcher, limit int) TopicInsight {
	now, md := t.topic(), w.metadataOf(t)
	out := TopicInsight{Name: now.Name, Partitions: max(now.Partitions, len(md.Partitions)), MinInSyncReplicas: now.MinInSync, RecordLimit: limit}
	out.BelowMin, out.Shrunk, out.Replicas = shrunk(md, now.MinInSync)
	if now.Err != nil {
		out.Error = now.Err.Error()
	} else if now.Leaders != nil {
		out.Error = now.Leaders.Error()
	}
	return out
}

// requestCounts are the requests that a broker answered, by backend.RequestBounds.
type requestCounts struct {
	buckets [len(backend.RequestBounds) + 1]uint64
	sum     time.Duration
}

// brokerInsights merges what the engines' clients have seen of brokers. It leaves out those that are
// not the cluster's any more.
func (w *Writer) brokerInsights() []BrokerInsight {
	found := map[int32]*BrokerInsight{}
	for _, t := range w.watchers() {
		md := w.metadataOf(t)
		for id, address := range md.Brokers {
			if found[id] == nil {
				found[id] = &BrokerInsight{ID: id, Address: address, State: brokerUp, took: &requestCounts{}}
			}
		}
		for _, e := range w.enginesOf(t) {
			for _, b := range e.cfg.Insight.Brokers() {
				alive, leads, replica := has(md, b.ID)
				n, _ := b.UnderWay()
				if !alive && !replica && n == 0 {
					continue
				}
				if found[b.ID] == nil {
					found[b.ID] = &BrokerInsight{ID: b.ID, State: brokerUp, took: &requestCounts{}}
				}
				found[b.ID].merge(b, stateOf(b, md, alive, leads, time.Now()))
			}
		}
	}
	out := make([]BrokerInsight, 0, len(found))
	for _, b := range found {
		out = append(out, *b)
	}
	slices.SortFunc(out, func(a, b BrokerInsight) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

// Values of BrokerInsight.State, the best first.
const (
	brokerUp         = "up"
	brokerConnecting = "connecting"
	brokerDown       = "down"
)

// How long an error counts that was not seen again.
const (
	downFor       = 10 * time.Second
	leaderDownFor = time.Minute
)

// stateOf returns a broker's state. One that leads nothing of ours is not connected to: the cluster
// says whether it is alive, and when the metadata is newer than an error, that is over. An error is
// seen again and again while something is to be sent; when it has not been for long, nothing is, and
// the cluster's word counts, too.
func stateOf(b *backend.Broker, md *backend.Metadata, alive, leads bool, now time.Time) string {
	state, up, down := b.State()
	n, _ := b.UnderWay()
	since, recent := now.Sub(down), downFor
	if leads {
		recent = leaderDownFor
	}
	switch {
	case !alive && !up.After(md.At), state == backend.BrokerDown && (leads || down.After(md.At)) && (n > 0 || since < recent):
		return brokerDown
	case state == backend.BrokerConnecting && leads:
		return brokerConnecting
	}
	return brokerUp
}

// merge adds what one engine's clients have seen.
func (out *BrokerInsight) merge(b *backend.Broker, state string) {
	if out.Address == "" {
		out.Address = b.Address()
	}
	if state == brokerDown || out.State == brokerUp {
		out.State = state
	}
	n, oldest := b.UnderWay()
	out.UnderWay += n
	out.Oldest = max(out.Oldest, oldest)
	requests, sum := b.Requests.Snapshot(out.took.buckets[:])
	out.Requests += requests
	out.took.sum += sum
	p50, p99 := b.Requests.Recent()
	out.P50, out.P99 = max(out.P50, p50), max(out.P99, p99)
	out.Throttled += b.Throttled()
	if t := b.Trouble(); t != nil && (out.LastError == nil || t.At.After(out.LastError.At)) {
		out.LastError = t
	}
}
