package producer

import (
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/ringtail/ringtail/producer/backend"
	"github.com/ringtail/ringtail/shard"
)

// streamSeen is what other goroutines see of a stream.
//
//   - The engine's goroutine writes it, in show and showInflight, and only what has changed.
//   - oldest is right as of the last step. No record comes to a ring without a step soon after:
//     while the engine runs it sleeps for milliseconds, or is parked, and then Publish wakes it; in
//     its other states it sleeps for unseenMax at most.
//   - Sums only grow, each by itself. A reader may see one that is a step newer than another.
type streamSeen struct {
	oldest                     atomic.Int64 // when the oldest record came that Kafka does not have (shard.Now); 0: it has all
	inflight                   atomic.Int64
	inRing, inWriter, inBroker atomic.Int64 // StageTimes, nanoseconds

	writer, broker time.Duration // the engine's: what the present client has told so far
}

// unseenMax is how old what others see may be.
const unseenMax = 250 * time.Millisecond

// setIfNew stores v in a where that has another value. The engine alone writes to a.
func setIfNew(a *atomic.Int64, v int64) {
	if a.Load() != v {
		a.Store(v)
	}
}

// show shows others how s is. It returns when the oldest record came that Kafka does not have, 0 if
// it has all.
func (s *stream) show() (oldest int64) {
	if len(s.inflight) > 0 {
		oldest = s.inflight[0].batch.Taken
	} else if taken, ok := s.ring.Waiting(); ok {
		oldest = taken
	}
	if oldest <= 0 && (len(s.inflight) > 0 || s.ring.Pending()) {
		oldest = 1 // came when the process began
	}
	setIfNew(&s.seen.oldest, oldest)
	setIfNew(&s.seen.inRing, int64(s.times.Ring))
	setIfNew(&s.seen.inWriter, int64(s.times.Writer))
	setIfNew(&s.seen.inBroker, int64(s.times.Broker))
	s.showInflight()
	return oldest
}

func (s *stream) showInflight() { setIfNew(&s.seen.inflight, int64(s.sent-s.acked)) }

// show shows others how all streams are.
func (e *engine) show() {
	for _, s := range e.streams {
		s.show()
	}
}

// addClientTimes adds what the client tells of records that are in Kafka now.
func (s *stream) addClientTimes(p backend.Progress) {
	s.times.Writer += p.InWriter - s.seen.writer
	s.times.Broker += p.InBroker - s.seen.broker
	s.seen.writer, s.seen.broker = p.InWriter, p.InBroker
}

// noteFreed counts the records of a batch that is done. They came together, and count as in Kafka
// with the last of them.
func (e *engine) noteFreed(s *stream, b *inflightBatch) {
	n := time.Duration(b.end - b.first)
	e.stats.freed(s, b, e.freedAt)
	// While the client takes no batch, a broker has its partition's last one. That time is the
	// broker's, although the records wait in the ring.
	refused := max(min(b.refused, b.handed), b.batch.Taken)
	s.times.Ring += n * time.Duration(refused-b.batch.Taken)
	s.times.Broker += n * time.Duration(max(b.handed-refused, 0))
	if e.client == nil {
		return
	}
	// A client that cannot tell the times of a stream tells what share of the time from there on is
	// the brokers'.
	if share, ok := e.client.BrokerShare(); ok {
		took := time.Duration(max(e.freedAt-b.handed, 0))
		if t := e.cfg.Insight.Troubles[s.id].Load(); took > troubleAfter && t != nil && time.Since(t.At) < took {
			share = 1 // librdkafka's times do not tell the waits between tries from its own
		}
		rest := n * took
		broker := time.Duration(float64(rest) * share)
		s.times.Broker += broker
		s.times.Writer += rest - broker
	}
}

// countValues sets b.values.
func (b *inflightBatch) countValues() {
	b.values = b.batch.ValueBytes()
	if len(b.aside) > 0 {
		b.batch.Records(func(i int, r shard.Record) bool {
			if b.isAside(i) {
				b.values -= len(r.Value)
			}
			return true
		})
	}
}

// noteRefusal notes a failure that the client has told: of s, or of all streams where s is nil.
func (e *engine) noteRefusal(code int, s *stream) {
	if code == 0 {
		return
	}
	text := e.cfg.Traits.ErrorText(code)
	if code > 0 {
		text = backend.CodeName(code)
	}
	for i := range e.streams {
		if s == nil || s == e.streams[i] {
			backend.Note(&e.cfg.Insight.Troubles[i], text)
		}
	}
}

const (
	troubleAfter = time.Second     // a record waits for longer: something is wrong
	askAgain     = 5 * time.Second // between two looks at the topic in a stall
)

