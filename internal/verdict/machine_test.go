package verdict

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

// play is a server of four shards, led by brokers 1 and 2 in turn, that is looked at once a second.
type play struct {
	t *testing.T
	m Machine
	s Sample
	v Verdict
}

const perShard = 1000 // records a second

func newPlay(t *testing.T) *play {
	p := &play{t: t, s: Sample{At: time.Unix(1e9, 0), Ready: true, Connections: 200, Rejected: map[string]uint64{}}}
	for i := range 4 {
		p.s.Shards = append(p.s.Shards, Shard{Name: fmt.Sprint(i), Partition: int32(i), Leader: int32(1 + i%2), Capacity: 16 << 20})
	}
	for id := range int32(2) {
		p.s.Brokers = append(p.s.Brokers, Broker{ID: id + 1, Address: fmt.Sprintf("10.0.0.%d:9092", id+1), Up: true})
	}
	return p
}

// well is a second in which all goes well: records take 4 ms, 2 of them in the broker.
func well(s *Sample) {
	for i := range s.Shards {
		take(s, i, 2*time.Millisecond)
	}
}

// take is a second in which Kafka takes what comes to a shard, each record within so long.
func take(s *Sample, shard int, broker time.Duration) {
	sh := &s.Shards[shard]
	s.Received += perShard
	sh.Taken += perShard
	sh.Oldest = 4 * time.Millisecond
	sh.Backlog, sh.UnderWay, sh.Used = 0, 0, 0
	sh.Ring += perShard * time.Millisecond
	sh.Writer += perShard * time.Millisecond
	sh.Broker += perShard * broker
	s.Socket += perShard * 100e-6
	s.Parse += perShard * 10e-6
}

// stand is a second in which Kafka takes nothing of a shard, and as many records come as ever.
func stand(s *Sample, shard int) {
	sh := &s.Shards[shard]
	s.Received += perShard
	sh.Oldest += time.Second
	sh.Backlog += perShard
	sh.UnderWay = min(int(sh.Backlog), 5000)
	sh.Used = min(sh.Used+200*perShard, sh.Capacity)
}

// idle is a second in which nothing comes.
func idle(*Sample) {}

// and is both in the same second.
func and(all ...func(*Sample)) func(*Sample) {
	return func(s *Sample) {
		for _, f := range all {
			f(s)
		}
	}
}

func still(shards ...int) func(*Sample) {
	return func(s *Sample) {
		for i := range s.Shards {
			if slices.Contains(shards, i) {
				stand(s, i)
			} else {
				take(s, i, 2*time.Millisecond)
			}
		}
	}
}

// run plays so many seconds.
func (p *play) run(seconds int, second func(*Sample)) *play {
	for range seconds {
		p.s.At = p.s.At.Add(time.Second)
		second(&p.s)
		s := p.s
		s.Shards, s.Brokers, s.Rejected = slices.Clone(s.Shards), slices.Clone(s.Brokers), maps.Clone(s.Rejected)
		before := p.v
		p.v = p.m.Look(s)
		p.check(&before)
	}
	return p
}

// check is what holds of every verdict.
func (p *play) check(before *Verdict) {
	p.t.Helper()
	word, _, _ := strings.Cut(p.v.Text, ":")
	switch {
	case word != strings.ToUpper(string(p.v.State)):
		p.t.Errorf("state %s: %q", p.v.State, p.v.Text)
	case strings.ContainsAny(p.v.Text+p.v.Advice, "\n"):
		p.t.Errorf("more than a line: %q %q", p.v.Text, p.v.Advice)
	case (p.v.Advice == "") != (p.v.State == OK):
		p.t.Errorf("%s: the advice is %q", p.v.Text, p.v.Advice)
	case p.v.Since.After(p.s.At) || p.v.Since.IsZero():
		p.t.Errorf("since %v, at %v", p.v.Since, p.s.At)
	case before.State == p.v.State && p.v.State == OK && !before.Since.Equal(p.v.Since):
		p.t.Errorf("OK since %v, and then since %v", before.Since, p.v.Since)
	}
	all := 0.0
	for _, part := range p.v.Stages {
		all += part
	}
	if len(p.v.Stages) != len(StageNames) || all != 0 && math.Abs(all-1) > 1e-9 {
		p.t.Errorf("stages %v", p.v.Stages)
	}
}

func (p *play) want(text string) *play {
	p.t.Helper()
	if p.v.Text != text {
		p.t.Errorf("got %q, want %q", p.v.Text, text)
	}
	return p
}

func (p *play) wantState(state State) *play {
	p.t.Helper()
	if p.v.State != state {
		p.t.Errorf("got %q, want %s", p.v.Text, state)
	}
	return p
}

