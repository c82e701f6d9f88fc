package verdict

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// TestRejects: most of the last seconds' records are rejected; the reason of most is named.
func TestRejects(t *testing.T) {
	bad := func(s *Sample) {
		well(s)
		s.Received += 12000
		s.Rejected["bad_json"] += 11000
		s.Rejected["missing_field"] += 1000
	}
	p := newPlay(t).run(60, well).run(3, bad).want("OK")
	p.run(10, bad).want("CLIENTS: 75 % of records are rejected: bad_json").wantAdvice("Clients:", "--framing")
	p.run(3, well).wantState(Clients)
	p.run(12, well).want("OK")

	half := func(s *Sample) { well(s); s.Rejected["bad_json"] += 2 * perShard }
	p.run(60, half).want("OK")

	// What Kafka refuses at last may have come long ago.
	newPlay(t).run(60, well).run(2, func(s *Sample) { s.Received += 5; s.Rejected["refused_by_kafka"] += 9 * perShard }).
		run(9, func(s *Sample) { s.Received++ }).want("CLIENTS: 100 % of records are rejected: refused_by_kafka")

	for reason, advice := range map[string]string{"unauthorized": "--token-file", "missing_field": "--field", "too_large": "--max-record-bytes",
		"refused_by_kafka": "Kafka does not take", "truncated": "end within"} {
		newPlay(t).run(20, func(s *Sample) { s.Received++; s.Rejected[reason]++ }).want("CLIENTS: 100 % of records are rejected: " + reason).wantAdvice(advice)
	}
	newPlay(t).run(3, func(s *Sample) { s.Received++; s.Rejected["bad_json"]++ }).want("OK") // some by hand
}

// TestUnreadAcks: some clients do not read; a few of very many are no verdict.
func TestUnreadAcks(t *testing.T) {
	p := newPlay(t).run(5, well).run(10, and(well, func(s *Sample) { s.WaitingAcks = 2 })).want("OK")
	p.run(1, well).want("CLIENTS: 2 of 200 do not read their acks").wantAdvice("Clients:")
	if p.since() != unreadFor {
		t.Errorf("since %v", p.since())
	}
	p.run(6, and(well, func(s *Sample) { s.WaitingAcks = 1 })).want("OK").run(100, well).want("OK")
}

// TestOverRate: most are read at their rate and no faster.
func TestOverRate(t *testing.T) {
	newPlay(t).run(20, and(well, func(s *Sample) { s.WaitingRate = 101 })).want("CLIENTS: 101 of 200 send faster than their rate").wantAdvice("--max-rate")
	newPlay(t).run(20, and(well, func(s *Sample) { s.WaitingRate = 100 })).want("OK")
}

// TestNobodySends: after a minute; the first record ends it. A server that waits for its start is not
// quiet.
func TestNobodySends(t *testing.T) {
	p := newPlay(t).run(100, func(s *Sample) { s.Phase = Starting })
	p.run(59, func(s *Sample) { s.Phase = "" }).want("OK")
	p.run(1, idle).want("CLIENTS: nobody sends").wantAdvice("200 connections are open and send no record")
	if p.since() != quietAfter {
		t.Errorf("since %v", p.since())
	}
	p.run(1, func(s *Sample) { s.Received++ }).want("OK").run(59, idle).want("OK")
	p.run(1, func(s *Sample) { s.Connections = 1 }).want("CLIENTS: nobody sends").wantAdvice("1 connection is open and sends no record")
	p.run(1, func(s *Sample) { s.Connections = 0 }).want("CLIENTS: nobody sends").wantAdvice("nobody is connected")
	p.run(1, func(s *Sample) { s.Refused += 3 }).want("CLIENTS: nobody sends").wantAdvice("3 connections were refused in the last minute")
	p.run(61, idle).wantAdvice("nobody is connected")
	p.run(1, func(s *Sample) { s.Misfits++ }).want("CLIENTS: nobody sends").wantAdvice("1 connection was closed in the last minute for what came")

	// What waits for Kafka is no silence of clients.
	p = newPlay(t).run(5, well).run(1, still(3))
	p.run(120, func(s *Sample) { s.Shards[3].Oldest += time.Second }).wantState(Stuck)
}

// TestHuman: as one says it.
func TestHuman(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 s", 59*time.Second + 999*time.Millisecond: "59 s", time.Minute: "1 min", 59*time.Minute + 59*time.Second: "59 min",
		time.Hour: "1 h", 47 * time.Hour: "47 h", 50 * time.Hour: "2 d",
	} {
		if got := Human(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}

// TestRandom: whatever happens, a shard that stands still is STUCK and nothing else is, and a state does
// not flicker.
func TestRandom(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 0))
		p := newPlay(t).run(1, well)
		moments := []func(*Sample){well, idle, still(1), still(1, 3), still(0, 1, 2, 3),
			func(s *Sample) { well(s); s.WaitingRoom = r.IntN(3) }, func(s *Sample) { well(s); s.WaitingAcks = r.IntN(5) },
			func(s *Sample) { well(s); s.P99 = time.Duration(r.IntN(3)) * time.Second }, func(s *Sample) { well(s); s.Rejected["bad_json"] += uint64(r.IntN(9000)) },
			func(s *Sample) { well(s); s.Ready = r.IntN(2) == 0 }, func(s *Sample) { s.Received++; s.Ready = true },
		}
		stood := make([]int, 4) // for how many seconds Kafka has taken nothing of a shard that has something
		states := []State{}     // by second
		for range 100 {
			moment := moments[r.IntN(len(moments))]
			for range 1 + r.IntN(20) {
				before := slices.Clone(p.s.Shards)
				p.run(1, moment)
				longest := 0
				for i := range stood {
					if stood[i]++; p.s.Shards[i].Taken != before[i].Taken || p.s.Shards[i].Oldest == 0 {
						stood[i] = 0
					}
					if p.s.Shards[i].Oldest > stuckAfter {
						longest = max(longest, stood[i])
					}
				}
				states = append(states, p.v.State)
				if longest > 11 && p.v.State != Stuck {
					t.Fatalf("seed %d: %s, and a shard stands still for %d s", seed, p.v.Text, longest)
				}
			}
		}
		checkCalm(t, seed, states)
	}
}

// checkCalm: from one state to a better one it takes betterFor, unless it was the silence that ended.
func checkCalm(t *testing.T, seed uint64, states []State) {
	t.Helper()
	rank := func(s State) int { return slices.Index([]State{Stuck, Slow, Clients, OK}, s) }
	since := 0
	for i := 1; i < len(states); i++ {
		if states[i] == states[i-1] {
			continue
		}
		if lasted := time.Duration(i-since) * time.Second; states[i-1] != Clients && rank(states[i]) > rank(states[i-1]) && lasted < betterFor {
			t.Errorf("seed %d: %s after %v of %s", seed, states[i], lasted, states[i-1])
		}
		since = i
	}
}

// TestNothingIsKeptForEver: a machine that runs for days remembers a minute.
func TestNothingIsKeptForEver(t *testing.T) {
	p := newPlay(t).run(3600, well)
	if n := len(p.m.samples); n > 62 || len(p.m.spent) != n-1 {
		t.Errorf("%d samples, %d between", n, len(p.m.spent))
	}
	if got := fmt.Sprint(slices.Sorted(maps.Keys(p.v.Stages))); got != "[broker parse ring socket writer]" {
		t.Error(got)
	}
}
