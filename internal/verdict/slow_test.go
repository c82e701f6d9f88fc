package verdict

import (
	"math"
	"strings"
	"testing"
	"time"
)

// behind is a second in which a shard's records all take so long, most of it in the ring, since its
// leader takes only so many at a time.
func behind(s *Sample, shard int, long time.Duration) {
	take(s, shard, long/100)
	sh := &s.Shards[shard]
	sh.Ring += perShard * long
	sh.Oldest, sh.Backlog, sh.UnderWay, sh.Used = long, 5*perShard, 500, 1<<20
}

// TestSlowBroker: where records wait in rings because one broker takes few, that broker is named, not
// the ring; and its advice says where it is.
func TestSlowBroker(t *testing.T) {
	slow := func(s *Sample) {
		for i := range s.Shards {
			if s.Shards[i].Leader == 2 {
				behind(s, i, 2*time.Second)
			} else {
				take(s, i, 2*time.Millisecond)
			}
		}
	}
	p := newPlay(t).run(90, well).run(3, slow).want("OK").run(1, slow).wantState(Slow)
	p.run(60, slow).want("SLOW: broker 2, 100 % of the time").wantAdvice("Kafka or the network", "broker 2 (10.0.0.2:9092)")
	if one, two := p.m.BrokerShare(1), p.m.BrokerShare(2); one > 0.01 || two < 0.99 || two > 1 {
		t.Errorf("the shares are %v and %v", one, two)
	}
	if p.v.Stages["ring"] < 0.9 {
		t.Errorf("the stages are %v", p.v.Stages)
	}
	if got := p.since(); got != 63*time.Second {
		t.Errorf("since %v", got)
	}
	p.run(5, well).wantState(Slow).run(1, well).want("OK")

	// It says for how long it throttles when that begins.
	p = newPlay(t).run(5, slow).run(1, func(s *Sample) { slow(s); s.Brokers[1].Throttled += 40 * time.Second })
	p.run(40, slow).wantState(Slow).wantAdvice("Kafka: broker 2 (10.0.0.2:9092) holds this server to a quota")
}

// TestSlowNames: what is named, of all that it may be.
func TestSlowNames(t *testing.T) {
	everywhere := func(s *Sample) {
		for i := range s.Shards {
			behind(s, i, 2*time.Second)
		}
	}
	for _, c := range []struct {
		what         string
		second       func(*Sample)
		text, advice string
	}{
		{"all brokers", everywhere, "SLOW: Kafka, 100 % of the time", "Kafka or the network: its brokers"},
		{"all brokers, by a quota", func(s *Sample) {
			everywhere(s)
			s.Brokers[1].Throttled += time.Second
		}, "SLOW: Kafka, 100 % of the time", "Kafka: its brokers hold this server to a quota"},
		{"nobody leads", func(s *Sample) {
			well(s)
			s.Shards[3].Leader = -1
			behind(s, 3, 2*time.Second)
		}, "SLOW: Kafka, 100 % of the time", "Kafka: records wait for partitions without a leader"},
		{"the only broker", func(s *Sample) {
			s.Brokers = s.Brokers[:1]
			for i := range s.Shards {
				s.Shards[i].Leader = 1
			}
			everywhere(s)
		}, "SLOW: broker 1, 100 % of the time", "broker 1 (10.0.0.1:9092)"},
		{"clients wait for room", func(s *Sample) {
			everywhere(s)
			s.WaitingRoom = 7
			s.Socket += 4 * perShard * 10
		}, "SLOW: Kafka, 100 % of the time", "Kafka"},
		{"the processors, on records", func(s *Sample) {
			everywhere(s)
			s.CPU, s.Parse = 0.97, s.Parse+10*4*perShard
		}, "SLOW: parse, 80 % of the time", "Ringtail: this machine's processors"},
		{"the processors, on batches", func(s *Sample) { everywhere(s); s.CPU = 0.97 }, "SLOW: ring, 97 % of the time", "Ringtail: this machine's processors"},
		{"memory for clients", func(s *Sample) { well(s); s.WaitingMemory = 3; s.Socket += 10 * 4 * perShard }, "SLOW: socket, 100 % of the time", "3 connections wait for memory. Raise --client-memory"},
		{"p99", func(s *Sample) { well(s); s.P99 = 1100 * time.Millisecond }, "SLOW: Kafka, 100 % of the time", "Kafka"},
	} {
		p := newPlay(t).run(70, c.second).want(c.text).wantAdvice(c.advice)
		if t.Failed() {
			t.Fatalf("%s: stages %v", c.what, p.v.Stages)
		}
	}
}

// TestFrozenLeader: before a shard is stuck its leader is named already, though what waits is counted
// nowhere yet.
func TestFrozenLeader(t *testing.T) {
	p := newPlay(t).run(90, well).run(5, still(1, 3)).wantState(Slow).wantAdvice("broker 2")
	if share := p.m.BrokerShare(2); share < brokerMost {
		t.Errorf("its share is %v", share)
	}
	p.run(3, still(1, 3)).want("SLOW: broker 2, 100 % of the time")
}

