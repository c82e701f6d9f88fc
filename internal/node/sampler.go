package node

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ringtail/ringtail/internal/repeat"
	"github.com/ringtail/ringtail/internal/verdict"
	"github.com/ringtail/ringtail/producer"
)

// lookEvery is how often everything is looked at.
const lookEvery = time.Second

// deliveryOver is the time that p50 and p99 of the delivery are of.
const deliveryOver = 10 * time.Second

// sampler looks at the node once a second, and remembers what is needed for rates, for the verdict and
// for the history. Others read the last view.
type sampler struct {
	mu         sync.Mutex // guards a look: all but what is atomic
	n          *node
	host       string
	processors float64
	machine    verdict.Machine
	deliveries []delivered // of the last deliveryOver, and one before
	leaders    map[string]int32
	timeline   timeline
	last       atomic.Pointer[view]
	writer     atomic.Pointer[string] // who writes to Kafka, and why; nil: not known yet
}

// delivered is the delivery's counts at a moment.
type delivered struct {
	at     time.Time
	counts producer.Delivery
}

// view is what the last look came to. It does not change.
type view struct {
	facts
	verdict  verdict.Verdict
	rates    rates
	delivery *quantiles
	process  processStatus
	rings    []ringStatus
	brokers  []brokerStatus
	stages   [len(verdict.StageNames)]float64
}

// newSampler takes the first look.
func newSampler(n *node, reg prometheus.Registerer) (*sampler, error) {
	s := &sampler{n: n, processors: processors("/"), leaders: map[string]int32{}}
	s.host, _ = os.Hostname() // "": it has no name
	s.timeline.mark(n.started, "the process began")
	s.look()
	return s, reg.Register(&verdictCollector{n})
}

// run looks once a second until stop is called.
func (s *sampler) run() (stop func()) {
	return repeat.Every(lookEvery, func() {
		s.look()
		s.n.events.publish()
	})
}

// chosen says who writes to Kafka, and why: "native: …".
func (s *sampler) chosen(writer string) { s.writer.Store(&writer) }

// choice returns what chosen was told.
func (s *sampler) choice() (writer, why string) {
	if w := s.writer.Load(); w != nil {
		writer, why, _ = strings.Cut(*w, ": ")
	}
	return writer, why
}

// look takes a look, and makes a view of it.
func (s *sampler) look() {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.n.look()
	before := s.last.Load()
	if before == nil {
		before = &view{facts: f}
	}
	seconds := f.at.Sub(before.at).Seconds()
	v := &view{facts: f, process: f.usage.status(before.usage, seconds), delivery: s.delivered(&f)}
	p99 := time.Duration(0)
	if v.delivery != nil {
		p99 = time.Duration(v.delivery.P99 * float64(time.Second))
	}
	v.verdict = s.machine.Look(f.sample(p99, v.process.CPU/s.processors))
	v.rates = rates{
		Received: perSecond(float64(f.in.Received-before.in.Received), seconds),
		Acked:    perSecond(float64(f.out.Delivered-before.out.Delivered), seconds),
		Rejected: perSecond(float64(sum(f.in.Rejected)-sum(before.in.Rejected)), seconds),
		Bytes:    perSecond(float64(f.in.Bytes-before.in.Bytes), seconds),
	}
	v.stages = s.machine.StageSeconds()
	v.rings, v.brokers = s.ringsOf(v, before, seconds), s.brokersOf(v)
	s.note(v, before)
	s.timeline.add(v)
	s.last.Store(v)
}

// perSecond is a difference as a rate; the first look has nothing to compare with.
func perSecond(more, seconds float64) float64 {
	if seconds <= 0 {
		return 0
	}
	return more / seconds
}

func sum(counts map[string]uint64) (all uint64) {
	for _, n := range counts {
		all += n
	}
	return all
}

// delivered returns how long the records of the last seconds took, nil if there were none.
func (s *sampler) delivered(f *facts) *quantiles {
	s.deliveries = append(s.deliveries, delivered{f.at, f.out.Delivery})
	for len(s.deliveries) > 2 && f.at.Sub(s.deliveries[1].at) >= deliveryOver {
		s.deliveries = s.deliveries[1:]
	}
	recent := f.out.Delivery.Since(&s.deliveries[0].counts)
	p50, any := recent.Quantile(0.5)
	p99, _ := recent.Quantile(0.99)
	if !any {
		return nil
	}
	return &quantiles{p50.Seconds(), p99.Seconds()}
}

func (s *sampler) ringsOf(v, before *view, seconds float64) (out []ringStatus) {
	for i := range v.facts.rings {
		was, is := &before.facts.rings[i], &v.facts.rings[i]
		out = append(out, ringStatus{
			Name: is.Name, Records: is.backlog(), Used: is.used, Capacity: is.capacity,
			In:     perSecond(float64(is.taken-was.taken), seconds),
			Out:    perSecond(float64(is.Delivered+is.Refused-was.Delivered-was.Refused), seconds),
			Oldest: is.Oldest.Seconds(), Partition: is.Partition, Leader: is.Leader, State: is.State,
			FullIn: s.machine.FullIn(i), LastError: is.LastError,
		})
	}
	return out
}

func (s *sampler) brokersOf(v *view) []brokerStatus {
	out := []brokerStatus{}
	for _, b := range v.insight.Brokers {
		out = append(out, brokerStatus{
			ID: b.ID, Address: b.Address, State: b.State, UnderWay: b.UnderWay, Oldest: b.Oldest.Seconds(), Requests: b.Requests,
			P50: b.P50.Seconds(), P99: b.P99.Seconds(), Share: s.machine.BrokerShare(b.ID), LastError: b.LastError,
		})
	}
	return out
}

// note marks what has changed since the look before: leaders, and the writer.
func (s *sampler) note(v, before *view) {
	if v.out.Rebuilds > before.out.Rebuilds {
		s.timeline.mark(v.at, "the writer began anew")
	}
	type move struct{ from, to int32 }
	moves := map[move][]string{}
	for _, r := range v.facts.rings {
		from, known := s.leaders[r.Name]
		if r.Leader < 0 || known && from == r.Leader {
			continue // without a leader there is an error, which the ring shows
		}
		s.leaders[r.Name] = r.Leader
		if known {
			moves[move{from, r.Leader}] = append(moves[move{from, r.Leader}], r.partitionName())
		}
	}
	var texts []string
	for m, names := range moves {
		texts = append(texts, fmt.Sprintf("leader of %s: %d -> %d", strings.Join(names, ", "), m.from, m.to))
	}
	slices.Sort(texts)
	for _, text := range texts {
		s.timeline.mark(v.at, text)
	}
}

func (r *ringFacts) partitionName() string {
	if r.Name == verdict.DeadLetters {
		return "the dead letters"
	}
	return fmt.Sprintf("partition %d", r.Partition)
}