// noteTroubles looks once a second for what is wrong with streams whose records wait, where the
// client does not tell: the topic, the partition's replicas, or its leader. oldest is when the
// oldest record came.
func (e *engine) noteTroubles(oldest int64) {
	if oldest == 0 || e.freedAt-max(oldest, e.troublesAt) < int64(troubleAfter) {
		return
	}
	e.troublesAt = e.freedAt
	t, tells := e.topic(), e.cfg.Traits.TellsTroubles
	if e.seams.silence != nil && e.freedAt-oldest >= int64(silentAfter) {
		e.seams.silence()
	}
	if !tells && e.stalled && e.freedAt-e.askedAt >= int64(askAgain) {
		e.askedAt = e.freedAt
		e.seams.refreshTopic()
	}
	for i, s := range e.streams {
		if since := s.seen.oldest.Load(); since == 0 || e.freedAt-since < int64(troubleAfter) {
			continue
		}
		if e.state == stateRebuilding && t.Err != nil {
			backend.Note(&e.cfg.Insight.Troubles[i], t.Err.Error())
			continue
		}
		if !tells && e.notePartition(i, s, t) {
			continue
		}
		e.noteLeader(i, s)
	}
}

// notePartition notes what metadata says is wrong with the partition of stream s, which is number
// i. It returns whether there is anything.
func (e *engine) notePartition(i int, s *stream, t topicState) bool {
	md := e.cfg.Insight.Metadata()
	if md == nil || int(s.partition) >= len(md.Partitions) {
		return false
	}
	p := md.Partitions[s.partition]
	at := &e.cfg.Insight.Troubles[i]
	switch {
	case p.Leader < 0:
		backend.Note(at, backend.NobodyLeads)
	case p.InSync < t.MinInSync:
		backend.Note(at, fmt.Sprintf("NOT_ENOUGH_REPLICAS: %d in sync, min.insync.replicas is %d", p.InSync, t.MinInSync))
	default:
		return false
	}
	return true
}

// ownFor is how long what was said of a partition itself counts for more than what is wrong with
// its leader.
const ownFor = 3 * time.Second

// noteLeader notes what went wrong with the leader of stream s, which is number i, while its oldest
// record waited.
func (e *engine) noteLeader(i int, s *stream) {
	leader := e.cfg.Insight.Metadata().Leader(s.partition)
	if leader < 0 {
		return
	}
	trouble, at := e.cfg.Insight.Broker(leader).Trouble(), &e.cfg.Insight.Troubles[i]
	waits := time.Duration(e.freedAt - s.seen.oldest.Load())
	if old := at.Load(); trouble != nil && time.Since(trouble.At) < waits && (old == nil || trouble.At.Sub(old.At) > ownFor || old.Text == trouble.Text) {
		at.Store(trouble)
	}
}

// stateSeen is the engine's state in words.
func (e *engine) stateSeen() string {
	s := state(e.shown.Load())
	if s == stateRebuilding || s == stateRunning {
		select {
		case <-e.ready:
		default:
			return "starting"
		}
	}
	return s.String()
}

// insight is what others see of stream i.
func (e *engine) insight(i int, now int64) StreamInsight {
	s := e.streams[i]
	out := StreamInsight{
		Name: s.ring.Name(), Partition: s.partition, Leader: e.cfg.Insight.Metadata().Leader(s.partition), State: e.stateSeen(),
		UnderWay: int(s.seen.inflight.Load()), LastError: e.cfg.Insight.Troubles[i].Load(),
		Stages: StageTimes{
			Ring:   time.Duration(s.seen.inRing.Load()),
			Writer: time.Duration(s.seen.inWriter.Load()),
			Broker: time.Duration(s.seen.inBroker.Load()),
		},
	}
	if since := s.seen.oldest.Load(); since > 0 {
		out.Oldest = time.Duration(max(now-since, 1))
	}
	e.stats.count(s, &out)
	return out
}

// shrunk returns which partitions have fewer replicas in sync than that, and than they have, and
// how many replicas they have at least.
func shrunk(md *backend.Metadata, minInSync int) (below, out []int32, replicas int) {
	below, out = []int32{}, []int32{} // lists in JSON, too
	for p, now := range md.Partitions {
		if now.InSync < minInSync {
			below = append(below, int32(p))
		}
		if now.InSync < len(now.Replicas) {
			out = append(out, int32(p))
		}
		if p == 0 || len(now.Replicas) < replicas {
			replicas = len(now.Replicas)
		}
	}
	return below, out, replicas
}

// has reports whether md counts a broker as alive, and whether a partition has or could have it as
// its leader.
func has(md *backend.Metadata, broker int32) (alive, leads, replica bool) {
	_, alive = md.Brokers[broker]
	for _, p := range md.Partitions {
		leads = leads || p.Leader == broker
		replica = replica || slices.Contains(p.Replicas, broker)
	}
	return alive, leads, replica
}
