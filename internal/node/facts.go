package node

import (
	"time"

	"github.com/ringtail/ringtail/internal/verdict"
	"github.com/ringtail/ringtail/producer"
	"github.com/ringtail/ringtail/server"
	"github.com/ringtail/ringtail/shard"
)

// facts are what one look at all parts found.
type facts struct {
	at        time.Time
	phase     verdict.State // Starting, Draining; "": it serves
	ready     bool
	reason    string
	out       producer.Stats
	insight   producer.Insight
	in        server.Stats
	listeners []server.ListenerStats
	rejects   []server.RejectSample
	stages    server.StageTimes
	rings     []ringFacts // the shards', in order, then the dead letters'
	usage     usage
}

// ringFacts are about one ring. Counts are of records, since the process began.
type ringFacts struct {
	producer.StreamInsight
	used, capacity int
	taken          uint64 // those that came, and those found in files at the start
}

// backlog is how many records Kafka does not have. What lies between the looks at its two sides may
// be missing.
func (r *ringFacts) backlog() uint64 {
	if done := r.Delivered + r.Refused; r.used > 0 && r.taken > done {
		return r.taken - done
	}
	return 0
}

// look looks at everything. The order matters: what is delivered has been received.
func (n *node) look() facts {
	f := facts{at: time.Now(), out: n.sink.stats(), insight: n.sink.insight(), usage: usageNow()}
	f.phase, f.reason = n.serving()
	if f.phase == "" {
		f.ready, f.reason = n.sink.ready()
	}
	streams := make(map[string]producer.StreamInsight, len(f.insight.Streams))
	for _, s := range f.insight.Streams {
		streams[s.Name] = s
	}
	if s := n.server.Load(); s != nil {
		f.in, f.listeners, f.rejects, f.stages = s.Stats(), s.Listeners(), s.Rejects(), s.Stages()
	}
	for i, r := range n.rings.Rings {
		f.rings = append(f.rings, ringOf(r, streams, countOf(f.in.Routed, i), int32(i)))
	}
	if d := n.rings.Dead; d != nil {
		f.rings = append(f.rings, ringOf(d, streams, f.in.DeadLetters+f.out.Refused, 0))
	}
	return f
}

// countOf is a shard's count; before there is a server there are none.
func countOf(counts []uint64, i int) uint64 {
	if i < len(counts) {
		return counts[i]
	}
	return 0
}

func ringOf(r *shard.Ring, streams map[string]producer.StreamInsight, came uint64, partition int32) ringFacts {
	s, ok := streams[r.Name()]
	if !ok {
		s = producer.StreamInsight{Name: r.Name(), Partition: partition, Leader: -1, State: "starting"}
	}
	return ringFacts{StreamInsight: s, used: r.Used(), capacity: r.Capacity(), taken: came + uint64(r.Recovered().Records)}
}

// The phases in which a node does not serve yet, and not any more. While it starts, the phase may also
// be what it waits for.
const (
	phaseStarting = "starting"
	phaseStopping = "stopping"
)

// serving returns in which phase the node is, and why; no state while it serves.
func (n *node) serving() (verdict.State, string) {
	switch why := n.phase.Load(); {
	case why == nil:
		return "", ""
	case *why == phaseStopping:
		return verdict.Draining, ""
	case *why == phaseStarting:
		return verdict.Starting, ""
	default:
		return verdict.Starting, *why
	}
}

// sample is what a verdict is made of.
func (f *facts) sample(p99 time.Duration, cpu float64) verdict.Sample {
	s := verdict.Sample{
		At: f.at, Phase: f.phase, Ready: f.ready, Reason: f.reason,
		Received: f.in.Received, Rejected: f.in.Rejected, Refused: sum(f.in.Refused), P99: p99,
		Connections: f.in.Connections, WaitingMemory: f.in.WaitingForMemory, WaitingRate: f.in.WaitingForRate, WaitingAcks: f.in.WaitingForAcks,
		Socket: f.stages.Socket, Parse: f.stages.Parse, CPU: cpu,
	}
	s.WaitingRoom = f.in.Waiting - s.WaitingMemory - s.WaitingRate - s.WaitingAcks
	for _, why := range []string{"foreign", "bad_stream", "tls", "unauthorized"} {
		s.Misfits += f.in.Closed[why]
	}
	for i := range f.rings {
		r := &f.rings[i]
		s.Shards = append(s.Shards, verdict.Shard{
			Name: r.Name, Partition: r.Partition, Leader: r.Leader, Used: r.used, Capacity: r.capacity,
			Backlog: r.backlog(), UnderWay: r.UnderWay, Oldest: r.Oldest, Taken: r.Delivered + r.Refused,
			Ring: r.Stages.Ring, Writer: r.Stages.Writer, Broker: r.Stages.Broker, Error: errorOf(r.LastError),
		})
	}
	for _, b := range f.insight.Brokers {
		s.Brokers = append(s.Brokers, verdict.Broker{ID: b.ID, Address: b.Address, Up: b.State != "down", Oldest: b.Oldest, Throttled: b.Throttled, Error: errorOf(b.LastError)})
	}
	return s
}

func errorOf(t *producer.Trouble) verdict.Error {
	if t == nil {
		return verdict.Error{}
	}
	return verdict.Error{At: t.At, Text: t.Text}
}