func (p *play) wantAdvice(parts ...string) *play {
	p.t.Helper()
	for _, part := range parts {
		if !strings.Contains(p.v.Advice, part) {
			p.t.Errorf("%s: the advice %q does not say %q", p.v.Text, p.v.Advice, part)
		}
	}
	return p
}

// since is how long the verdict says that it has been so.
func (p *play) since() time.Duration { return p.s.At.Sub(p.v.Since) }

// TestStuck: the whole life of a partition that Kafka does not take.
func TestStuck(t *testing.T) {
	p := newPlay(t).run(90, well).want("OK")
	refused := func(s *Sample) { s.Shards[3].Error = Error{s.At, "partition 3: NOT_ENOUGH_REPLICAS: too few"} }
	p.run(3, and(still(3), refused)).want("OK")
	p.run(7, and(still(3), refused)).wantState(Slow)
	p.run(2, and(still(3), refused)).want("STUCK: partition 3 since 12 s: NOT_ENOUGH_REPLICAS").wantAdvice("Kafka:", "min.insync.replicas", "10.0.0.2:9092")
	p.run(4*60, and(still(3), refused)).want("STUCK: partition 3 since 4 min: NOT_ENOUGH_REPLICAS")
	if got := p.since(); got != 252*time.Second {
		t.Errorf("since %v", got)
	}
	p.run(5, well).wantState(Stuck)
	p.run(1, well).want("OK")
	if got := p.since(); got != betterFor {
		t.Errorf("OK since %v", got)
	}
}

// TestStuckNames: which shard is named, and how many others.
func TestStuckNames(t *testing.T) {
	p := newPlay(t).run(5, well).run(3, still(2)).run(20, still(1, 2))
	p.want("STUCK: partition 2 and 1 other since 23 s: broker 1 takes nothing")
	p.run(15, still(0, 1, 2)).want("STUCK: partition 2 and 2 others since 38 s: broker 1 takes nothing")
	p.run(15, still(0, 1, 2, 3)).want("STUCK: all 4 partitions since 53 s: broker 1 takes nothing")

	p = newPlay(t)
	p.s.Shards[3].Name = DeadLetters
	p.run(5, well).run(20, still(3)).want("STUCK: dead letters since 20 s: broker 2 takes nothing")
}

// TestNotStuck: what is old but moves, and what waits for nobody.
func TestNotStuck(t *testing.T) {
	p := newPlay(t).run(5, well)
	for range 20 { // two records in ten seconds, of a backlog of an hour
		p.run(5, func(s *Sample) { still(3)(s); s.Shards[3].Oldest = time.Hour })
		p.run(1, func(s *Sample) { still(3)(s); s.Shards[3].Taken++ })
		if p.v.State == Stuck {
			t.Fatalf("it moves: %s", p.v.Text)
		}
	}
	// A shard that has no record for an hour, and gets one: only from then on does it stand still.
	p = newPlay(t).run(3600, func(s *Sample) { take(s, 0, time.Millisecond) })
	p.run(10, func(s *Sample) {
		take(s, 0, time.Millisecond)
		s.Shards[1].Oldest += time.Second
		s.Shards[1].Backlog = 1
	})
	if p.v.State == Stuck {
		t.Errorf("after ten seconds: %s", p.v.Text)
	}
	p.run(5, func(s *Sample) { take(s, 0, time.Millisecond); s.Shards[1].Oldest += time.Second })
	p.want("STUCK: partition 1 since 15 s: broker 2 takes nothing")
}