// TestLeaderMoved: what waited for a broker that died is not the fault of the one that leads then,
// neither while it catches up nor after.
func TestLeaderMoved(t *testing.T) {
	moved := func(s *Sample) {
		for _, i := range []int{1, 3} {
			s.Shards[i].Leader = 1
		}
	}
	caughtUp := and(well, moved, func(s *Sample) {
		for _, i := range []int{1, 3} {
			s.Shards[i].Taken += 8 * perShard
			s.Shards[i].Ring += 9 * perShard * 5 * time.Second
		}
		s.P99 = 9 * time.Second
	})
	slow := and(well, moved, func(s *Sample) { s.P99 = 9 * time.Second })
	p := newPlay(t).run(90, well).run(8, still(1, 3)).want("SLOW: broker 2, 100 % of the time")
	p.run(1, and(still(1, 3), moved)).wantAdvice("broker 2").run(1, caughtUp).wantAdvice("broker 2")
	p.run(7, slow).wantState(Slow).wantAdvice("broker 2")
	if one, two := p.m.BrokerShare(1), p.m.BrokerShare(2); one > 0.3 || one < 0.1 || math.Abs(one+two-1) > 1e-3 {
		t.Errorf("the shares are %v and %v", one, two)
	}
	p.run(70, and(well, moved))
	if one := p.m.BrokerShare(1); one < 0.99 {
		t.Errorf("a minute later its share is %v", one)
	}
}

// TestSlowIsOver: p99 may be of records of a moment before those whose time is known.
func TestSlowIsOver(t *testing.T) {
	slow := func(s *Sample) { well(s); s.P99 = 2 * time.Second }
	p := newPlay(t).run(20, slow).wantState(Slow)
	for range 20 {
		p.run(1, func(s *Sample) {
			for i := range s.Shards {
				s.Shards[i].Oldest = 0
			}
		})
		if strings.Contains(p.v.Text, " 0 %") {
			t.Fatalf("%s", p.v.Text)
		}
	}
	p.want("OK")
}

// TestSlowNeedsTime: neither one look that is bad, nor bad ones far apart, are SLOW; bad ones that are
// close are.
func TestSlowNeedsTime(t *testing.T) {
	bad := and(well, func(s *Sample) { s.WaitingRoom = 200 })
	good := and(well, func(s *Sample) { s.WaitingRoom = 0 })
	p := newPlay(t).run(5, good)
	for range 100 {
		p.run(3, bad).want("OK").run(3, good).want("OK")
	}
	p.run(1, bad).run(1, good).run(1, bad).run(1, good).want("OK").run(1, bad).wantState(Slow)
}

// TestFullIn: seconds until clients stand still.
func TestFullIn(t *testing.T) {
	p := newPlay(t).run(20, well)
	if p.v.FullIn != nil {
		t.Errorf("full in %v", *p.v.FullIn)
	}
	p.run(3, still(3)) // 200 kB a second, of 16 MiB
	if p.v.FullIn == nil || math.Abs(*p.v.FullIn-(16<<20-3*200e3)/200e3) > 1 {
		t.Errorf("after 3 s it is full in %v", p.v.FullIn)
	}
	p.run(17, still(3))
	if p.v.FullIn == nil || math.Abs(*p.v.FullIn-(16<<20-20*200e3)/200e3) > 1 {
		t.Errorf("full in %v", p.v.FullIn)
	}
	if in := p.m.FullIn(2); in != nil {
		t.Errorf("another ring is full in %v", *in)
	}
	p.run(200, still(3))
	if p.v.FullIn == nil || *p.v.FullIn != 0 {
		t.Errorf("a full ring is full in %v", p.v.FullIn)
	}
	p.run(20, func(s *Sample) { // it empties, and is not empty for long
		well(s)
		s.Shards[3].Used, s.Shards[3].Oldest = 16<<20-int(s.At.Unix()%1e9-240)*300e3, 10*time.Second
	})
	if p.v.FullIn != nil {
		t.Errorf("a ring that empties is full in %v", *p.v.FullIn)
	}
	p.s.Shards[3].Used = 0
	p.run(20, func(s *Sample) { well(s); s.Shards[3].Used += 10; s.Shards[3].Oldest = 10 * time.Second })
	if p.v.FullIn != nil {
		t.Errorf("a ring that is full in weeks is full in %v", *p.v.FullIn)
	}
}

// TestWaiting: all connections that are not read are counted.
func TestWaiting(t *testing.T) {
	p := newPlay(t).run(1, func(s *Sample) { s.WaitingRoom, s.WaitingMemory, s.WaitingRate, s.WaitingAcks = 1, 20, 300, 4000 })
	if p.v.Waiting != 4321 || p.v.Connections != 200 {
		t.Errorf("%d of %d wait", p.v.Waiting, p.v.Connections)
	}
}
