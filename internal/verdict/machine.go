package verdict

import (
	"math"
	"slices"
	"time"
)

// Machine makes verdicts of samples, which come about once a second. It is for one goroutine.
type Machine struct {
	samples []Sample // those of the last Window, the oldest first
	spent   []spent  // what records' time went to between one sample and the next, as many less one
	minute  spent    // all of it
	sums    [stages]float64

	moved    []moved   // by shard
	leaders  []leaders // by shard
	unready  time.Time // since when Kafka cannot be written to, though no record waits for long; zero: it can
	slow     time.Time // since when it is slow; zero: it is not
	slowLast time.Time
	unread   time.Time // since when clients do not read their acks; zero: they do
	overRate time.Time // since when most are over their rate; zero: they are not
	lastCame uint64
	cameAt   time.Time // when the last record came, or the first sample of serving

	now      finding
	betterAt time.Time // since when the state would be a better one; zero: it would not
}

// moved is when Kafka last took something of a shard.
type moved struct {
	taken uint64
	at    time.Time
}

// finding is a state and what is to be said of it.
type finding struct {
	state        State
	kind         string // of the state; since is kept while it is the same
	text, advice string
	since        time.Time
	brief        bool // it ends at once: what would begin it again takes long
}

// rank orders the states of a node that serves, the worst first.
func (f *finding) rank() int { return slices.Index([]State{Stuck, Slow, Clients, OK}, f.state) }

// Look takes the next sample and returns the verdict.
func (m *Machine) Look(s Sample) Verdict {
	m.add(s)
	m.minute = m.total(Window)
	found := m.find(&s)
	switch {
	case found.state != m.now.state && (found.rank() < 0 || m.now.rank() < 0) || found.rank() < m.now.rank() || m.now.brief && found.kind != m.now.kind:
		m.now, m.betterAt = found, time.Time{}
	case found.state == m.now.state:
		if found.state != Stuck && found.kind == m.now.kind {
			found.since = m.now.since
		}
		m.now, m.betterAt = found, time.Time{}
	case m.betterAt.IsZero():
		m.betterAt = s.At
	case s.At.Sub(m.betterAt) >= betterFor:
		found.since = m.betterAt
		m.now, m.betterAt = found, time.Time{}
	}
	return Verdict{
		State: m.now.state, Text: m.now.text, Since: m.now.since, Advice: m.now.advice,
		FullIn: m.fullIn(), Waiting: waiting(&s), Connections: s.Connections, Stages: m.stages(),
	}
}

// waiting is how many connections are not read.
func waiting(s *Sample) int { return s.WaitingRoom + s.WaitingMemory + s.WaitingRate + s.WaitingAcks }

// add puts a sample behind the others, and notes what it shows.
func (m *Machine) add(s Sample) {
	if len(m.samples) == 0 {
		m.moved, m.leaders = make([]moved, len(s.Shards)), make([]leaders, len(s.Shards))
		m.now.since = s.At
	}
	for i := range s.Shards {
		m.leaders[i].note(s.Shards[i].Leader, s.At)
	}
	if len(m.samples) > 0 {
		sp := m.charge(m.last(), &s)
		for i, seconds := range sp.in {
			m.sums[i] += seconds
		}
		m.spent = append(m.spent, sp)
	}
	m.samples = append(m.samples, s)
	for s.At.Sub(m.samples[0].At) > Window {
		m.samples, m.spent = m.samples[1:], m.spent[1:]
	}
	for i, sh := range s.Shards {
		if m.moved[i].at.IsZero() || m.moved[i].taken != sh.Taken {
			m.moved[i] = moved{sh.Taken, s.At}
		}
	}
	if m.cameAt.IsZero() || s.Phase != "" || s.Received != m.lastCame {
		m.lastCame, m.cameAt = s.Received, s.At
	}
	serving := s.Phase == ""
	hold(&m.unready, s.At, serving && !s.Ready && s.oldest() < stuckAfter-time.Second)
	hold(&m.unread, s.At, s.WaitingAcks > 0 && s.WaitingAcks*unreadShare >= s.Connections)
	hold(&m.overRate, s.At, s.WaitingRate*2 > s.Connections)
	if serving && (s.oldest() > SlowOver || s.P99 > SlowOver || s.WaitingRoom > 0 || s.WaitingMemory > 0) {
		hold(&m.slow, s.At, true)
		m.slowLast = s.At
	} else if s.At.Sub(m.slowLast) > slowGap {
		m.slow = time.Time{}
	}
}

// hold notes since when something is true.
func hold(since *time.Time, at time.Time, now bool) {
	if !now {
		*since = time.Time{}
	} else if since.IsZero() {
		*since = at
	}
}

// lasted tells whether something that is true since then is so for d.
func lasted(since, now time.Time, d time.Duration) bool {
	return !since.IsZero() && now.Sub(since) >= d
}

// find is the state by itself, without what was before.
func (m *Machine) find(s *Sample) finding {
	switch s.Phase {
	case Starting:
		return m.phase(s, "STARTING")
	case Draining:
		return m.phase(s, "DRAINING")
	}
	for _, look := range []func(*Sample) (finding, bool){m.findStuck, m.findUnready, m.findSlow, m.findClients} {
		if f, ok := look(s); ok {
			return f
		}
	}
	return finding{state: OK, text: "OK", since: s.At}
}

// FullIn is when the ring of a shard is full at the rate of the last seconds, or since it stands still,
// in seconds; nil: it does not fill.
func (m *Machine) FullIn(shard int) *float64 {
	now, over := m.last(), fillOver
	if still := now.At.Sub(m.moved[shard].at); still > SlowOver { // before, it did not fill
		over = min(over, still)
	}
	before := m.ago(over)
	was, is := &before.Shards[shard], &now.Shards[shard]
	if is.Oldest <= SlowOver { // what turns over in a second does not fill
		return nil
	}
	seconds := now.At.Sub(before.At).Seconds()
	if seconds <= 0 {
		return nil
	}
	rate, capacity := float64(is.Used-was.Used)/seconds, float64(is.Capacity)
	left := math.Inf(1)
	switch {
	case float64(is.Used) >= fullFrom*capacity && rate > -capacity/100:
		left = 0
	case rate > 0:
		left = (capacity - float64(is.Used)) / rate
	}
	if left > fillLimit.Seconds() {
		return nil
	}
	return &left
}

// fullIn is that of the ring that is full first.
func (m *Machine) fullIn() (first *float64) {
	for i := range m.moved {
		if in := m.FullIn(i); in != nil && (first == nil || *in < *first) {
			first = in
		}
	}
	return first
}
