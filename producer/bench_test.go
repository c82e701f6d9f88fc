package producer

import (
	"log/slog"
	"testing"
	"time"

	"github.com/ringtail/ringtail/producer/backend"
	"github.com/ringtail/ringtail/shard"
)

// handOverRig is a ring and the engine that empties it, into a client that costs nothing.
func handOverRig(t testing.TB) (*shard.Ring, *engine, *eager) {
	ring, err := shard.New(shard.Options{Name: "0", Bytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ring.Release() })
	c := &eager{}
	e := newEngine(engineConfig{Traits: backend.Traits{ErrorText: backend.ErrorText}, WindowRecords: 10_000, WindowBytes: 4 << 20, Logger: slog.New(slog.DiscardHandler)}, seams{
		open:         func(topicState, []uint64) (backend.Client, error) { return c, nil },
		topic:        func() topicState { return topicState{Refresh: 1} },
		refreshTopic: func() {},
		now:          func() time.Duration { return 0 },
	}, []*stream{{ring: ring}}, newStats(1))
	return ring, e, c
}

// BenchmarkHandOver is what the engine itself takes of a record's way, from a batch in
// the ring to the call of librdkafka, and from its report to free room. librdkafka, and
// the writing of the batch (BenchmarkRing in shard), are left out.
//
//	go test -run '^$' -bench HandOver ./producer
func BenchmarkHandOver(b *testing.B) {
	ring, e, c := handOverRig(b)
	record := make([]byte, 220)
	const batches, records = 64, 30
	b.SetBytes(int64(len(record)))
	b.ReportAllocs()
	for done := 0; done < b.N; done += batches * records {
		b.StopTimer()
		for range batches {
			claim, err := ring.Claim(records, records*len(record))
			if err != nil {
				b.Fatal(err)
			}
			for i := range records {
				claim.Append(record, nil, uint32(i))
			}
			claim.Publish()
		}
		b.StartTimer()
		for ring.Used() > 0 {
			e.step()
			c.Poll(0)
		}
	}
}
