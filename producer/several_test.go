package producer

import (
	"encoding/binary"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringtail/ringtail/shard"
)

// TestSeveralInstances: with --producers 2 and 3 each shard's records are all there, in order,
// once, whoever writes.
func TestSeveralInstances(t *testing.T) {
	for _, writer := range writers() {
		for producers := 2; producers <= 3; producers++ {
			const shards, rounds, each = 7, 50, 20
			w, c, rings := fakeWriter(t, Options{Writer: writer, Producers: producers}, shards)
			if err := w.Check(minute(t)); err != nil {
				t.Fatal(err)
			}
			w.Start()
			for round := range rounds {
				for _, r := range rings {
					claim := claimSoon(t, r, each, each*8)
					for i := range each {
						claim.Append(binary.BigEndian.AppendUint64(nil, uint64(round*each+i)), nil, uint32(i))
					}
					claim.Publish()
				}
			}
			until(t, "everything", func() bool { return w.Stats().Delivered == shards*rounds*each })
			ids := 0
			for _, e := range w.engines {
				if len(e.streams) > 0 {
					ids++
				}
			}
			if ids != producers {
				t.Errorf("%d instances, want %d", ids, producers)
			}
			w.Close()
			kc, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.ConsumeTopics("records"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
			if err != nil {
				t.Fatal(err)
			}
			next := make([]uint64, shards)
			for n := 0; n < shards*rounds*each; {
				kc.PollFetches(minute(t)).EachRecord(func(r *kgo.Record) {
					if got := binary.BigEndian.Uint64(r.Value); got != next[r.Partition] {
						t.Fatalf("%s, %d instances, partition %d: record %d, want %d", writer, producers, r.Partition, got, next[r.Partition])
					}
					next[r.Partition]++
					n++
				})
			}
			kc.Close()
		}
	}
}

// claimSoon claims once there is room.
func claimSoon(t *testing.T, r *shard.Ring, count, size int) shard.Claim {
	t.Helper()
	var claim shard.Claim
	until(t, "room", func() bool {
		var err error
		claim, err = r.Claim(count, size)
		return err == nil
	})
	return claim
}
