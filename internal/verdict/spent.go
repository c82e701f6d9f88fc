package verdict

import (
	"slices"
	"time"
)

// Stages of a record's way, in this order.
const (
	inSocket = iota
	inParse
	inRing
	inWriter
	inBroker
	stages
)

// StageNames are the keys of Verdict.Stages, in the order of a record's way.
var StageNames = [stages]string{"socket", "parse", "ring", "writer", "broker"}

// spent is what records' time went to, in seconds.
type spent struct {
	in     [stages]float64
	leader map[int32]float64 // the time in rings, writer and broker, by the leader that it was for
}

// charge is what records' time went to between two samples. The sums may have gone over their type's
// end; their differences are right all the same.
func (m *Machine) charge(before, now *Sample) spent {
	sp := spent{leader: map[int32]float64{}}
	sp.in[inSocket], sp.in[inParse] = now.Socket-before.Socket, now.Parse-before.Parse
	for i := range now.Shards {
		was, is := &before.Shards[i], &now.Shards[i]
		ring, writer, broker := (is.Ring - was.Ring).Seconds(), (is.Writer - was.Writer).Seconds(), (is.Broker - was.Broker).Seconds()
		each := share(ring+writer+broker, float64(is.Taken-was.Taken))
		sp.add(m.leaders[i].during(now.At, each), ring, writer, broker)
	}
	return sp
}

// add adds what was spent, for each leader its part.
func (sp *spent) add(parts map[int32]float64, ring, writer, broker float64) {
	sp.in[inRing] += ring
	sp.in[inWriter] += writer
	sp.in[inBroker] += broker
	if all := ring + writer + broker; all > 0 {
		for leader, part := range parts {
			sp.leader[leader] += all * part
		}
	}
}

// leaders are those of a partition within the last Window, and the one before; the newest last.
type leaders []leader

type leader struct {
	id    int32
	since time.Time
}

// note notes who leads now. The first one that is known counts as from the beginning.
func (l *leaders) note(id int32, at time.Time) {
	if len(*l) == 1 && (*l)[0].id < 0 {
		(*l)[0].id = id
	}
	if n := len(*l); n == 0 || (*l)[n-1].id != id {
		*l = append(*l, leader{id, at})
	}
	for len(*l) > 1 && at.Sub((*l)[1].since) > Window {
		*l = (*l)[1:]
	}
}

// during returns the part, 0 to 1, of the seconds before now in which each one led. What has waited for
// a leader that died comes into Kafka by the next one, which is not to blame.
func (l leaders) during(now time.Time, seconds float64) map[int32]float64 {
	parts := make(map[int32]float64, 1)
	newest := 0.0
	for i, leader := range slices.Backward(l) {
		oldest := now.Sub(leader.since).Seconds()
		if i == 0 || oldest >= seconds {
			parts[leader.id] += 1 - share(newest, seconds)
			break
		}
		parts[leader.id] += share(oldest-newest, seconds)
		newest = oldest
	}
	return parts
}

// total is what records' time went to in the last seconds. What is in Kafka was counted record by
// record. What is not, and has waited for long, is added as it stands now: each with half of the
// oldest's age, which is the average of records that came evenly.
func (m *Machine) total(over time.Duration) spent {
	sum := spent{leader: map[int32]float64{}}
	for i, sp := range m.spent {
		if m.last().At.Sub(m.samples[i].At) > over {
			continue
		}
		for i := range sum.in {
			sum.in[i] += sp.in[i]
		}
		for leader, seconds := range sp.leader {
			sum.leader[leader] += seconds
		}
	}
	for i, sh := range m.last().Shards {
		if sh.Oldest > SlowOver {
			age, sent := sh.Oldest.Seconds()/2, min(float64(sh.UnderWay), float64(sh.Backlog))
			sum.add(m.leaders[i].during(m.last().At, sh.Oldest.Seconds()), age*(float64(sh.Backlog)-sent), 0, age*sent)
		}
	}
	return sum
}

func (sp *spent) all() (sum float64) {
	for _, seconds := range sp.in {
		sum += seconds
	}
	return sum
}

// queued is the time behind the sockets and the codec.
func (sp *spent) queued() float64 { return sp.in[inRing] + sp.in[inWriter] + sp.in[inBroker] }

func share(of, all float64) float64 {
	if all <= 0 {
		return 0
	}
	return of / all
}

// StageSeconds returns what records' time went to since the first sample, by StageNames.
func (m *Machine) StageSeconds() [stages]float64 { return m.sums }

// stages are the shares of the records' time by stage.
func (m *Machine) stages() map[string]float64 {
	sum := &m.minute
	shares := make(map[string]float64, stages)
	for i, name := range StageNames {
		shares[name] = share(sum.in[i], sum.all())
	}
	return shares
}

// BrokerShare is the part of all records' time in the last minute that they spent for a broker, in its
// requests or waiting for them, 0 to 1.
func (m *Machine) BrokerShare(id int32) float64 {
	return m.minute.forBroker(id)
}

// forBroker gives a broker its part of the time at sockets too: clients that wait for room wait for
// those that the rings wait for.
func (sp *spent) forBroker(id int32) float64 {
	return share(sp.leader[id], sp.queued()) * sp.forKafka()
}

func (sp *spent) forKafka() float64 { return share(sp.queued()+sp.in[inSocket], sp.all()) }

// busy tells whether the processors were all in use in the last seconds.
func (m *Machine) busy() bool {
	sum, n, last := 0.0, 0, m.last().At
	for i := range slices.Backward(m.samples) {
		if last.Sub(m.samples[i].At) > slowFor {
			break
		}
		sum += m.samples[i].CPU
		n++
	}
	return sum/float64(n) >= busyOver
}

// ago returns the youngest sample that is at least so old, or else the oldest.
func (m *Machine) ago(d time.Duration) *Sample {
	for i := range slices.Backward(m.samples) {
		if m.last().At.Sub(m.samples[i].At) >= d {
			return &m.samples[i]
		}
	}
	return &m.samples[0]
}

func (m *Machine) last() *Sample { return &m.samples[len(m.samples)-1] }