// TestCauses: what is said of a shard that stands still, and what to do about it.
func TestCauses(t *testing.T) {
	long := strings.Repeat("x", 500)
	for _, c := range []struct {
		what         string
		happens      func(*Sample)
		text, advice string
	}{
		{"the partition's error", func(s *Sample) { s.Shards[3].Error = Error{s.At, "partition 3: NOT_LEADER_FOR_PARTITION: moved"} }, "NOT_LEADER_FOR_PARTITION", "Kafka: the partition's leader moves"},
		{"librdkafka's words", func(s *Sample) {
			s.Shards[3].Error = Error{s.At, "Broker: Not enough in-sync replicas"}
		}, "NOT_ENOUGH_REPLICAS", "Kafka: too few replicas"},
		{"no leader", func(s *Sample) { s.Shards[3].Leader = -1 }, "no leader", "Kafka: nobody leads"},
		{"the leader's error", func(s *Sample) {
			s.Brokers[1].Up = false
			s.Brokers[1].Error = Error{s.At, "connection refused: nothing listens there"}
		}, "broker 2: connection refused: nothing listens there", "Not reached: broker 2 (10.0.0.2:9092)"},
		{"up, and silent", func(s *Sample) {
			s.Shards[3].Error = Error{s.At, "broker 2: it is up and does not confirm what it got: it is slow, waits for its replicas, or holds us to a quota"}
		}, "broker 2: it is up and does not confirm what it got: it is slow, waits for its replicas, or holds us to a quota", "waits for a replica, or"},
		{"up, and silent for long", func(s *Sample) {
			s.Brokers[1].Oldest += time.Second
			s.Brokers[1].Error = Error{s.At, "broker 2: it is up and does not confirm what it got: it is slow, waits for its replicas, or holds us to a quota"}
		}, "broker 2 does not confirm", "Kafka: the leader is up"},
		{"no topic", func(s *Sample) {
			s.Shards[3].Leader, s.Shards[3].Error = -1, Error{s.At, "LEADER_NOT_AVAILABLE: nobody leads the partition"}
			s.Ready, s.Reason = false, "topic records is missing; make it"
		}, "topic records is missing; make it", "Kafka: the topic is gone"},
		{"no answer, in more words", func(s *Sample) {
			s.Brokers[1].Oldest += time.Second
			s.Shards[3].Error = Error{s.At, "broker 2 at 10.0.0.2:9092: it answers nothing, for 10s now"}
		}, "broker 2 does not answer", "Network or Kafka:"},
		{"no answer, of what was refused before", func(s *Sample) {
			s.Brokers[1].Oldest += time.Second
			s.Shards[3].Error = Error{s.At, "NOT_ENOUGH_REPLICAS"}
		}, "NOT_ENOUGH_REPLICAS", "Kafka: too few"},
		{"no answer", func(s *Sample) { s.Brokers[1].Oldest += time.Second }, "broker 2 does not answer", "Network or Kafka:"},
		{"down", func(s *Sample) { s.Brokers[1].Up = false }, "broker 2 is not reached", "Network or Kafka:"},
		{"a quota", func(s *Sample) { s.Brokers[1].Throttled += time.Second }, "broker 2 slows us by a quota", "Kafka: a quota holds this server back"},
		{"nothing known", idle, "broker 2 takes nothing", "Kafka: the broker is there"},
		{"rights", func(s *Sample) { s.Shards[3].Error = Error{s.At, "TOPIC_AUTHORIZATION_FAILED"} }, "TOPIC_AUTHORIZATION_FAILED", "rights"},
		{"words nobody knows", func(s *Sample) { s.Shards[3].Error = Error{s.At, "line\n" + long} }, "line " + long[:textMax-5] + "…", "last error"},
	} {
		p := newPlay(t)
		p.s.Shards[3].Error = Error{p.s.At.Add(-time.Hour), "an old one"} // says nothing of now
		p.s.Brokers[1].Error = p.s.Shards[3].Error
		p.run(5, well).run(30, and(still(3), c.happens))
		p.want("STUCK: partition 3 since 30 s: " + c.text).wantAdvice(c.advice)
		if t.Failed() {
			t.Fatal(c.what)
		}
	}
}

// TestUnready: Kafka cannot be written to, and nobody has noticed yet.
func TestUnready(t *testing.T) {
	p := newPlay(t).run(5, well)
	p.run(10, func(s *Sample) { s.Ready, s.Reason = false, "topic records: nobody leads partition 3" }).want("OK")
	p.run(1, idle).want("STUCK: Kafka since 10 s: topic records: nobody leads partition 3").wantAdvice("Kafka: nobody leads")
	p.run(6, func(s *Sample) { s.Ready, s.Reason = true, ""; well(s) }).want("OK")

	// Records that wait for long are what readiness speaks of, too. They move, so nothing is stuck.
	p.run(60, func(s *Sample) {
		well(s)
		s.Ready, s.Reason, s.Shards[1].Oldest = false, "oldest record has waited 20s for kafka", 20*time.Second
	})
	p.wantState(Slow)
}

// TestPhases: what the node says of itself is taken at once, both ways.
func TestPhases(t *testing.T) {
	p := newPlay(t).run(1, func(s *Sample) { s.Phase = Starting }).want("STARTING")
	p.run(1, func(s *Sample) { s.Reason = "topic records is\nmissing" }).want("STARTING: topic records is missing")
	p.run(100, idle).want("STARTING: topic records is missing")
	if p.since() != 101*time.Second {
		t.Errorf("since %v", p.since())
	}
	p.run(1, func(s *Sample) { s.Phase, s.Reason = "", "" }).want("OK")
	p.run(30, still(0, 1, 2, 3)).wantState(Stuck)
	p.run(1, func(s *Sample) { s.Phase = Draining }).want("DRAINING").wantAdvice("120000 records are")
}
